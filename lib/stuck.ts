import type { Listing } from './evidence.ts';
import type { Pipeline } from './pipeline.ts';
import { isError } from './runtime/error.ts';
import type { Runtime } from './runtime/runtime.ts';
import { undeliveredFrom } from './source/idle.ts';
import type { Checkpoint } from './store/progress.ts';
import { registryKey, type Registry, type Stuck } from './store/registry.ts';
import { formatInstant } from './time/instant.ts';

/**
 * Says which partitions have undelivered records and make no progress: stopped ones, and those that committed nothing
 * for the declared time. They hold every window back, so this is what an alarm watches.
 *
 * `seen` cannot tell: a partition of nothing but late events never renews it, and gets on.
 */
export async function reportStuck(
  pipeline: Pipeline,
  registry: Registry,
  checkpoints: readonly Checkpoint[],
  listing: Listing,
  runtime: Runtime,
): Promise<void> {
  const now = runtime.clock.now();
  const stuck: Stuck[] = [];
  for (const checkpoint of checkpoints) {
    const since = await stuckSince(pipeline, checkpoint, listing, runtime, now);
    if (since === undefined) continue;
    const { partition, state, next, reason } = checkpoint;
    stuck.push({ partition, since });
    const details = { pipeline: pipeline.id, partition, state, next, since: formatInstant(since), reason };
    runtime.log.error('partition makes no progress', details);
  }
  if (stuck.length > 0) {
    const stuckMs = now - Math.min(...stuck.map(({ since }) => since));
    runtime.metrics(pipeline.name, { stuckPartitions: stuck.length, stuckMs });
  }
  if (textOf(stuck) === textOf(registry.stuck)) return;
  await runtime.store.write({
    kind: 'update',
    key: registryKey(pipeline),
    set: { stuck: stuck.map((one) => ({ ...one })) },
  });
}

const textOf = (stuck: readonly Stuck[]): string =>
  stuck.map(({ partition, since }) => `${partition} ${since}`).join(', ');

/** Since when a partition makes no progress, wall time; undefined when it does, or has nothing to do. */
async function stuckSince(
  pipeline: Pipeline,
  checkpoint: Checkpoint,
  listing: Listing,
  { broker }: Runtime,
  now: number,
): Promise<number | undefined> {
  const { partition, state, committedAt } = checkpoint;
  if (state === 'stopped') return committedAt;
  const offsets = listing.get(partition);
  if (!offsets || !broker || now - committedAt < pipeline.stuckAfterMs) return undefined;
  const next = undeliveredFrom(checkpoint, offsets);
  if (offsets.end <= next) return undefined;
  try {
    // Transaction markers and compacted records at the end of a log are nothing to deliver.
    const [first] = (await broker.read(pipeline.source.topic, partition, next, 1)).records;
    if (!first) return undefined;
    const since = Math.max(committedAt, Math.min(first.timestamp, now)); // it may have come a moment ago
    return now - since >= pipeline.stuckAfterMs ? since : undefined;
  } catch (error) {
    if (!isError(error, 'BROKER_UNREACHABLE')) throw error;
    return undefined;
  }
}

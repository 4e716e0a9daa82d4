import { collect, emitWindows } from './emission.ts';
import {
  askBroker,
  classifyGaps,
  isIdleByBroker,
  join,
  markExpired,
  stopTruncated,
  storeListing,
  type Listing,
} from './evidence.ts';
import { refreshLive } from './live.ts';
import { flushOutbox } from './outbox.ts';
import { describe, type Pipeline } from './pipeline.ts';
import { checkpointsOf } from './reader.ts';
import { closeRetired } from './retired.ts';
import { refreshRunning } from './running.ts';
import { TidemarkError, isError } from './runtime/error.ts';
import { retrying, type Retry } from './runtime/retry.ts';
import { deadlineOf, type Context, type Runtime } from './runtime/runtime.ts';
import { storeDeclaration } from './store/declaration.ts';
import { readAll } from './store/drain.ts';
import * as progress from './store/progress.ts';
import type { Checkpoint } from './store/progress.ts';
import { checkFingerprint, readRegistry, registryChange, registryKey, type Registry } from './store/registry.ts';
import { reportStuck } from './stuck.ts';
import { formatInstant } from './time/instant.ts';
import { lastEndHolding } from './window/geometry.ts';

/** Before Lambda's timeout. */
const MARGIN_MS = 10_000;
/** A broker's answer proves idleness no longer than this, on the monotonic clock. */
const EVIDENCE_MS = 5_000;
/** Without any answer of the broker, windows close no longer than this: a new partition may be waiting. */
const LISTING_MAX_AGE_MS = 10 * 60_000;
const { NEVER } = progress;

/**
 * STORY 2. Checkpoints give the watermark, the watermark closes windows, and closed windows are emitted.
 *
 * Any number may run at once and any may crash: every step is conditional on what was read, and may be repeated.
 * The invariant that makes closed windows immutable: `closed <= watermark` of every registered partition, at all times.
 *
 * @param event `{ pipeline?: string }`; without a name, all of this function's pipelines, one after the other.
 */
export async function finalize(
  event: unknown,
  pipelines: readonly Pipeline[],
  runtime: Runtime,
  context: Context = {},
): Promise<void> {
  const { clock, random } = runtime;
  const retry: Retry = { clock, random, deadline: deadlineOf(context, clock, MARGIN_MS) };
  const failures: unknown[] = [];
  for (const pipeline of selected(event, pipelines)) {
    try {
      await finalizePipeline(pipeline, runtime, retry);
    } catch (error) {
      runtime.log.error('finalize failed', { pipeline: pipeline.id, error });
      failures.push(error); // one failing pipeline holds no other
    }
  }
  if (failures.length > 0) throw failures[0];
}

function selected(event: unknown, pipelines: readonly Pipeline[]): readonly Pipeline[] {
  const name = (event as { readonly pipeline?: unknown } | null | undefined)?.pipeline;
  if (name === undefined) return pipelines;
  const found = pipelines.filter((pipeline) => pipeline.name === name);
  if (found.length > 0) return found;
  const known = pipelines.map((pipeline) => pipeline.name).join(', ');
  throw new TidemarkError(
    'BAD_EVENT',
    `no pipeline of this function is named '${typeof name === 'string' ? name : JSON.stringify(name)}'; expected one of ${known}`,
  );
}

/** Closes and emits one pipeline, of the code or restored from its stored declaration. */
export async function finalizePipeline(pipeline: Pipeline, runtime: Runtime, retry: Retry): Promise<void> {
  const registry = await retrying(`close ${pipeline.id}`, retry, () => close(pipeline, runtime, retry));
  if (registry === NOTHING_YET) return;
  if (registry.state === 'active') await storeDeclaration(pipeline, runtime.store, retry);
  const emitted = await emitWindows(pipeline, registry, runtime, retry);
  await refreshLive(pipeline, registry, runtime, retry);
  await refreshRunning(pipeline, registry, runtime, retry);
  await collect(pipeline, registry.partitions, emitted, runtime, retry);
  await flushOutbox(pipeline, registry, runtime, retry); // last: a sink that does not answer holds no window
}

/** No partition has joined, and the broker has none. */
const NOTHING_YET = 'nothing yet';

/**
 * Raises idle partitions and closes what the pipeline's watermark has passed.
 *
 * @returns the registry as stored, with `closed` as far as it may go now; undefined when something moved meanwhile or
 *   had to be stored first: the caller starts over.
 */
async function close(
  pipeline: Pipeline,
  runtime: Runtime,
  retry: Retry,
): Promise<Registry | typeof NOTHING_YET | undefined> {
  const { store, clock, log } = runtime;
  const shape = describe(pipeline).shape;
  // The registry first: a partition that joins after this read changes its version, so closing fails and starts over.
  const [item] = await readAll(store, [registryKey(pipeline)], retry);
  const registry = item && readRegistry(item);
  if (registry) checkFingerprint(pipeline, registry, shape);
  const checkpoints = registry ? await checkpointsOf({ store, retry }, pipeline, registry) : [];
  if (registry?.state === 'retired') return await closeRetired(pipeline, registry, checkpoints, runtime);
  const now = clock.now();

  // Only after the checkpoints: an end offset asked earlier would call a partition idle that has moved on since.
  const askedAt = clock.monotonic();
  const listing = await askBroker(pipeline, runtime);
  const newcomers = [...(listing ?? [])].filter(([partition]) => !registry?.partitions.includes(partition));
  if (newcomers.length > 0) return await join(pipeline, newcomers, registry, runtime);
  if (!registry) return NOTHING_YET;
  if (runtime.broker && !listing && now - (registry.listed?.at ?? NEVER) > LISTING_MAX_AGE_MS) {
    log.error('nothing closes: the broker cannot be asked for partitions', { pipeline: pipeline.id });
    return registry;
  }
  if (listing) {
    await storeListing(pipeline, registry, listing.size, now, runtime);
    if (await stopTruncated(pipeline, checkpoints, listing, runtime)) return undefined;
    if (await markExpired(pipeline, registry, checkpoints, listing, runtime)) return undefined;
    await reportStuck(pipeline, registry, checkpoints, listing, runtime);
  }
  const gapped = checkpoints.filter(({ gaps }) => gaps.some(({ kind }) => kind === 'unclassified'));
  if (gapped.length > 0 && runtime.broker) {
    try {
      const isListed = gapped.every(({ partition }) => listing?.has(partition));
      if (listing && isListed) return await classifyGaps(pipeline, registry, checkpoints, listing, runtime);
    } catch (error) {
      if (!isError(error, 'BROKER_UNREACHABLE')) throw error;
    }
    log.error('nothing closes: the broker cannot be asked about a gap', { pipeline: pipeline.id });
    return registry;
  }

  if (pipeline.running) return registry; // nothing closes, so nobody has to be idle
  const idle = new Set<Checkpoint>();
  for (const checkpoint of checkpoints) {
    const offsets = listing?.get(checkpoint.partition);
    if (offsets && (await isIdleByBroker(pipeline, checkpoint, offsets, runtime, now))) idle.add(checkpoint);
  }
  const target = targetOf(pipeline, checkpoints, idle, now);
  if (target <= registry.closed) return registry;
  if (!(await raise(pipeline, idle, target, askedAt, runtime))) return undefined;
  const incompleteUntil = Math.max(registry.incompleteUntil, startedAt(pipeline, checkpoints, listing, runtime));
  const outcome = await store.write(registryChange(pipeline, registry, { closed: target, incompleteUntil }, shape));
  if (outcome === 'refused') return undefined;
  runtime.metrics(pipeline.name, { watermarkLagMs: now - target });
  return { ...registry, closed: target, incompleteUntil, version: registry.version + 1 };
}

/** Raises idle partitions to what is about to be closed. @returns false when one was not idle any more. */
async function raise(
  pipeline: Pipeline,
  idle: ReadonlySet<Checkpoint>,
  target: number,
  askedAt: number,
  { store, clock, log }: Runtime,
): Promise<boolean> {
  for (const checkpoint of idle) {
    if (checkpoint.watermark >= target) continue;
    if (clock.monotonic() - askedAt > EVIDENCE_MS) return false; // a raise before this one may have taken long
    const { partition, version } = checkpoint;
    // A delivery may be counted at this moment: then the version differs, and the partition was not idle.
    const outcome = await store.write({
      kind: 'update',
      key: progress.checkpointKey(pipeline, partition),
      set: { watermark: target, version: progress.nextVersion(version) },
      when: [...progress.versionIs(version), { attribute: 'state', equals: 'active' }],
    });
    if (outcome === 'refused') return false;
    log.info('idle partition raised', { pipeline: pipeline.id, partition, watermark: formatInstant(target) });
  }
  return true;
}

/**
 * How far windows may close: the least watermark of the partitions that are not idle.
 *
 * When all are idle, time goes on with the wall clock, but never beyond the last window that can hold data.
 */
function targetOf(
  pipeline: Pipeline,
  checkpoints: readonly Checkpoint[],
  idle: ReadonlySet<Checkpoint>,
  now: number,
): number {
  const waiting = checkpoints.filter((checkpoint) => !idle.has(checkpoint));
  if (waiting.length > 0) return Math.min(...waiting.map((checkpoint) => checkpoint.watermark));
  const clock = Math.max(NEVER, ...checkpoints.map((checkpoint) => checkpoint.clock));
  if (clock === NEVER) return NEVER;
  const seen = Math.max(...checkpoints.map((checkpoint) => checkpoint.seen));
  return Math.min(lastEndHolding(pipeline.geometry, clock), clock + (now - seen) - pipeline.delayMs);
}

/**
 * Windows that start before this began before counting did, on a partition that already had records.
 *
 * While the broker does not say where the log begins, it is taken to begin at 0.
 */
function startedAt(
  pipeline: Pipeline,
  checkpoints: readonly Checkpoint[],
  listing: Listing | undefined,
  { broker }: Runtime,
): number {
  const late = checkpoints.filter(
    ({ partition, from }) => from !== undefined && from > (listing?.get(partition)?.start ?? (broker ? 0 : from)),
  );
  return Math.max(NEVER, ...late.map(({ fromTimestamp }) => (fromTimestamp ?? NEVER) + pipeline.maxFutureMs));
}

import { describe, type Pipeline } from './pipeline.ts';
import { isError } from './runtime/error.ts';
import type { Runtime } from './runtime/runtime.ts';
import type { PartitionOffsets } from './source/broker.ts';
import { classify, isIdle } from './source/idle.ts';
import * as progress from './store/progress.ts';
import type { Checkpoint } from './store/progress.ts';
import {
  joinRegistry,
  newRegistry,
  registryChange,
  registryKey,
  type Incomplete,
  type Registry,
} from './store/registry.ts';
import { MAX_TRANSACTION_ACTIONS, type Write } from './store/store.ts';

/** How often an unchanged listing is stored again. */
const LISTING_STORED_MS = 60_000;
/** A new leader may tell an end that is still behind; it has caught up after this. */
const LEADER_CHANGE_MS = 1_000;
const { NEVER } = progress;

/** What the broker says of each partition of a topic. */
export type Listing = ReadonlyMap<number, PartitionOffsets>;

/** The broker's partitions and offsets; undefined when it cannot be asked, or tests run without one. */
export async function askBroker(pipeline: Pipeline, runtime: Runtime): Promise<Listing | undefined> {
  try {
    return await runtime.broker?.offsets(pipeline.source.topic, runtime.groupOf(pipeline.name));
  } catch (error) {
    if (!isError(error, 'BROKER_UNREACHABLE')) throw error;
    runtime.log.error('the broker cannot be asked', { pipeline: pipeline.id, error });
    return undefined;
  }
}

/** Partitions nobody has counted yet join at what is closed, so that nothing that is final can change. */
export async function join(
  pipeline: Pipeline,
  newcomers: readonly [number, PartitionOffsets][],
  registry: Registry | undefined,
  runtime: Runtime,
): Promise<undefined> {
  const shape = describe(pipeline).shape;
  let current = registry;
  for (const [partition, { end }] of newcomers) {
    const incarnation = progress.newIncarnation(runtime.random);
    const joining = progress.newCheckpoint(
      pipeline,
      partition,
      incarnation,
      current?.closed ?? NEVER,
      runtime.clock.now(),
    );
    // A partition that an earlier listing lacked was added since: its records are all to come, from the first one on.
    const isAdded = registry?.listed !== undefined && partition >= registry.listed.count;
    const isAtEnd = pipeline.source.startAt === 'latest' && !isAdded;
    const checkpoint = isAtEnd ? { ...joining, next: end } : joining;
    const outcome = await runtime.store.transact([
      progress.putCheckpoint(pipeline, checkpoint, undefined),
      joinRegistry(pipeline, partition, current, shape),
    ]);
    if (outcome === 'refused') return;
    runtime.log.info('partition joined', { pipeline: pipeline.id, partition });
    const before = current ?? newRegistry(pipeline, shape);
    current = { ...before, partitions: [...before.partitions, partition], version: before.version + 1 };
  }
}

/** Remembers when the broker was last asked: without any newer answer, windows close only for so long. */
export async function storeListing(
  pipeline: Pipeline,
  registry: Registry,
  count: number,
  now: number,
  runtime: Runtime,
): Promise<void> {
  if (registry.listed?.count === count && now - registry.listed.at < LISTING_STORED_MS) return;
  await runtime.store.write({
    kind: 'update',
    key: registryKey(pipeline),
    set: { listed: { count, at: now } },
  });
}

/** An end below what was processed means another log, or a truncated one: stop before offsets are mistaken for others. */
export async function stopTruncated(
  pipeline: Pipeline,
  checkpoints: readonly Checkpoint[],
  listing: Listing,
  runtime: Runtime,
): Promise<boolean> {
  const isBehind = (checkpoint: Checkpoint, offsets: Listing) =>
    checkpoint.state === 'active' &&
    (offsets.get(checkpoint.partition)?.end ?? Number.POSITIVE_INFINITY) < (checkpoint.next ?? 0);
  if (!checkpoints.some((checkpoint) => isBehind(checkpoint, listing))) return false;
  await runtime.clock.sleep(LEADER_CHANGE_MS);
  const again = await askBroker(pipeline, runtime);
  for (const checkpoint of checkpoints.filter((checkpoint) => again && isBehind(checkpoint, again))) {
    const { partition, next } = checkpoint;
    const reason = `recreated or truncated topic: offsets below ${next} were processed, but the log ends at ${again?.get(partition)?.end}`;
    await runtime.store.write(progress.putCheckpoint(pipeline, progress.stopped(checkpoint, reason), checkpoint));
    runtime.log.error('partition stopped', { pipeline: pipeline.id, partition, reason });
    runtime.metrics(pipeline.name, { stoppedPartitions: 1 });
  }
  return true;
}

/**
 * Retention took records before they were delivered: no gap shows that until the next record comes, and an idle
 * partition may never see one. The windows they may have belonged to are marked before anything closes over them.
 *
 * @returns whether something was marked: the caller starts over.
 */
export async function markExpired(
  pipeline: Pipeline,
  registry: Registry,
  checkpoints: readonly Checkpoint[],
  listing: Listing,
  runtime: Runtime,
): Promise<boolean> {
  const lost = checkpoints.flatMap((checkpoint): Incomplete[] => {
    const { partition, state, from, next, watermark } = checkpoint;
    const start = listing.get(partition)?.start ?? 0;
    if (state !== 'active' || from === undefined || next === undefined || start <= next) return [];
    const upTo = latestLost(pipeline, checkpoint, runtime);
    return [{ after: watermark, upTo, reason: `partition ${partition}, offsets ${next} to ${start - 1}: expired` }];
  });
  const news = lost.filter(({ reason }) => registry.incomplete.every((known) => known.reason !== reason));
  if (news.length === 0) return false;
  for (const { reason } of news) {
    runtime.log.error('records were lost', { pipeline: pipeline.id, reason });
    runtime.metrics(pipeline.name, { lostGaps: 1 });
  }
  const incomplete = [...registry.incomplete, ...news];
  await runtime.store.write(registryChange(pipeline, registry, { incomplete }, describe(pipeline).shape));
  return true;
}

/** The latest instant that lost records may have had: nobody saw them, so any that would not have been refused. */
export const latestLost = (pipeline: Pipeline, { clock }: Checkpoint, runtime: Runtime): number =>
  Math.max(clock, runtime.clock.now() + pipeline.maxFutureMs);

/** Says what became of each gap before anything more closes, and marks the windows its records may have belonged to. */
export async function classifyGaps(
  pipeline: Pipeline,
  registry: Registry,
  checkpoints: readonly Checkpoint[],
  listing: Listing,
  runtime: Runtime,
): Promise<undefined> {
  const writes: Write[] = [];
  const incomplete: Incomplete[] = [...registry.incomplete];
  for (const checkpoint of checkpoints) {
    const offsets = listing.get(checkpoint.partition);
    if (!offsets || !runtime.broker || checkpoint.gaps.every((gap) => gap.kind !== 'unclassified')) continue;
    if (writes.length === MAX_TRANSACTION_ACTIONS - 1) break; // the others when the caller starts over
    const gaps = [];
    let { maxTimestamp } = checkpoint;
    for (const gap of checkpoint.gaps) {
      const kind =
        gap.kind === 'unclassified'
          ? await classify(pipeline, checkpoint.partition, gap, offsets, runtime.broker)
          : gap.kind;
      // Records that no longer exist cannot be delivered later, so only gaps that still hold some are remembered. But a
      // delivery may be under way that was fetched while they did: it must not look like a recreated topic.
      if (kind !== 'empty' && kind !== 'expired') gaps.push({ ...gap, kind });
      if (kind === 'expired') maxTimestamp = Math.max(maxTimestamp, runtime.clock.now() + pipeline.maxFutureMs);
      if (kind === gap.kind || kind === 'empty') continue;
      const reason = `partition ${checkpoint.partition}, offsets ${gap.from} to ${gap.to - 1}: ${kind}`;
      if (incomplete.some((known) => known.reason === reason)) continue; // seen before the next delivery told
      incomplete.push({ after: gap.watermark, upTo: latestLost(pipeline, checkpoint, runtime), reason });
      runtime.log.error('records were lost', { pipeline: pipeline.id, reason });
      runtime.metrics(pipeline.name, { lostGaps: 1 });
    }
    writes.push(
      progress.putCheckpoint(
        pipeline,
        { ...checkpoint, gaps, maxTimestamp, version: progress.nextVersion(checkpoint.version) },
        checkpoint,
      ),
    );
  }
  const { maxSizeMs } = pipeline.geometry;
  const current = incomplete.filter((entry) => entry.upTo + maxSizeMs > registry.emitted);
  const marked = registryChange(pipeline, registry, { incomplete: current }, describe(pipeline).shape);
  await runtime.store.transact([...writes, marked]);
}

/** Whether the broker says that a partition is idle; without an answer it is not. */
export async function isIdleByBroker(
  pipeline: Pipeline,
  checkpoint: Checkpoint,
  offsets: PartitionOffsets,
  runtime: Runtime,
  now: number,
): Promise<boolean> {
  try {
    return runtime.broker !== undefined && (await isIdle(pipeline, checkpoint, offsets, runtime.broker, now));
  } catch (error) {
    if (!isError(error, 'BROKER_UNREACHABLE')) throw error;
    return false;
  }
}

import { collect, emitWindows } from './emission.ts';
import { refreshLive } from './live.ts';
import { describe, type Pipeline } from './pipeline.ts';
import { TidemarkError, isError } from './runtime/error.ts';
import { retrying, type Retry } from './runtime/retry.ts';
import { deadlineOf, type Context, type Runtime } from './runtime/runtime.ts';
import type { PartitionOffsets } from './source/broker.ts';
import { classify, isIdle } from './source/idle.ts';
import { readAll } from './store/drain.ts';
import * as progress from './store/progress.ts';
import type { Checkpoint, Incomplete, Registry } from './store/progress.ts';
import type { Write } from './store/store.ts';
import { formatInstant } from './time/instant.ts';
import { lastEndHolding } from './window/geometry.ts';

/** Before Lambda's timeout. */
const MARGIN_MS = 10_000;
/** A broker's answer proves idleness no longer than this, on the monotonic clock. */
const EVIDENCE_MS = 5_000;
/** Without any answer of the broker, windows close no longer than this: a new partition may be waiting. */
const LISTING_MAX_AGE_MS = 10 * 60_000;
/** How often an unchanged listing is stored again. */
const LISTING_STORED_MS = 60_000;
/** A new leader may tell an end that is still behind; it has caught up after this. */
const LEADER_CHANGE_MS = 1_000;
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
    `no pipeline of this function is named '${String(name)}'; expected one of ${known}`,
  );
}

async function finalizePipeline(pipeline: Pipeline, runtime: Runtime, retry: Retry): Promise<void> {
  const registry = await retrying(`close ${pipeline.id}`, retry, () => close(pipeline, runtime, retry));
  if (registry === NOTHING_YET) return;
  const emitted = await emitWindows(pipeline, registry, runtime, retry);
  await refreshLive(pipeline, registry, runtime, retry);
  await collect(pipeline, registry.partitions, emitted, runtime, retry);
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
  const [item] = await readAll(store, [progress.registryKey(pipeline)], retry);
  const registry = item && progress.readRegistry(item);
  if (registry) progress.checkFingerprint(pipeline, registry, shape);
  if (registry?.state === 'retired') return registry;
  const checkpoints = await readCheckpoints(pipeline, registry, runtime, retry);
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
  }
  if (checkpoints.some((checkpoint) => checkpoint.gaps.some((gap) => gap.kind === 'unclassified'))) {
    if (listing) return await classifyGaps(pipeline, registry, checkpoints, listing, runtime);
    if (runtime.broker) {
      log.error('nothing closes: the broker cannot be asked about a gap', { pipeline: pipeline.id });
      return registry;
    }
  }

  const idle = new Set<Checkpoint>();
  for (const checkpoint of checkpoints) {
    const offsets = listing?.get(checkpoint.partition);
    if (offsets && (await isIdleOrUnknown(pipeline, checkpoint, offsets, runtime, now))) idle.add(checkpoint);
  }
  const target = targetOf(pipeline, checkpoints, idle, now);
  if (target <= registry.closed) return registry;
  if (idle.size > 0 && clock.monotonic() - askedAt > EVIDENCE_MS) return undefined;
  for (const checkpoint of idle) {
    if (checkpoint.watermark >= target) continue;
    // A delivery may be counted at this moment: then the version differs, and the partition was not idle.
    const outcome = await store.write({
      kind: 'update',
      key: progress.checkpointKey(pipeline, checkpoint.partition),
      set: { watermark: target, version: progress.nextVersion(checkpoint.version) },
      when: [...progress.versionIs(checkpoint.version), { attribute: 'state', equals: 'active' }],
    });
    if (outcome === 'refused') return undefined;
    log.info('idle partition raised', {
      pipeline: pipeline.id,
      partition: checkpoint.partition,
      watermark: formatInstant(target),
    });
  }
  const incompleteUntil = Math.max(registry.incompleteUntil, startedAt(pipeline, checkpoints, listing));
  const outcome = await store.write(
    progress.registryChange(pipeline, registry, { closed: target, incompleteUntil }, shape),
  );
  if (outcome === 'refused') return undefined;
  runtime.metrics(pipeline.name, { watermarkLagMs: now - target });
  return { ...registry, closed: target, incompleteUntil, version: registry.version + 1 };
}

async function readCheckpoints(
  pipeline: Pipeline,
  registry: Registry | undefined,
  runtime: Runtime,
  retry: Retry,
): Promise<Checkpoint[]> {
  const keys = (registry?.partitions ?? []).map((partition) => progress.checkpointKey(pipeline, partition));
  const items = await readAll(runtime.store, keys, retry);
  return items.map(progress.readCheckpoint).sort((a, b) => a.partition - b.partition);
}

type Listing = ReadonlyMap<number, PartitionOffsets>;

/** The broker's partitions and offsets; undefined when it cannot be asked, or tests run without one. */
async function askBroker(pipeline: Pipeline, runtime: Runtime): Promise<Listing | undefined> {
  try {
    return await runtime.broker?.offsets(pipeline.source.topic, runtime.groupOf(pipeline.name));
  } catch (error) {
    if (!isError(error, 'BROKER_UNREACHABLE')) throw error;
    runtime.log.error('the broker cannot be asked', { pipeline: pipeline.id, error });
    return undefined;
  }
}

/** Partitions nobody has counted yet join at what is closed, so that nothing that is final can change. */
async function join(
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
    const checkpoint = pipeline.source.startAt === 'latest' ? { ...joining, next: end } : joining;
    const outcome = await runtime.store.transact([
      progress.putCheckpoint(pipeline, checkpoint, undefined),
      progress.joinRegistry(pipeline, partition, current, shape),
    ]);
    if (outcome === 'refused') return;
    runtime.log.info('partition joined', { pipeline: pipeline.id, partition });
    const before = current ?? progress.newRegistry(pipeline, shape);
    current = { ...before, partitions: [...before.partitions, partition], version: before.version + 1 };
  }
}

async function storeListing(
  pipeline: Pipeline,
  registry: Registry,
  count: number,
  now: number,
  runtime: Runtime,
): Promise<void> {
  if (registry.listed?.count === count && now - registry.listed.at < LISTING_STORED_MS) return;
  await runtime.store.write({
    kind: 'update',
    key: progress.registryKey(pipeline),
    set: { listed: { count, at: now } },
  });
}

/** An end below what was processed means another log, or a truncated one: stop before offsets are mistaken for others. */
async function stopTruncated(
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
    const stopped = {
      ...checkpoint,
      state: 'stopped' as const,
      reason,
      version: progress.nextVersion(checkpoint.version),
    };
    await runtime.store.write(progress.putCheckpoint(pipeline, stopped, checkpoint));
    runtime.log.error('partition stopped', { pipeline: pipeline.id, partition, reason });
    runtime.metrics(pipeline.name, { stoppedPartitions: 1 });
  }
  return true;
}

/** Says what became of each gap before anything more closes, and marks the windows its records may have belonged to. */
async function classifyGaps(
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
    const gaps = [];
    for (const gap of checkpoint.gaps) {
      const kind =
        gap.kind === 'unclassified'
          ? await classify(pipeline, checkpoint.partition, gap, offsets, runtime.broker)
          : gap.kind;
      // Records that no longer exist cannot be delivered later, so only gaps that still hold some are remembered.
      if (kind !== 'empty' && kind !== 'expired') gaps.push({ ...gap, kind });
      if (kind === gap.kind || kind === 'empty') continue;
      const reason = `partition ${checkpoint.partition}, offsets ${gap.from} to ${gap.to - 1}: ${kind}`;
      incomplete.push({ after: gap.watermark, upTo: checkpoint.clock, reason });
      runtime.log.error('records were lost', { pipeline: pipeline.id, reason });
      runtime.metrics(pipeline.name, { lostGaps: 1 });
    }
    writes.push(
      progress.putCheckpoint(
        pipeline,
        { ...checkpoint, gaps, version: progress.nextVersion(checkpoint.version) },
        checkpoint,
      ),
    );
  }
  const { maxSizeMs } = pipeline.geometry;
  const current = incomplete.filter((entry) => entry.upTo + maxSizeMs > registry.emitted);
  const marked = progress.registryChange(pipeline, registry, { incomplete: current }, describe(pipeline).shape);
  await runtime.store.transact([...writes, marked]);
}

async function isIdleOrUnknown(
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
    return false; // no evidence: not idle
  }
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

/** Windows that start before this began before counting did, on a partition that already had records. */
function startedAt(pipeline: Pipeline, checkpoints: readonly Checkpoint[], listing: Listing | undefined): number {
  const late = checkpoints.filter(
    ({ partition, from }) => from !== undefined && from > (listing?.get(partition)?.start ?? from),
  );
  return Math.max(NEVER, ...late.map(({ fromTimestamp }) => (fromTimestamp ?? NEVER) + pipeline.maxFutureMs));
}

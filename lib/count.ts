import { fold } from './fold.ts';
import { describe, triggersOf, type Pipeline } from './pipeline.ts';
import { TidemarkError } from './runtime/error.ts';
import { inParallel, retrying, type Retry } from './runtime/retry.ts';
import { deadlineOf, type Context, type Runtime } from './runtime/runtime.ts';
import { decode, type Decoded } from './source/decode.ts';
import { parseDelivery, type Batch } from './source/delivery.ts';
import { foreignLog } from './source/identity.ts';
import { putsOf, type OpenSegments } from './store/draft.ts';
import { readAll } from './store/drain.ts';
import * as progress from './store/progress.ts';
import type { Checkpoint } from './store/progress.ts';
import { checkFingerprint, joinRegistry, readRegistry, registryKey, type Registry } from './store/registry.ts';
import { ALL, OPEN_SEGMENT, segmentSort } from './store/segment.ts';
import type { Key } from './store/store.ts';
import { isTriggerDue } from './time/trigger.ts';
import { nextEndAfter, sliceOf } from './window/geometry.ts';

/** What Lambda reads when the mapping reports batch item failures. */
export interface BatchResponse {
  readonly batchItemFailures: readonly {
    readonly itemIdentifier: { readonly partition: string; readonly offset: number };
  }[];
}

/** Partitions of one delivery committed at the same time. */
const PARALLEL_PARTITIONS = 8;
/** Open segments read per batch, with the checkpoint one BatchGetItem; further slices get segments of their own. */
const MAX_OPEN_SLICES = 90;
/** Unclassified gaps after which `finalize` is asked to look, before the list grows large. */
const MANY_GAPS = 20;
/** Before Lambda's timeout. */
const MARGIN_MS = 2_000;
const { NEVER } = progress;

/**
 * STORY 1. A delivery becomes batches, events, partials, and one commit per partition.
 *
 * Exactly once: partials and the checkpoint that accounts for them are one transaction, conditional on the checkpoint
 * being the one read. Whoever redelivers, overlaps or crashes, an offset below the stored `next` is dropped.
 *
 * @throws when a partition could not be committed, unless partial batch responses report it.
 */
export async function count(
  event: unknown,
  pipelines: readonly Pipeline[],
  runtime: Runtime,
  context: Context = {},
): Promise<BatchResponse> {
  const deadline = deadlineOf(context, runtime.clock, MARGIN_MS);
  const batches = parseDelivery(event);
  const readings = batches.flatMap((batch) =>
    readersOf(batch.topic, pipelines).map((pipeline) => ({ pipeline, batch })),
  );
  const outcomes = await inParallel(
    readings.map(
      ({ pipeline, batch }) =>
        () =>
          countBatch(pipeline, batch, runtime, deadline),
    ),
    PARALLEL_PARTITIONS,
  );
  const due = readings.filter(({ pipeline }, i) => {
    const outcome = outcomes[i];
    return outcome?.status === 'fulfilled' && (outcome.value.isFinalizeDue || isRefreshDue(pipeline, runtime));
  });
  for (const name of new Set(due.map(({ pipeline }) => pipeline.name))) await sendHint(name, runtime);

  const failures = readings.flatMap(({ batch }, i) => {
    const outcome = outcomes[i];
    return outcome?.status === 'rejected' ? [{ batch, error: outcome.reason as unknown }] : [];
  });
  if (failures.length === 0) return { batchItemFailures: [] };
  for (const { batch, error } of failures) {
    runtime.log.error('batch not committed', { topic: batch.topic, partition: batch.partition, error });
  }
  if (!runtime.partialBatchResponses) throw failures[0]?.error;
  // Every record of a failed batch, without gaps: those committed before the failure are dropped when they come again.
  const failed = new Set(failures.map(({ batch }) => batch));
  return {
    batchItemFailures: [...failed].flatMap(({ topic, partition, records }) =>
      records.map(({ offset }) => ({ itemIdentifier: { partition: `${topic}-${partition}`, offset } })),
    ),
  };
}

function readersOf(topic: string, pipelines: readonly Pipeline[]): readonly Pipeline[] {
  const readers = pipelines.filter((pipeline) => pipeline.source.topic === topic);
  if (readers.length > 0) return readers;
  const known = pipelines.map(({ name, source }) => `${name} reads ${source.topic}`).join(', ');
  throw new TidemarkError('BAD_EVENT', `no pipeline of this function reads topic '${topic}'; ${known}`, { topic });
}

/** Whether open windows of an `update` query wait for a refresh; remembered per container, as a hint may be. */
function isRefreshDue(pipeline: Pipeline, runtime: Runtime): boolean {
  const last = runtime.hintedAt.get(pipeline.name) ?? NEVER;
  return triggersOf(pipeline).some(([, triggerMs]) => isTriggerDue(last, runtime.clock.now(), triggerMs));
}

/** A lost hint costs time only: the schedule is the guarantee. */
async function sendHint(pipeline: string, runtime: Runtime): Promise<void> {
  runtime.hintedAt.set(pipeline, runtime.clock.now());
  try {
    await runtime.hint?.(pipeline);
  } catch (error) {
    runtime.log.warn('finalize was not hinted', { pipeline, error });
  }
}

interface Committed {
  /** A watermark crossed a window's end, or something else waits for `finalize`. */
  readonly isFinalizeDue: boolean;
}

async function countBatch(pipeline: Pipeline, batch: Batch, runtime: Runtime, deadline: number): Promise<Committed> {
  const { clock, random } = runtime;
  const now = clock.now();
  const decoded = batch.records.map((record) => decode(pipeline, record, now));
  const retry: Retry = { clock, random, deadline };
  const what = `${pipeline.id}, ${batch.topic}-${batch.partition}, offset ${batch.records[0]?.offset}`;
  return await retrying(what, retry, () => commit(pipeline, batch, decoded, runtime, retry));
}

/**
 * Judges a batch from what is stored, and commits it.
 *
 * @returns undefined when somebody else wrote first: everything read is then stale, and the caller starts over.
 */
async function commit(
  pipeline: Pipeline,
  batch: Batch,
  decoded: readonly Decoded[],
  runtime: Runtime,
  retry: Retry,
): Promise<Committed | undefined> {
  const { partition } = batch;
  const shape = describe(pipeline).shape;
  const read = await readState(pipeline, partition, decoded, runtime, retry);
  if (read.registry) checkFingerprint(pipeline, read.registry, shape);
  if ((read.checkpoint ?? read.registry)?.state === 'retired') {
    runtime.log.warn('batch dropped: its revision is retired', {
      pipeline: pipeline.id,
      partition,
      records: decoded.length,
    });
    runtime.metrics(pipeline.name, { retired: decoded.length });
    return { isFinalizeDue: false };
  }

  let stored = read.checkpoint;
  let checkpoint =
    stored ??
    progress.newCheckpoint(
      pipeline,
      partition,
      progress.newIncarnation(runtime.random),
      read.registry?.closed ?? NEVER,
      runtime.clock.now(),
    );
  const foreign = foreignLog(checkpoint, batch.records);
  if (foreign !== undefined || checkpoint.state === 'stopped')
    return await stop(pipeline, batch, checkpoint, foreign, runtime);

  const before = checkpoint;
  // Until `from` is known, counting begins wherever the first delivery does; afterwards lower offsets are redelivered.
  let left = decoded.filter(({ record }) => before.from === undefined || record.offset >= (before.next ?? 0));
  let open = read.open;
  while (left.length > 0) {
    const chunk = fold(pipeline, checkpoint, left, runtime.clock.now());
    const next = { ...chunk.checkpoint, version: progress.nextVersion(checkpoint.version) };
    const expiresAtSeconds = Math.ceil((runtime.clock.now() + pipeline.retainMs) / 1000);
    // Two `count` of one partition race here, one of them with redelivered records. Both judged from the same version;
    // the store lets one of them replace it, and the other forgets everything it read.
    const outcome = await runtime.store.transact([
      progress.putCheckpoint(pipeline, next, stored),
      ...putsOf(pipeline, batch, chunk.draft, open, next.version, expiresAtSeconds),
      ...(stored ? [] : [joinRegistry(pipeline, partition, read.registry, shape)]),
    ]);
    if (outcome === 'refused') return undefined;
    report(pipeline, batch, checkpoint, next, runtime);
    open = NOT_READ; // a later chunk meets its own open segments: it writes new ones instead
    stored = checkpoint = next;
    left = left.slice(chunk.taken);
  }
  const isCrossed = nextEndAfter(pipeline.geometry, before.watermark) <= checkpoint.watermark;
  const unclassified = checkpoint.gaps.filter((gap) => gap.kind === 'unclassified').length;
  return { isFinalizeDue: isCrossed || unclassified >= MANY_GAPS };
}

interface State {
  readonly checkpoint: Checkpoint | undefined;
  /** Read only when a partition joins, or to say what changed. */
  readonly registry: Registry | undefined;
  readonly open: OpenSegments;
}

const NOT_READ: OpenSegments = new Map();

/** One request: the checkpoint and the open segments the batch may touch. A second one when the partition joins. */
async function readState(
  pipeline: Pipeline,
  partition: number,
  decoded: readonly Decoded[],
  runtime: Runtime,
  retry: Retry,
): Promise<State> {
  const slices = new Set<number>();
  for (const { instant, outputs } of decoded) {
    if (!pipeline.running && instant !== undefined && outputs.length > 0 && slices.size < MAX_OPEN_SLICES)
      slices.add(sliceOf(pipeline.geometry, instant));
  }
  const checkpointKey = progress.checkpointKey(pipeline, partition);
  const openKeys = [...slices].map((slice): Key => ({
    table: 'buckets',
    partition: progress.partitionOf(pipeline, partition),
    sort: segmentSort(slice, ALL, OPEN_SEGMENT),
  }));
  const items = await readAll(runtime.store, [checkpointKey, ...openKeys], retry);
  const bySort = new Map(items.map((item) => [item['sk'], item]));
  const item = bySort.get(checkpointKey.sort);
  const checkpoint = item && progress.readCheckpoint(item);
  let registry: Registry | undefined;
  if (checkpoint?.fingerprint !== pipeline.fingerprint) {
    const [stored] = await readAll(runtime.store, [registryKey(pipeline)], retry);
    registry = stored && readRegistry(stored);
  }
  return {
    checkpoint,
    registry,
    open: new Map([...slices].map((slice, i) => [slice, bySort.get(openKeys[i]?.sort ?? '') ?? null])),
  };
}

/** Stores the evidence and refuses to count: a person has to say what becomes of a recreated topic. */
async function stop(
  pipeline: Pipeline,
  batch: Batch,
  checkpoint: Checkpoint,
  foreign: string | undefined,
  runtime: Runtime,
): Promise<undefined> {
  const reason = checkpoint.reason ?? `recreated topic: ${foreign}`;
  if (checkpoint.state === 'active') {
    const stopped = progress.stopped(checkpoint, reason);
    const outcome = await runtime.store.transact([progress.putCheckpoint(pipeline, stopped, checkpoint)]);
    if (outcome === 'refused') return undefined;
    runtime.metrics(pipeline.name, { stoppedPartitions: 1 });
  }
  throw new TidemarkError(
    'PARTITION_STOPPED',
    `pipeline ${pipeline.id}, ${batch.topic}-${batch.partition} is stopped: ${reason}. Nothing of it is counted until a person decides; see docs/operations.md`,
    { pipeline: pipeline.id, topic: batch.topic, partition: batch.partition, reason },
  );
}

/** Says what a commit did: counters for machines, a line for what a person should know. */
function report(pipeline: Pipeline, batch: Batch, before: Checkpoint, after: Checkpoint, runtime: Runtime): void {
  const where = { pipeline: pipeline.id, topic: batch.topic, partition: batch.partition, offset: after.next };
  const { records, rejected, filtered, late, counted } = progress.addCounters(after.counters, before.counters, -1);
  runtime.metrics(pipeline.name, { records, rejected, filtered, late, counted });
  runtime.log.debug('batch committed', { ...where, records, rejected, filtered, late, counted });
  if (rejected > 0) runtime.log.info('records rejected', { ...where, rejected });
  if (late > 0) runtime.log.info('events late', { ...where, late });
  for (const { from, to } of after.gaps.slice(before.gaps.length)) {
    runtime.log.warn('gap: records were never delivered', { ...where, from, to });
    runtime.metrics(pipeline.name, { gaps: 1 });
  }
}

import type { Pipeline } from './pipeline.ts';
import { checkpointsOf, registryOf, watermarkOf, type Reader } from './reader.ts';
import { NEVER, NO_COUNTERS, addCounters, type Checkpoint, type Counters, type Gap } from './store/progress.ts';
import type { Registry } from './store/registry.ts';
import { windowsAfter } from './store/slices.ts';
import { nextEndAfter, type Window } from './window/geometry.ts';

/** Where a pipeline stands. Instants that have not happened are `NEVER`. */
export interface PipelineStatus {
  readonly pipeline: Pipeline;
  /** `new`: nothing has been counted and no partition has joined. */
  readonly state: 'new' | 'active' | 'retired';
  /** The least of the partitions' watermarks. */
  readonly watermark: number;
  /** Windows ending at or before this are final. */
  readonly closed: number;
  /** Windows ending at or before this have their results written. */
  readonly emitted: number;
  readonly partitions: readonly PartitionStatus[];
  /** Of all partitions. */
  readonly counters: Counters;
  readonly windows: readonly KindStatus[];
}

export interface PartitionStatus {
  readonly partition: number;
  /** `new`: the broker has it, and nobody has counted it yet. */
  readonly state: 'new' | Checkpoint['state'];
  /** Why a stopped partition stopped. */
  readonly reason: string | undefined;
  /** First offset not yet counted; undefined when counting begins wherever the first delivery does. */
  readonly next: number | undefined;
  /** One past the last offset the broker has; undefined when it was not asked. */
  readonly end: number | undefined;
  /** Records between the two; transaction markers and compacted records are among them. */
  readonly lag: number | undefined;
  readonly clock: number;
  readonly watermark: number;
  /** Wall time of the last commit that counted an event or moved the clock. */
  readonly seen: number;
  /** Since when it has undelivered records and makes no progress, wall time; undefined when it does. */
  readonly stuckSince: number | undefined;
  readonly counters: Counters;
  readonly gaps: readonly Gap[];
}

/** Where the windows of one kind stand. */
export interface KindStatus {
  readonly name: string;
  /** Windows with something in them that are not final. */
  readonly open: number;
  /** The one of them that ends first. */
  readonly oldest: Window | undefined;
  /** The window that closes next, with or without something in it; undefined before the first event. */
  readonly next: Window | undefined;
  /** How far event time has to go until it does, ms. */
  readonly eventTimeLeftMs: number | undefined;
  /** How long that takes at least when events come as they happen, ms; 0 when events lag further behind than that. */
  readonly wallTimeLeftMs: number | undefined;
}

/**
 * Where a pipeline stands, read without a snapshot while it goes on.
 *
 * @param ends the broker's end offsets by partition; undefined when it was not asked.
 * @throws FINGERPRINT_DIFFERS when what is stored was made by another declaration.
 */
export async function status(
  reader: Reader,
  pipeline: Pipeline,
  ends: ReadonlyMap<number, number> | undefined,
): Promise<PipelineStatus> {
  const registry = await registryOf(reader, pipeline);
  const checkpoints = registry ? await checkpointsOf(reader, pipeline, registry) : [];
  const known = new Map(checkpoints.map((checkpoint) => [checkpoint.partition, checkpoint]));
  const numbers = [...new Set([...known.keys(), ...(ends?.keys() ?? [])])].sort((a, b) => a - b);
  const closed = registry?.closed ?? NEVER;
  const unclosed = registry
    ? await windowsAfter(pipeline, registry.partitions, closed, reader.store, reader.retry)
    : [];
  // A partition that has not been counted yet may begin anywhere: the pipeline's watermark waits for it.
  const watermark = watermarkOf(checkpoints);
  const now = reader.retry.clock.now();
  return {
    pipeline,
    state: registry?.state ?? 'new',
    watermark,
    closed,
    emitted: registry?.emitted ?? NEVER,
    partitions: numbers.map((partition) =>
      partitionStatus(partition, registry, known.get(partition), ends?.get(partition)),
    ),
    counters: checkpoints.map(({ counters }) => counters).reduce((a, b) => addCounters(a, b), NO_COUNTERS),
    windows: [...pipeline.geometry.kinds.keys()].map((name) =>
      kindStatus(
        pipeline,
        name,
        unclosed.filter((window) => window.name === name),
        watermark,
        now,
      ),
    ),
  };
}

const NEW_PARTITION = {
  state: 'new',
  clock: NEVER,
  watermark: NEVER,
  seen: NEVER,
  committedAt: NEVER,
  counters: NO_COUNTERS,
  gaps: [],
} as const;

function partitionStatus(
  partition: number,
  registry: Registry | undefined,
  found: Checkpoint | undefined,
  end: number | undefined,
): PartitionStatus {
  const { state, clock, watermark, seen, committedAt, counters, gaps } = found ?? NEW_PARTITION;
  const next = found?.next;
  const lag = next === undefined || end === undefined ? undefined : Math.max(0, end - next);
  // What `finalize` found is over once something was committed.
  const stuckSince = registry?.stuck.find((one) => one.partition === partition && one.since >= committedAt)?.since;
  return {
    partition,
    state,
    reason: found?.reason,
    next,
    end,
    lag,
    clock,
    watermark,
    seen,
    stuckSince,
    counters,
    gaps,
  };
}

function kindStatus(
  { geometry, delayMs }: Pipeline,
  name: string,
  unclosed: readonly Window[],
  watermark: number,
  now: number,
): KindStatus {
  const counted = { name, open: unclosed.length, oldest: unclosed[0] };
  const kind = geometry.kinds.get(name);
  if (!kind || watermark === NEVER)
    return { ...counted, next: undefined, eventTimeLeftMs: undefined, wallTimeLeftMs: undefined };
  const end = nextEndAfter({ ...geometry, kinds: new Map([[name, kind]]) }, watermark);
  return {
    ...counted,
    next: { name, start: end - kind.sizeMs, end },
    eventTimeLeftMs: end - watermark,
    wallTimeLeftMs: Math.max(0, end + delayMs - now),
  };
}

import type { Pipeline } from '../pipeline.ts';
import type { Clause, Item, Key, Put } from './store.ts';

/** An instant that has not happened: below every other. Stored as an absent attribute. */
export const NEVER = Number.NEGATIVE_INFINITY;

/** An instant as it is stored. */
export const storedInstant = (at: number): number | undefined => (at === NEVER ? undefined : at);

/** What reading gives back of instants that were stored so. */
export type Stored<T, Instants extends keyof T> = Omit<T, Instants> & { readonly [K in Instants]?: number | null };

/** What happened to records, in records unless said. `records` is always the sum of the next five. */
export interface Counters {
  readonly records: number;
  readonly rejected: number;
  readonly filtered: number;
  readonly late: number;
  readonly counted: number;
  readonly skipped: number;
  /** (event, window) pairs, after `flatMap` multiplied: counted in the window, and missed because it had ended. */
  readonly pairsCounted: number;
  readonly pairsMissed: number;
}

export const NO_COUNTERS: Counters = {
  records: 0,
  rejected: 0,
  filtered: 0,
  late: 0,
  counted: 0,
  skipped: 0,
  pairsCounted: 0,
  pairsMissed: 0,
};

/** Counters with others added, or with a sign of -1 taken away. */
export const addCounters = (a: Counters, b: Counters, sign: 1 | -1 = 1): Counters => ({
  records: a.records + sign * b.records,
  rejected: a.rejected + sign * b.rejected,
  filtered: a.filtered + sign * b.filtered,
  late: a.late + sign * b.late,
  counted: a.counted + sign * b.counted,
  skipped: a.skipped + sign * b.skipped,
  pairsCounted: a.pairsCounted + sign * b.pairsCounted,
  pairsMissed: a.pairsMissed + sign * b.pairsMissed,
});

/** Offsets `[from, to)` that were never delivered, or that a person skipped. */
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly kind: 'unclassified' | 'expired' | 'discarded' | 'skipped';
  /** The partition's watermark when the gap was seen: windows that had ended by then are not touched by it. */
  readonly watermark: number;
  /** Why a person skipped it. */
  readonly reason?: string;
}

/** Where a partition stands. Written by `count` with the partials it accounts for, and by `finalize` when it raises. */
export interface Checkpoint {
  readonly partition: number;
  /** `<incarnation>:<commits>`: the incarnation changes on reset, the number of commits never restarts. */
  readonly version: string;
  readonly fingerprint: string;
  readonly state: 'active' | 'stopped' | 'retired';
  /** Why a stopped partition stopped. */
  readonly reason: string | undefined;
  /** First offset counted; undefined until the first delivery. */
  readonly from: number | undefined;
  /** Kafka timestamp of the first record counted. */
  readonly fromTimestamp: number | undefined;
  /** First offset not yet processed; undefined when counting starts wherever the first delivery does. */
  readonly next: number | undefined;
  readonly clock: number;
  readonly watermark: number;
  /** Wall time of the last commit that counted an event or moved the clock, or of the join. */
  readonly seen: number;
  /** Wall time of the last commit of records, whatever became of them, or of the join. */
  readonly committedAt: number;
  /** Greatest Kafka timestamp processed. */
  readonly maxTimestamp: number;
  readonly last: { readonly offset: number; readonly hash: string } | undefined;
  readonly counters: Counters;
  readonly gaps: readonly Gap[];
}

export const checkpointKey = (pipeline: Pipeline, partition: number): Key => ({
  table: 'progress',
  partition: partitionOf(pipeline, partition),
  sort: 'checkpoint',
});

/** Partition key of everything that one topic-partition owns: `telegram@1#p0`. */
export const partitionOf = (pipeline: Pipeline, partition: number): string => `${pipeline.id}#p${partition}`;

/** The commit after a version: same incarnation, one commit more. */
export function nextVersion(version: string): string {
  const [incarnation = '', commits = '0'] = version.split(':');
  return `${incarnation}:${Number(commits) + 1}`;
}

/** The commit counter of a version: what numbers the segments and kept items of that commit. */
export const commitsOf = (version: string): string => version.slice(version.indexOf(':') + 1);

/** A name for one life of a checkpoint, so that a version never comes back after a reset. */
export const newIncarnation = (random: () => number): string =>
  Math.floor(random() * 36 ** 8)
    .toString(36)
    .padStart(8, '0');

/** A checkpoint whose partition counts nothing more until a person decides. */
export const stopped = (checkpoint: Checkpoint, reason: string): Checkpoint => ({
  ...checkpoint,
  state: 'stopped',
  reason,
  version: nextVersion(checkpoint.version),
});

/** A checkpoint of a partition that nobody has counted yet. */
export const newCheckpoint = (
  pipeline: Pipeline,
  partition: number,
  incarnation: string,
  closed: number,
  now: number,
): Checkpoint => ({
  partition,
  version: `${incarnation}:0`,
  fingerprint: pipeline.fingerprint,
  state: 'active',
  reason: undefined,
  from: undefined,
  fromTimestamp: undefined,
  next: undefined,
  clock: NEVER,
  watermark: closed,
  seen: now,
  committedAt: now,
  maxTimestamp: NEVER,
  last: undefined,
  counters: NO_COUNTERS,
  gaps: [],
});

/** Clause: nobody else has written the checkpoint, or the registry, since it was read. */
export const versionIs = (read: string | number | undefined): readonly Clause[] =>
  read === undefined ? [{ item: 'absent' }] : [{ attribute: 'version', equals: read }];

export function putCheckpoint(pipeline: Pipeline, checkpoint: Checkpoint, read: Checkpoint | undefined): Put {
  const key = checkpointKey(pipeline, checkpoint.partition);
  const { partition, clock, watermark, seen, maxTimestamp, last, counters, gaps, ...rest } = checkpoint;
  const item = {
    pk: key.partition,
    sk: key.sort,
    ...rest,
    partition,
    clock: storedInstant(clock),
    watermark: storedInstant(watermark),
    seen,
    maxTimestamp: storedInstant(maxTimestamp),
    last: last && { ...last },
    counters: { ...counters },
    gaps: gaps.map((gap) => ({ ...gap, watermark: storedInstant(gap.watermark) ?? null })),
  };
  return { kind: 'put', table: 'progress', item, when: versionIs(read?.version) };
}

export function readCheckpoint(item: Item): Checkpoint {
  const stored = item as unknown as StoredCheckpoint; // written by putCheckpoint alone
  return {
    partition: stored.partition,
    version: stored.version,
    fingerprint: stored.fingerprint,
    state: stored.state,
    reason: stored.reason,
    from: stored.from,
    fromTimestamp: stored.fromTimestamp,
    next: stored.next,
    clock: stored.clock ?? NEVER,
    watermark: stored.watermark ?? NEVER,
    seen: stored.seen,
    committedAt: stored.committedAt ?? stored.seen,
    maxTimestamp: stored.maxTimestamp ?? NEVER,
    last: stored.last,
    counters: { ...NO_COUNTERS, ...stored.counters },
    gaps: stored.gaps.map((gap) => ({ ...gap, watermark: gap.watermark ?? NEVER })),
  };
}

type StoredCheckpoint = Stored<Omit<Checkpoint, 'gaps'>, 'clock' | 'watermark' | 'maxTimestamp' | 'committedAt'> & {
  readonly gaps: readonly Stored<Gap, 'watermark'>[];
};

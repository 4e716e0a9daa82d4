import { differences, type Pipeline, type Shape } from '../pipeline.ts';
import { TidemarkError } from '../runtime/error.ts';
import type { Window } from '../window/geometry.ts';
import { NEVER, storedInstant, versionIs, type Stored } from './progress.ts';
import type { Item, Key, Write } from './store.ts';

/** Windows that may lack records, and why. */
export interface Incomplete {
  /** Windows with an end after this ... */
  readonly after: number;
  /** ... and a start at or before this. */
  readonly upTo: number;
  /** For people: `partition 0, offsets 10 to 19: expired`. */
  readonly reason: string;
}

/** A partition with undelivered records that makes no progress. */
export interface Stuck {
  readonly partition: number;
  /** Wall time since when. */
  readonly since: number;
}

/** What all partitions of a pipeline share. */
export interface Registry {
  readonly version: number;
  readonly fingerprint: string;
  readonly shape: Shape;
  readonly state: 'active' | 'retired';
  /** Wall time when all that a retired revision held was closed and written; undefined while it is not. */
  readonly finishedAt: number | undefined;
  readonly partitions: readonly number[];
  /** The broker's last answer: how many partitions the topic has, and when it said so. */
  readonly listed: { readonly count: number; readonly at: number } | undefined;
  /** Windows ending at or before this are final. */
  readonly closed: number;
  /** Windows ending at or before this have their results written. */
  readonly emitted: number;
  /** Windows that start before this began before counting did. */
  readonly incompleteUntil: number;
  readonly incomplete: readonly Incomplete[];
  /** What `finalize` found last, for people and alarms; nothing is decided by it. */
  readonly stuck: readonly Stuck[];
}

export const registryKey = (pipeline: Pipeline): Key => ({
  table: 'progress',
  partition: pipeline.id,
  sort: 'registry',
});

export const newRegistry = (pipeline: Pipeline, shape: Shape): Registry => ({
  version: 0,
  fingerprint: pipeline.fingerprint,
  shape,
  state: 'active',
  finishedAt: undefined,
  partitions: [],
  listed: undefined,
  closed: NEVER,
  emitted: NEVER,
  incompleteUntil: NEVER,
  incomplete: [],
  stuck: [],
});

/** Why a window may lack records, for people; undefined when it does not. */
export function incompleteReason(
  { incomplete, incompleteUntil }: Registry,
  { start, end }: Window,
): string | undefined {
  const reasons = incomplete.filter(({ after, upTo }) => end > after && start <= upTo).map(({ reason }) => reason);
  if (start < incompleteUntil) reasons.unshift('the window began before counting did');
  return reasons.join('; ') || undefined;
}

/** Refuses to mix state of two declarations under one revision. */
export function checkFingerprint(pipeline: Pipeline, stored: Registry, shape: Shape): void {
  if (stored.fingerprint === pipeline.fingerprint) return;
  const changed = differences(stored.shape, shape);
  throw new TidemarkError(
    'FINGERPRINT_DIFFERS',
    `pipeline ${pipeline.id}: the declaration changed but its revision did not; raise 'revision' to ${pipeline.revision + 1}. Changed: ${changed.join('; ')}`,
    { pipeline: pipeline.id, changed },
  );
}

/** The whole registry as attributes, for the write that creates it and for updates of parts of it. */
export function registryAttributes(registry: Partial<Registry>): Item {
  const { closed, emitted, incompleteUntil, incomplete, stuck, shape, partitions, ...rest } = registry;
  return {
    ...rest,
    partitions: partitions && [...partitions],
    shape: shape && { ...shape },
    closed: closed === undefined ? undefined : storedInstant(closed),
    emitted: emitted === undefined ? undefined : storedInstant(emitted),
    incompleteUntil: incompleteUntil === undefined ? undefined : storedInstant(incompleteUntil),
    incomplete: incomplete?.map((entry) => ({ ...entry, after: storedInstant(entry.after) ?? null })),
    stuck: stuck?.map((one) => ({ ...one })),
  };
}

type StoredRegistry = Stored<Omit<Registry, 'incomplete' | 'stuck'>, 'closed' | 'emitted' | 'incompleteUntil'> & {
  readonly incomplete: readonly Stored<Incomplete, 'after'>[];
  readonly stuck?: readonly Stuck[];
};

export function readRegistry(item: Item): Registry {
  const stored = item as unknown as StoredRegistry; // written through registryAttributes alone
  return {
    version: stored.version,
    fingerprint: stored.fingerprint,
    shape: stored.shape,
    state: stored.state,
    finishedAt: stored.finishedAt,
    partitions: [...stored.partitions].sort((a, b) => a - b),
    listed: stored.listed,
    closed: stored.closed ?? NEVER,
    emitted: stored.emitted ?? NEVER,
    incompleteUntil: stored.incompleteUntil ?? NEVER,
    incomplete: stored.incomplete.map((entry) => ({ ...entry, after: entry.after ?? NEVER })),
    stuck: stored.stuck ?? [],
  };
}

/** A change of what closing depends on: a join, a close, a retirement. IF nobody has made another since it was read. */
export function registryChange(
  pipeline: Pipeline,
  read: Registry | undefined,
  changes: Partial<Registry>,
  shape: Shape,
): Write {
  if (!read) {
    const created = { ...newRegistry(pipeline, shape), ...changes, version: 1 };
    const key = registryKey(pipeline);
    return {
      kind: 'put',
      table: 'progress',
      item: { pk: key.partition, sk: key.sort, ...registryAttributes(created) },
      when: versionIs(undefined),
    };
  }
  return {
    kind: 'update',
    key: registryKey(pipeline),
    set: registryAttributes({ ...changes, version: read.version + 1 }),
    when: [...versionIs(read.version), { attribute: 'state', equals: 'active' }],
  };
}

/** A partition joins: from here on the pipeline's watermark waits for it. */
export const joinRegistry = (pipeline: Pipeline, partition: number, read: Registry | undefined, shape: Shape): Write =>
  registryChange(pipeline, read, { partitions: [...(read?.partitions ?? []), partition] }, shape);

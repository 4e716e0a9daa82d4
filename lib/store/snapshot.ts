import type { Pipeline, Running } from '../pipeline.ts';
import { formatInstant, parseInstant } from '../time/instant.ts';
import type { Window } from '../window/geometry.ts';
import { totalsOf } from './merge.ts';
import { NEVER } from './progress.ts';
import { liveId, rowOf, type Row } from './results.ts';
import { decodePartials, encodePartials, type Partials, type States } from './segment.ts';
import { valueBytes } from './size.ts';
import { textOf, type Item, type Key, type Put } from './store.ts';

/** Running totals as last shown. */
export interface Snapshot {
  /** The first rows in rank order, `top` of them unless they do not fit an item. */
  readonly rows: readonly Row[];
  /** Groups in all. */
  readonly keys: number;
  /** Each aggregate over all groups. */
  readonly totals: States;
  /** How many commits of each partition are in it: `0:12 1:7`. */
  readonly versions: string;
  /** Wall time. */
  readonly refreshedAt: number;
}

/** The window of running totals: it holds every event and never ends. */
export const overAllTime = (name: string): Window => ({ name, start: NEVER, end: Number.POSITIVE_INFINITY });

/** `tweets@1/all/live`, `total`: the one snapshot of a running window. */
export const snapshotKey = (pipeline: Pipeline, { name }: Running): Key => ({
  table: 'results',
  partition: liveId(pipeline, name),
  sort: 'total',
});

/** Before anything was counted. */
export const emptySnapshot = ({ accumulators }: Pipeline): Snapshot => ({
  rows: [],
  keys: 0,
  totals: accumulators.map(({ zero }) => zero),
  versions: '',
  refreshedAt: NEVER,
});

/** IF the snapshot is still the one read. It has no TTL: running totals do not expire. */
export function putSnapshot(
  pipeline: Pipeline,
  running: Running,
  { rows, keys, totals, versions, refreshedAt }: Snapshot,
  incomplete: string | undefined,
  read: Item | undefined,
): Put {
  const { partition, sort } = snapshotKey(pipeline, running);
  const item: Item = {
    window_id: partition,
    row_id: sort,
    status: 'open',
    rows,
    key_count: keys,
    totals: rowOf(pipeline, undefined, totals),
    totals_state: encodePartials(new Map([[ALL_GROUPS, totals]]), pipeline.accumulators),
    versions,
    refreshed_at: formatInstant(refreshedAt),
    incomplete,
  };
  const when = read ? [{ attribute: 'versions', equals: textOf(read, 'versions') }] : [{ item: 'absent' as const }];
  return { kind: 'put', table: 'results', item, when };
}

/** An average as it is read cannot be added to, so the accumulators of the totals stand beside them, as one line. */
const ALL_GROUPS = '';

export function readSnapshot(item: Item, pipeline: Pipeline): Snapshot {
  const stored = item as unknown as StoredSnapshot; // written by putSnapshot alone
  const all: Partials = new Map();
  decodePartials(stored.totals_state, pipeline.accumulators, all);
  return {
    rows: stored.rows,
    keys: stored.key_count,
    totals: all.get(ALL_GROUPS) ?? totalsOf(pipeline, all),
    versions: stored.versions,
    refreshedAt: parseInstant(stored.refreshed_at) ?? NEVER,
  };
}

interface StoredSnapshot {
  readonly rows: readonly Row[];
  readonly key_count: number;
  readonly totals_state: string;
  readonly versions: string;
  readonly refreshed_at: string;
}

export const versionsOf = (commits: readonly (readonly [partition: number, commits: number])[]): string =>
  commits.map(([partition, count]) => `${partition}:${count}`).join(' ');

/** How many commits of a partition a snapshot shows. */
export function commitsIn({ versions }: Pick<Snapshot, 'versions'>, partition: number): number {
  const found = versions.split(' ').find((entry) => entry.startsWith(`${partition}:`));
  return found === undefined ? 0 : Number(found.slice(found.indexOf(':') + 1));
}

/** The partitions that a snapshot shows. */
export const partitionsIn = ({ versions }: Pick<Snapshot, 'versions'>): number[] =>
  versions === '' ? [] : versions.split(' ').map((entry) => Number(entry.slice(0, entry.indexOf(':'))));

/** The first rows, as many as one item holds: keys may be long. */
export function fitting(rows: readonly Row[]): readonly Row[] {
  let bytes = 0;
  const end = rows.findIndex((row) => (bytes += valueBytes(row) + 1) > MAX_LIVE_BYTES);
  return end === -1 ? rows : rows.slice(0, end);
}

/** Below the 400 KB of an item. */
const MAX_LIVE_BYTES = 380_000;

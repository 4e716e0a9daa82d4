import type { Pipeline } from '../pipeline.ts';
import { formatInstant } from '../time/instant.ts';
import type { Window } from '../window/geometry.ts';
import { decodeKey, type States } from './segment.ts';
import type { Item, Key, Put, Value } from './store.ts';

/** One result row by column name: the declared group fields, then the declared aggregates. A null group is absent. */
export type Row = Readonly<Record<string, Value>>;

/** Rows under one `window_id`. Beyond, blocks `~1`, `~2`, ... follow, as one partition key takes 1,000 writes a second. */
export const ROWS_PER_BLOCK = 10_000;

/** `telegram@1/1m/2026-01-08T18:58:00.000Z`: where a final window's rows are, by rank. */
export const windowId = (pipeline: Pipeline, window: Window, block = 0): string =>
  `${pipeline.id}/${window.name}/${formatInstant(window.start)}${block === 0 ? '' : `~${block}`}`;

/** `telegram@1/1m`: the list of a kind's final windows, by start. */
export const directoryId = (pipeline: Pipeline, name: string): string => `${pipeline.id}/${name}`;

/** `telegram@1/10m/live`: the snapshots of open windows, by start. */
export const liveId = (pipeline: Pipeline, name: string): string => `${pipeline.id}/${name}/live`;

/** Sort key of the item, among the snapshots, that says what the last refresh saw. Sorts after every start. */
export const TRIGGER = 'trigger';

/** Rank as a sort key: from 1, nine digits, so that a plain Query gives the sorted table. */
const rankId = (rank: number): string => String(rank).padStart(9, '0');

/** A group and its accumulators, as columns; without a key, the totals over all groups. */
export function rowOf(pipeline: Pipeline, key: string | undefined, states: States): Row {
  const row: Record<string, Value> = {};
  const groups = key === undefined ? [] : decodeKey(key);
  groups.forEach((column, i) => {
    if (column !== null) row[pipeline.groupBy[i] ?? ''] = column;
  });
  pipeline.columns.forEach((column, i) => {
    const value = pipeline.accumulators[i]?.read(states[i] ?? null) ?? null;
    if (value !== null) row[column] = value;
  });
  return row;
}

/** What a window's directory item says beside its bounds. */
export interface Summary {
  /** Stored rows. */
  readonly rows: number;
  /** Groups in the window; more than `rows` when the window declares a `top`. */
  readonly keys: number;
  /** Each aggregate over all groups. */
  readonly totals: Row;
  readonly watermark: number;
  /** Wall time of emission. */
  readonly now: number;
  /** Why the window may lack records; undefined when it does not. */
  readonly incomplete: string | undefined;
  readonly expiresAtSeconds: number;
}

/** A window's directory item: readers trust its rows only once this is there. Put last, and once. */
export const directoryItem = (pipeline: Pipeline, window: Window, summary: Summary): Item => ({
  window_id: directoryId(pipeline, window.name),
  row_id: formatInstant(window.start),
  window_start: formatInstant(window.start),
  window_end: formatInstant(window.end),
  status: 'final',
  row_count: summary.rows,
  block_count: Math.max(1, Math.ceil(summary.rows / ROWS_PER_BLOCK)),
  key_count: summary.keys,
  totals: summary.totals,
  watermark: formatInstant(summary.watermark),
  emitted_at: formatInstant(summary.now),
  incomplete: summary.incomplete,
  expires_at: summary.expiresAtSeconds,
});

/** How many rows of a large window are written so far, while they are. */
export const cursorKey = (pipeline: Pipeline, window: Window): Key => ({
  table: 'results',
  partition: `${directoryId(pipeline, window.name)}/cursor`,
  sort: formatInstant(window.start),
});

/** One final row under its rank. */
export function putRow(pipeline: Pipeline, window: Window, rank: number, row: Row, expiresAtSeconds: number): Put {
  const block = Math.floor((rank - 1) / ROWS_PER_BLOCK);
  const item: Item = {
    window_id: windowId(pipeline, window, block),
    row_id: rankId(rank),
    ...row,
    window_start: formatInstant(window.start),
    window_end: formatInstant(window.end),
    status: 'final',
    expires_at: expiresAtSeconds,
  };
  return { kind: 'put', table: 'results', item };
}

export const directoryKey = (pipeline: Pipeline, window: Window): Key => ({
  table: 'results',
  partition: directoryId(pipeline, window.name),
  sort: formatInstant(window.start),
});

import type { Pipeline } from './pipeline.ts';
import { checkpointsOf, registryOf, watermarkOf, type Reader } from './reader.ts';
import { pagesOf, readAll } from './store/drain.ts';
import { mergeWindow, rank, totalsOf } from './store/merge.ts';
import { NEVER } from './store/progress.ts';
import { incompleteReason, type Registry } from './store/registry.ts';
import { directoryId, directoryKey, rowOf, windowId, type Row } from './store/results.ts';
import { windowsAfter } from './store/slices.ts';
import type { Item } from './store/store.ts';
import { formatDuration } from './time/duration.ts';
import { formatInstant, readInstant } from './time/instant.ts';
import type { Window } from './window/geometry.ts';

/** A row and its place in the whole window, from 1. */
export interface RankedRow {
  /** Undefined where one group of running totals was read directly. */
  readonly rank: number | undefined;
  readonly row: Row;
}

/** One window as a reader sees it. */
export interface WindowResult {
  readonly window: Window;
  /** `final` never changes; `closing` neither, but its rows are not all written yet; `open` still may. */
  readonly status: 'final' | 'closing' | 'open';
  /** The pipeline's watermark when the result was made. */
  readonly watermark: number;
  /** Groups in the window, whether or not their rows are stored, asked for or shown. */
  readonly keys: number;
  /** Aggregates over all groups. */
  readonly totals: Row;
  /** In rank order. */
  readonly rows: readonly RankedRow[];
  /** Why the result may lack records; undefined when it does not. */
  readonly incomplete: string | undefined;
}

/** Which rows of a window to give. */
export interface Selection {
  /** Only groups with these values in these columns; null is the null group's. */
  readonly key?: Readonly<Record<string, string | null>>;
  /** At most so many rows, the first in rank order; all unless said. */
  readonly limit?: number;
}

/** Which final windows of a kind to give, and in which order of time. */
export interface History extends Selection {
  /** `newest` first unless said. */
  readonly order?: 'newest' | 'oldest';
  /** Only windows that start after this. */
  readonly after?: number;
  readonly windows?: number;
}

/**
 * STORY 3. Final windows of a kind with their rows, one at a time; windows without events are not among them.
 *
 * Rows count only under their directory item, which `finalize` puts last.
 */
export async function* finalWindows(
  reader: Reader,
  pipeline: Pipeline,
  name: string,
  history: History = {},
): AsyncGenerator<WindowResult> {
  const { order = 'newest', after, windows = Number.POSITIVE_INFINITY } = history;
  const query = {
    table: 'results',
    partition: directoryId(pipeline, name),
    ...(after !== undefined && { from: `${formatInstant(after)}${AFTER_START}` }),
    descending: order === 'newest',
    limit: Math.min(windows, DIRECTORY_PAGE),
  } as const;
  let left = windows;
  for await (const items of pagesOf(reader.store, query, reader.retry)) {
    for (const item of items) {
      if (isExpired(item, reader)) continue;
      yield await finalResult(reader, pipeline, name, item, history);
      if (--left <= 0) return;
    }
  }
}

const DIRECTORY_PAGE = 100;
/** Sorts after a window's start and before the next one's. */
const AFTER_START = '~';

/**
 * One window: final as stored, or merged from its buckets while it is open.
 *
 * @param window one that its kind has.
 * @returns undefined when the pipeline has not counted anything yet.
 */
export async function windowAt(
  reader: Reader,
  pipeline: Pipeline,
  window: Window,
  selection: Selection = {},
): Promise<WindowResult | undefined> {
  for (;;) {
    // The registry first: a directory item that is not there by then, though `emitted` has passed, never will be.
    const registry = await registryOf(reader, pipeline);
    if (!registry) return undefined;
    const [item] = await readAll(reader.store, [directoryKey(pipeline, window)], reader.retry);
    if (item && !isExpired(item, reader)) return await finalResult(reader, pipeline, window.name, item, selection);
    if (window.end <= registry.emitted) return emptyResult(reader, pipeline, registry, window, item);
    const result = await mergedResult(reader, pipeline, registry, window, selection);
    if (result) return result;
  }
}

/**
 * The windows of a kind whose results are not written, newest first, merged exactly from their buckets.
 *
 * Read without a snapshot while records are counted; each window that becomes final in the meantime is left out.
 */
export async function* openWindows(
  reader: Reader,
  pipeline: Pipeline,
  name: string,
  { windows = Number.POSITIVE_INFINITY, ...selection }: Selection & { readonly windows?: number } = {},
): AsyncGenerator<WindowResult> {
  const registry = await registryOf(reader, pipeline);
  if (!registry) return;
  const open = (await windowsAfter(pipeline, registry.partitions, registry.emitted, reader.store, reader.retry)).filter(
    (it) => it.name === name,
  );
  for (const window of open.reverse().slice(0, windows)) {
    const result = await mergedResult(reader, pipeline, registry, window, selection);
    if (result) yield result;
  }
}

/** DynamoDB deletes an item some time after it has expired, so what has expired may still be there. */
const isExpired = (item: Item, { retry }: Reader): boolean => Number(item['expires_at']) * 1000 <= retry.clock.now();

interface StoredDirectory {
  readonly window_start: string;
  readonly window_end: string;
  readonly watermark: string;
  readonly key_count: number;
  readonly block_count: number;
  readonly totals: Row;
  readonly incomplete?: string;
}

async function finalResult(
  reader: Reader,
  pipeline: Pipeline,
  name: string,
  item: Item,
  selection: Selection,
): Promise<WindowResult> {
  const stored = item as unknown as StoredDirectory; // written by directoryItem alone
  const window = { name, start: instantOf(stored.window_start), end: instantOf(stored.window_end) };
  return {
    window,
    status: 'final',
    watermark: instantOf(stored.watermark),
    keys: stored.key_count,
    totals: stored.totals,
    rows: await storedRows(reader, pipeline, window, stored.block_count, selection),
    incomplete: stored.incomplete,
  };
}

const instantOf = (text: string): number => readInstant(text) ?? NEVER;

async function storedRows(
  { store, retry }: Reader,
  pipeline: Pipeline,
  window: Window,
  blocks: number,
  { key, limit = Number.POSITIVE_INFINITY }: Selection,
): Promise<RankedRow[]> {
  const columns = columnsOf(pipeline);
  const rows: RankedRow[] = [];
  for (let block = 0; block < blocks; block++) {
    const query = { table: 'results', partition: windowId(pipeline, window, block) } as const;
    const page = key === undefined && limit < Number.POSITIVE_INFINITY ? { ...query, limit } : query;
    for await (const items of pagesOf(store, page, retry)) {
      for (const item of items) {
        if (rows.length >= limit) return rows;
        const row = Object.fromEntries(columns.flatMap((column) => entryOf(item, column)));
        if (isSelected(row, key)) rows.push({ rank: Number(item['row_id']), row });
      }
      if (rows.length >= limit) return rows;
    }
  }
  return rows;
}

/** The columns of a result row: groups, then aggregates. */
export const columnsOf = (pipeline: Pipeline): readonly string[] => [...pipeline.groupBy, ...pipeline.columns];

function entryOf(item: Item, column: string): [string, NonNullable<Row[string]>][] {
  const value = item[column];
  return value === undefined || value === null ? [] : [[column, value]];
}

const isSelected = (row: Row, key: Selection['key'] = {}): boolean =>
  Object.entries(key).every(([column, value]) => (row[column] ?? null) === value);

function emptyResult(
  { retry }: Reader,
  pipeline: Pipeline,
  registry: Registry,
  window: Window,
  expired: Item | undefined,
): WindowResult {
  const mayHaveExpired = window.end + pipeline.retainMs <= retry.clock.now();
  const lost = expired
    ? `its result has expired; results are kept for ${formatDuration(pipeline.retainMs)}`
    : mayHaveExpired
      ? `it was empty, or its result has expired; results are kept for ${formatDuration(pipeline.retainMs)}`
      : undefined;
  return {
    window,
    status: 'final',
    watermark: registry.closed,
    keys: 0,
    totals: {},
    rows: [],
    incomplete: lost ?? incompleteReason(registry, window),
  };
}

/** @returns undefined when the window's result was written in the meantime: its buckets may be gone. */
async function mergedResult(
  reader: Reader,
  pipeline: Pipeline,
  registry: Registry,
  window: Window,
  { key, limit }: Selection,
): Promise<WindowResult | undefined> {
  const merged = await mergeWindow(pipeline, registry.partitions, window, reader.store, reader.retry);
  const after = await registryOf(reader, pipeline);
  if (!after || after.emitted >= window.end) return undefined;
  const rows = rank(pipeline, merged)
    .map(([group, states], i) => ({ rank: i + 1, row: rowOf(pipeline, group, states) }))
    .filter(({ row }) => isSelected(row, key));
  return {
    window,
    status: window.end <= after.closed ? 'closing' : 'open',
    watermark: watermarkOf(await checkpointsOf(reader, pipeline, after)),
    keys: merged.size,
    totals: rowOf(pipeline, undefined, totalsOf(pipeline, merged)),
    rows: rows.slice(0, limit),
    incomplete: incompleteReason(after, window),
  };
}

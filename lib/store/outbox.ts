import type { Pipeline } from '../pipeline.ts';
import { assert } from '../runtime/error.ts';
import { MAX_ROW_BYTES } from '../sink/side-output.ts';
import { versionIs } from './progress.ts';
import { textOf, type Item, type Key, type Put, type Query, type Update } from './store.ts';

/** Rows of one commit that wait for their file. */
export interface OutboxDraft {
  /** One line each, as `rowsOf` encodes them. */
  readonly rows: string[];
  /** UTF-8 of all rows, separators included. */
  bytes: number;
  /** Wall time of the commit, ms. */
  at: number;
}

export const newOutboxDraft = (): OutboxDraft => ({ rows: [], bytes: 0, at: 0 });

export const bytesOfRows = (rows: readonly string[]): number =>
  rows.reduce((sum, row) => sum + Buffer.byteLength(row) + 1, 0);

export function addRows(draft: OutboxDraft, rows: readonly string[], now: number): void {
  if (rows.length === 0) return;
  draft.rows.push(...rows);
  draft.bytes += bytesOfRows(rows);
  draft.at = now;
}

/** Below the 400 KB of an item. */
const MAX_PACKED_BYTES = 300_000;

/** The most items that rows of so many bytes take: all but the last are filled up to less than a row. */
export const outboxItems = (bytes: number): number =>
  bytes === 0 ? 0 : Math.floor(bytes / (MAX_PACKED_BYTES - MAX_ROW_BYTES)) + 1;

/** The puts of one commit's rows, packed, under its commit counter. Without a TTL: only a written file ends them. */
export function outboxPuts(
  pipeline: Pipeline,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  { rows, at }: OutboxDraft,
  commits: string,
): Put[] {
  const packs: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const size = Buffer.byteLength(row) + 1;
    if (bytes + size > MAX_PACKED_BYTES) {
      packs.push([]);
      bytes = 0;
    }
    packs.at(-1)?.push(row);
    bytes += size;
  }
  return packs.map((pack, i): Put => {
    const text = pack.join('\n');
    const sort = padded(Number(commits)) + (i === 0 ? '' : `.${String(i).padStart(2, '0')}`);
    const item: Item = {
      pk: outboxOf(pipeline, partition),
      sk: sort,
      topic,
      partition,
      rows: text,
      row_count: pack.length,
      row_bytes: Buffer.byteLength(text),
      stored_at: at,
    };
    return { kind: 'put', table: 'buckets', item, when: versionIs(undefined) };
  });
}

const outboxOf = (pipeline: Pipeline, partition: number): string => `${pipeline.id}#out#p${partition}`;
const padded = (commits: number): string => String(commits).padStart(12, '0');

/** How far a partition's rows are in files, and which of them are on their way. */
export interface Head {
  /** Rows of commits up to this one are in files. */
  readonly upTo: number;
  /** `<incarnation>-<first commit>-<last commit>`: the range being written, and the name of its file. */
  readonly pending: string | undefined;
}

export const headKey = (pipeline: Pipeline, partition: number): Key => ({
  table: 'buckets',
  partition: outboxOf(pipeline, partition),
  sort: 'head', // after every number
});

export const readHead = (item: Item | undefined): Head => ({
  upTo: Number(item?.['upTo'] ?? 0),
  pending: item?.['pending'] === undefined ? undefined : textOf(item, 'pending'),
});

/** The commits of a range that is being written. */
export function rangeOf(pending: string): { readonly from: number; readonly to: number } {
  const [, from = '', to = ''] = pending.split('-');
  assert(/^\d+$/.test(from) && /^\d+$/.test(to), 'a pending range is named by its commits', { pending });
  return { from: Number(from), to: Number(to) };
}

/** Settles for everybody which commits the next file takes. IF nobody has settled it, or moved on, since it was read. */
export const claimRange = (key: Key, { upTo }: Head, incarnation: string, to: number): Update => ({
  kind: 'update',
  key,
  set: { pending: `${incarnation}-${padded(upTo + 1)}-${padded(to)}` },
  when: [
    upTo === 0 ? { attribute: 'upTo', absent: true } : { attribute: 'upTo', equals: upTo },
    { attribute: 'pending', absent: true },
  ],
});

/** The range's file is there. IF the range is still the one being written. */
export const settleRange = (key: Key, pending: string): Update => ({
  kind: 'update',
  key,
  set: { upTo: rangeOf(pending).to },
  remove: ['pending'],
  when: [{ attribute: 'pending', equals: pending }],
});

/** Waiting rows of these commits, in the order they were counted. */
export const rowsBetween = (pipeline: Pipeline, partition: number, from: number, to: number): Query => ({
  table: 'buckets',
  partition: outboxOf(pipeline, partition),
  from: padded(from),
  to: `${padded(to)}~`,
});

/** What it takes to decide whether waiting rows become a file. */
export const MEASURES = ['row_count', 'row_bytes', 'stored_at'] as const;

/** The commit whose rows an item holds. */
export const commitOf = (item: Item): number => Number.parseInt(textOf(item, 'sk'), 10);

/** The rows of an item, one line each. */
export const linesOf = (item: Item): string[] => textOf(item, 'rows').split('\n');

import type { Pipeline } from '../pipeline.ts';
import type { Accumulator } from '../aggregate/aggregate.ts';
import {
  OPEN_SEGMENT,
  encodePartials,
  decodePartials,
  mergeInto,
  partialsOf,
  segmentSort,
  ALL,
  type Partials,
  type States,
} from './segment.ts';
import { commitsOf, partitionOf, versionIs } from './progress.ts';
import { putDelta } from './running.ts';
import { newOutboxDraft, outboxItems, outboxPuts, type OutboxDraft } from './outbox.ts';
import { MAX_TRANSACTION_ACTIONS, type Item, type Put } from './store.ts';

/** A late event or a rejection as it is kept, without the payload of the former: Kafka has it at this offset. */
export type Kept = {
  readonly [attribute: string]: string | number | readonly string[] | { readonly [window: string]: string };
};

/**
 * What one transaction will store beside the checkpoint: partials by segment, late events, rejections.
 *
 * Its size is estimated from above as it grows, so that it can be cut at a record boundary before it is too large.
 */
export interface Draft {
  readonly segments: Map<string, DraftSegment>;
  readonly late: Kept[];
  readonly rejected: Kept[];
  readonly outbox: OutboxDraft;
  bytes: number;
  keptBytes: number;
  /** Items the segments will take. */
  items: number;
}

/** Open segments by the start of their slice; null where there is none yet. */
export type OpenSegments = ReadonlyMap<number, Item | null>;

interface DraftSegment {
  readonly slice: number;
  readonly visibleFrom: number;
  readonly partials: Partials;
  bytes: number;
}

export const newDraft = (): Draft => ({
  segments: new Map(),
  late: [],
  rejected: [],
  outbox: newOutboxDraft(),
  bytes: 0,
  keptBytes: 0,
  items: 0,
});

/** Below the 4 MB and 100 actions of a transaction, with room for the checkpoint, the registry and key attributes. */
const MAX_DRAFT_BYTES = 3_500_000;
const MAX_ACTIONS = MAX_TRANSACTION_ACTIONS - 10;
/** Checkpoint, registry, and the unfilled last item of late events and of rejections. */
const FIXED_ACTIONS = 4;
/** Below the 400 KB of an item. */
const MAX_SEGMENT_BYTES = 300_000;
/** One write unit: an open segment is upserted in place as long as that costs no more than a segment of its own. */
const MAX_OPEN_SEGMENT_BYTES = 900;
/** Most bytes of one state with its separator: 38 digits, twice for an average. */
const STATE_BYTES = 80;

/** Most bytes a record of these outputs, or this kept entry, can add. */
export const sizeOf = (pipeline: Pipeline, outputs: readonly { readonly key: string }[]): number =>
  outputs.reduce((sum, { key }) => sum + Buffer.byteLength(key) + pipeline.columns.length * STATE_BYTES, 0);

export const sizeOfKept = (kept: Kept): number => Buffer.byteLength(JSON.stringify(kept)) + 50;

/**
 * Whether a draft still has room for one more record.
 *
 * @param bytes the most it adds to segments, all of it in one slice, or to what is kept.
 * @param rowBytes what it adds to the outbox.
 */
export function hasRoom(draft: Draft, bytes: number, rowBytes = 0): boolean {
  const actions =
    draft.items +
    Math.ceil(draft.keptBytes / MAX_SEGMENT_BYTES) +
    Math.ceil(bytes / MAX_SEGMENT_BYTES) +
    outboxItems(draft.outbox.bytes + rowBytes);
  const allBytes = draft.bytes + draft.outbox.bytes + bytes + rowBytes;
  return allBytes <= MAX_DRAFT_BYTES && actions + FIXED_ACTIONS <= MAX_ACTIONS;
}

/** Adds one output to its segment. */
export function addPartial(
  draft: Draft,
  slice: number,
  visibleFrom: number,
  key: string,
  states: States,
  pipeline: Pipeline,
): void {
  const id = `${slice}#${visibleFrom}`;
  let segment = draft.segments.get(id);
  if (!segment) draft.segments.set(id, (segment = { slice, visibleFrom, partials: new Map(), bytes: 0 }));
  if (!segment.partials.has(key)) {
    const bytes = Buffer.byteLength(key) + pipeline.columns.length * STATE_BYTES;
    draft.items +=
      Math.ceil((segment.bytes + bytes) / MAX_SEGMENT_BYTES) - Math.ceil(segment.bytes / MAX_SEGMENT_BYTES);
    segment.bytes += bytes;
    draft.bytes += bytes;
  }
  mergeInto(segment.partials, key, states, pipeline.accumulators);
}

export function addKept(draft: Draft, kind: 'late' | 'rejected', kept: Kept): void {
  const bytes = sizeOfKept(kept);
  draft[kind].push(kept);
  draft.bytes += bytes;
  draft.keptBytes += bytes;
}

/**
 * The puts of a draft.
 *
 * A small delta is merged into the slice's open segment, IF nobody has written that since it was read; everything else
 * becomes new items, numbered by the commit counter, IF they do not exist.
 *
 * @param open the open segments as read; slices that are not in it get segments of their own.
 * @param version the checkpoint version this commit writes.
 */
export function putsOf(
  pipeline: Pipeline,
  batch: { readonly topic: string; readonly partition: number },
  draft: Draft,
  open: OpenSegments,
  version: string,
  expiresAtSeconds: number,
): Put[] {
  const { topic, partition } = batch;
  const pk = partitionOf(pipeline, partition);
  const put = (item: Item, read?: Item | null): Put => ({
    kind: 'put',
    table: 'buckets',
    item: { pk, ...item },
    when: versionIs(read?.['version'] as string | undefined),
  });
  const puts: Put[] = [];
  for (const { slice, visibleFrom, partials } of draft.segments.values()) {
    const read = visibleFrom === ALL ? open.get(slice) : undefined;
    const merged = read === undefined ? undefined : mergedWith(read, partials, pipeline.accumulators);
    if (merged !== undefined) {
      puts.push(put({ sk: segmentSort(slice, ALL, OPEN_SEGMENT), version, partials: merged }, read));
      continue;
    }
    pieces(encodePartials(partials, pipeline.accumulators)).forEach((text, i) => {
      const number = `${commitsOf(version)}${i === 0 ? '' : `.${i}`}`;
      puts.push(
        pipeline.running
          ? putDelta(pipeline, partition, version, i, text)
          : put({ sk: segmentSort(slice, visibleFrom, number), version, partials: text }),
      );
    });
  }
  for (const kind of ['late', 'rejected'] as const) {
    groupsOf(draft[kind]).forEach((entries, i) => {
      const number = commitsOf(version).padStart(12, '0') + (i === 0 ? '' : `.${i}`);
      puts.push(put({ sk: `${kind}#${number}`, topic, partition, entries, expires_at: expiresAtSeconds }));
    });
  }
  puts.push(...outboxPuts(pipeline, batch, draft.outbox, commitsOf(version)));
  return puts;
}

/** The open segment's text with these partials in it; undefined when it would be too large. */
function mergedWith(read: Item | null, partials: Partials, accumulators: readonly Accumulator[]): string | undefined {
  const merged: Partials = new Map(partials);
  if (read) decodePartials(partialsOf(read), accumulators, merged);
  const text = encodePartials(merged, accumulators);
  return Buffer.byteLength(text) <= MAX_OPEN_SEGMENT_BYTES ? text : undefined;
}

/** Whole lines, as many per piece as fit an item. */
export function pieces(text: string): string[] {
  if (Buffer.byteLength(text) <= MAX_SEGMENT_BYTES) return [text];
  const all: string[] = [];
  let lines: string[] = [];
  let bytes = 0;
  for (const line of text.split('\n')) {
    const size = Buffer.byteLength(line) + 1;
    if (bytes + size > MAX_SEGMENT_BYTES) {
      all.push(lines.join('\n'));
      [lines, bytes] = [[], 0];
    }
    lines.push(line);
    bytes += size;
  }
  return [...all, lines.join('\n')];
}

function groupsOf(kept: readonly Kept[]): Kept[][] {
  const groups: Kept[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of kept) {
    const size = sizeOfKept(entry);
    if (bytes + size > MAX_SEGMENT_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(entry);
    bytes += size;
  }
  return groups;
}

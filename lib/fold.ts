import type { Pipeline } from './pipeline.ts';
import { assert } from './runtime/error.ts';
import type { Decoded } from './source/decode.ts';
import { identityOf } from './source/identity.ts';
import { keptLate, keptRejection } from './source/kept.ts';
import { addRows, bytesOfRows } from './store/outbox.ts';
import { addKept, addPartial, hasRoom, newDraft, sizeOf, sizeOfKept, type Draft, type Kept } from './store/draft.ts';
import { NO_COUNTERS, addCounters, type Checkpoint, type Counters } from './store/progress.ts';
import { ALL } from './store/segment.ts';
import { advance, judge, type Verdict } from './window/verdict.ts';

/** A prefix of a batch, ready to be committed in one transaction. */
export interface Chunk {
  /** Where the partition stands after it; its version is still the one before. */
  readonly checkpoint: Checkpoint;
  readonly draft: Draft;
  /** How many records it takes. */
  readonly taken: number;
}

const NO_ROWS: readonly string[] = [];

/** What becomes of one record. */
type Fate =
  | { readonly kind: 'rejected'; readonly kept: Kept }
  | { readonly kind: 'filtered' }
  | { readonly kind: 'late'; readonly kept: Kept; readonly missed: number }
  | (Verdict & { readonly kind: 'counted'; readonly visibleFrom: number });

/**
 * Judges records in offset order, each by the watermark that the records before it left, and folds them into partials.
 *
 * Takes as many as fit one transaction, so any cut of the same log gives the same partials.
 *
 * @param from where the partition stands.
 * @param records at least one.
 */
export function fold(pipeline: Pipeline, from: Checkpoint, records: readonly Decoded[], now: number): Chunk {
  const draft = newDraft();
  const verdictOf = judge(pipeline.geometry);
  const tally: { -readonly [K in keyof Counters]: number } = { ...NO_COUNTERS };
  let tide = { clock: from.clock, watermark: from.watermark };
  let { maxTimestamp } = from;
  for (const decoded of records) {
    const { record, instant, outputs, rows = NO_ROWS } = decoded;
    let fate = fateOf(pipeline, decoded, tide.watermark, verdictOf);
    const size = 'kept' in fate ? sizeOfKept(fate.kept) : sizeOf(pipeline, outputs);
    if (!hasRoom(draft, size, bytesOfRows(rows))) {
      if (tally.records > 0) break;
      fate = {
        kind: 'rejected',
        kept: keptRejection(decoded, `size: ${outputs.length} results do not fit a transaction`),
      };
    }
    if (instant !== undefined) tide = advance(tide, instant, pipeline.delayMs);
    maxTimestamp = Math.max(maxTimestamp, record.timestamp);
    tally.records++;
    tally[fate.kind]++;
    switch (fate.kind) {
      case 'filtered':
        break;
      case 'rejected':
        addKept(draft, 'rejected', fate.kept);
        break;
      case 'late':
        addKept(draft, 'late', fate.kept);
        addRows(draft.outbox, rows, now);
        tally.pairsMissed += fate.missed * outputs.length;
        break;
      case 'counted':
        for (const { key, states } of outputs) addPartial(draft, fate.slice, fate.visibleFrom, key, states, pipeline);
        addRows(draft.outbox, rows, now);
        tally.pairsCounted += fate.counted * outputs.length;
        tally.pairsMissed += fate.missed * outputs.length;
        break;
    }
  }
  const { records: taken, rejected, filtered, late, counted } = tally;
  assert(taken === rejected + filtered + late + counted, 'a record is rejected, filtered, late or counted', tally);

  const first = records[0]?.record;
  const last = records[taken - 1]?.record;
  assert(first !== undefined && last !== undefined, 'a chunk takes at least one record');
  const checkpoint: Checkpoint = {
    ...from,
    ...tide,
    from: from.from ?? first.offset,
    fromTimestamp: from.fromTimestamp ?? first.timestamp,
    next: last.offset + 1,
    // Late events and rejections do not count as life: a stream of nothing else must not hold results back.
    seen: counted > 0 || tide.clock > from.clock ? now : from.seen,
    committedAt: now,
    maxTimestamp,
    last: { offset: last.offset, hash: identityOf(last) },
    counters: addCounters(from.counters, tally),
    gaps: gapsWith(from, first.offset),
  };
  return { checkpoint, draft, taken };
}

/** In the one window that never ends, whatever time the event says, if any. */
const OVER_ALL_TIME: Fate = { kind: 'counted', slice: 0, visibleFrom: ALL, counted: 1, missed: 0 };

/** Decides by the log and the stored watermark alone. */
function fateOf(pipeline: Pipeline, decoded: Decoded, watermark: number, verdictOf: ReturnType<typeof judge>): Fate {
  const { instant, outputs, reason } = decoded;
  if (pipeline.running && reason === undefined) return outputs.length === 0 ? { kind: 'filtered' } : OVER_ALL_TIME;
  if (reason !== undefined || instant === undefined) return { kind: 'rejected', kept: keptRejection(decoded) };
  if (outputs.length === 0) return { kind: 'filtered' };
  const verdict = verdictOf(instant, watermark);
  const { visibleFrom, slice, missed } = verdict;
  if (visibleFrom !== undefined) return { ...verdict, kind: 'counted', visibleFrom };
  return { kind: 'late', kept: keptLate(pipeline.geometry, decoded, slice, watermark), missed };
}

/** A first offset beyond `next` leaves a gap, which `finalize` classifies. Before the first delivery nothing is missing. */
function gapsWith({ from, next, gaps, watermark }: Checkpoint, first: number): Checkpoint['gaps'] {
  if (from === undefined || next === undefined || first <= next) return gaps;
  return [...gaps, { from: next, to: first, kind: 'unclassified', watermark }];
}

import { compareResults, type AccumulatorState } from '../aggregate/aggregate.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Retry } from '../runtime/retry.ts';
import { MAX_INSTANT, formatInstant } from '../time/instant.ts';
import type { Window } from '../window/geometry.ts';
import { pagesOf } from './drain.ts';
import { compareUtf8 } from './order.ts';
import { partitionOf } from './progress.ts';
import { decodeKey, decodePartials, parseSegmentSort, partialsOf, type Partials, type States } from './segment.ts';
import { textOf, type Store } from './store.ts';

/** Sort key before every segment: slices start in the years 0000 to 9999. */
export const FIRST_SEGMENT = '0';
/** Sort key after every segment, before the kept items of the same partition. */
export const AFTER_SEGMENTS = ':';

/** Every group of a window, merged from the segments of all partitions that the window sees. */
export async function mergeWindow(
  pipeline: Pipeline,
  partitions: readonly number[],
  window: Window,
  store: Store,
  retry: Retry,
): Promise<Partials> {
  const merged: Partials = new Map();
  for (const partition of partitions) {
    const query = {
      table: 'buckets',
      partition: partitionOf(pipeline, partition),
      from: beforeSlice(window.start),
      to: afterSlice(window.end - pipeline.geometry.sliceMs),
    } as const;
    for await (const items of pagesOf(store, query, retry)) {
      for (const item of items) {
        const { visibleFrom } = parseSegmentSort(textOf(item, 'sk'));
        if (visibleFrom <= window.end) decodePartials(partialsOf(item), pipeline.accumulators, merged);
      }
    }
  }
  return merged;
}

/** Sort key before the segments of a slice. Texts of years after 9999 do not sort, and no event is there. */
const beforeSlice = (slice: number): string => (slice > MAX_INSTANT ? AFTER_SEGMENTS : formatInstant(slice));

/** Sort key after the segments of a slice: "~" sorts after all that may follow its start. */
export const afterSlice = (slice: number): string => `${beforeSlice(slice)}~`;

/** A group with its accumulators, as ranked. */
export type Ranked = readonly [key: string, states: States];

/** Groups in the declared order: by the ordering column, descending, then by key in UTF-8 byte order. */
export function rank(pipeline: Pipeline, partials: Partials): Ranked[] {
  const { orderBy, accumulators } = pipeline;
  const accumulator = accumulators[orderBy];
  return [...partials]
    .map((ranked) => ({ ranked, value: accumulator?.read(ranked[1][orderBy] ?? null) ?? null }))
    .sort((a, b) => compareResults(b.value, a.value) || compareKeys(a.ranked[0], b.ranked[0]))
    .map(({ ranked }) => ranked);
}

/** Each aggregate over all groups. */
export function totalsOf(pipeline: Pipeline, partials: Partials): States {
  let totals: AccumulatorState[] = pipeline.accumulators.map(({ zero }) => zero);
  for (const states of partials.values()) {
    totals = totals.map((total, i) => pipeline.accumulators[i]?.merge(total, states[i] ?? null) ?? null);
  }
  return totals;
}

/** Group keys by their columns in turn, a null before every text. */
export function compareKeys(a: string, b: string): number {
  if (!ESCAPED_OR_SEVERAL.test(a) && !ESCAPED_OR_SEVERAL.test(b)) return compareUtf8(a, b);
  const [left, right] = [decodeKey(a), decodeKey(b)];
  for (let i = 0; i < left.length; i++) {
    const [x, y] = [left[i] ?? null, right[i] ?? null];
    if (x !== y) return x === null ? -1 : y === null ? 1 : compareUtf8(x, y);
  }
  return 0;
}

const ESCAPED_OR_SEVERAL = /[\\\t]/;

import { compareResults, type Result } from './aggregate/aggregate.ts';
import { Decimal } from './aggregate/decimal.ts';
import type { Pipeline } from './pipeline.ts';
import { compareKeys } from './store/merge.ts';
import { numberText } from './store/number.ts';
import { rowOf, type Row } from './store/results.ts';
import { encodeKey, type States } from './store/segment.ts';

/** A group with what it is ranked by. */
export interface Placed {
  readonly key: string;
  readonly value: Result;
  readonly row: () => Row;
}

/** A group by its accumulators. */
export const placed = (pipeline: Pipeline, key: string, states: States): Placed => ({
  key,
  value: pipeline.accumulators[pipeline.orderBy]?.read(states[pipeline.orderBy] ?? null) ?? null,
  row: () => rowOf(pipeline, key, states),
});

/** A group by the row that was stored of it. */
export function placedRow(pipeline: Pipeline, row: Row): Placed {
  const key = encodeKey(pipeline.groupBy.map((column) => textOrNull(row[column])));
  const value = row[pipeline.columns[pipeline.orderBy] ?? ''];
  // A decimal that a double can tell is read back as a number; compared it is a decimal again.
  const isWhole = typeof value === 'number' && Number.isInteger(value);
  const exact = typeof value === 'number' && !isWhole ? new Decimal(numberText(value)) : value;
  return { key, value: typeof exact === 'number' || exact instanceof Decimal ? exact : null, row: () => row };
}

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** Rank order: negative when `a` stands before `b`. */
export const comparePlaced = (a: Placed, b: Placed): number =>
  compareResults(b.value, a.value) || compareKeys(a.key, b.key);

/** The first so many of any number of groups, in memory that grows with `limit` alone. */
export function ranking(limit: number) {
  let best: Placed[] = [];
  const cut = (): void => {
    best = best.sort(comparePlaced).slice(0, limit);
  };
  return {
    add(group: Placed): void {
      if (best.push(group) >= 2 * limit + 1_000) cut();
    },
    /** In rank order. */
    first(): readonly Placed[] {
      cut();
      return best;
    },
  };
}

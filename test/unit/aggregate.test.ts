import { describe, expect, test } from 'vitest';
import {
  accumulator,
  aggregateProblems,
  avg,
  compareResults,
  count,
  max,
  min,
  sum,
  type Aggregate,
} from '../../lib/aggregate/aggregate.ts';
import { Decimal } from '../../lib/aggregate/decimal.ts';

/** The result of an aggregate over values, or the first value it refuses. */
function over(aggregate: Aggregate, values: readonly unknown[]): unknown {
  const { zero, of, merge, read } = accumulator(aggregate);
  let state = zero;
  for (const value of values) {
    const one = of(value);
    if (one === undefined) return { refused: value };
    state = merge(state, one);
  }
  const result = read(state);
  return result instanceof Decimal ? result.text : result;
}

describe('over some values', () => {
  const amounts = [0.1, null, 0.2, undefined, new Decimal('-12.50'), 100n];

  test('count counts events, whatever they hold', () => expect(over(count(), amounts)).toBe(6));
  test('sum is exact', () => expect(over(sum('amount', { scale: 2 }), amounts)).toBe('87.8'));
  test('min', () => expect(over(min('amount', { scale: 2 }), amounts)).toBe('-12.5'));
  test('max', () => expect(over(max('amount', { scale: 2 }), amounts)).toBe('100'));
  test('avg ignores what is absent', () => expect(over(avg('amount', { scale: 2 }), amounts)).toBe('21.95'));
  test('avg is read with four more digits', () => expect(over(avg('n', { scale: 0 }), [1, 1, 2])).toBe('1.3333'));
  test('avg is read with the digits declared', () =>
    expect(over(avg('amount', { scale: 2, resultScale: 10 }), [0.1, 0.2, 0.7])).toBe('0.3333333333'));
});

test('over no values only count is a number', () => {
  expect(over(count(), [])).toBe(0);
  for (const aggregate of [sum, avg, min, max]) expect(over(aggregate('amount', { scale: 2 }), [null])).toBeNull();
});

describe('a value beyond the scale', () => {
  test('is refused', () => expect(over(sum('amount', { scale: 2 }), [1, 0.125])).toEqual({ refused: 0.125 }));
  test('is rounded by a declared rule', () => {
    expect(over(sum('amount', { scale: 2, round: 'half-even' }), [1, 0.125])).toBe('1.12');
    expect(over(avg('amount', { scale: 2, round: 'half-up' }), [0.125])).toBe('0.13');
  });
});

test.each(['1', '', true, {}, [1], Number.NaN, Infinity])('%j is no number', (value) => {
  for (const aggregate of [sum, avg, min, max]) {
    expect(over(aggregate('amount', { scale: 2, round: 'half-up' }), [value])).toEqual({ refused: value });
  }
});

test.each<[Aggregate, unknown, string]>([
  [count(), 'x', '1'],
  [sum('amount', { scale: 2 }), 12.5, '1250'],
  [sum('amount', { scale: 2 }), null, ''],
  [min('amount', { scale: 2 }), -12.5, '-1250'],
  [avg('amount', { scale: 2 }), 12.5, '1250/1'],
  [avg('amount', { scale: 2 }), null, '0/0'],
])('%j is stored compactly', (aggregate, value, text) => {
  const { of, encode } = accumulator(aggregate);
  const state = of(value);
  expect(state === undefined ? undefined : encode(state)).toBe(text);
});

test('results rank by their exact values, no value below all', () => {
  const ranked = [null, new Decimal('-1'), 0, new Decimal('9007199254740993.01'), new Decimal('9007199254740993.02')];
  expect(ranked.toReversed().sort(compareResults)).toEqual(ranked);
  expect(compareResults(null, null)).toBe(0);
  expect(compareResults(2, new Decimal('2'))).toBe(0);
});

test('results rank as well whichever comes first: counts, decimals a double cannot tell from them, none at all', () => {
  const ranked = [null, 0, 1, 2 ** 53, new Decimal('9007199254740993')];
  for (const [i, a] of ranked.entries()) {
    for (const [j, b] of ranked.entries()) expect(Math.sign(compareResults(a, b))).toBe(Math.sign(i - j));
  }
});

test('an accumulator names the field it takes', () => {
  expect([count(), sum('a', { scale: 0 }), avg('b', { scale: 0 })].map((a) => accumulator(a).field)).toEqual([
    undefined,
    'a',
    'b',
  ]);
});

describe('a declaration', () => {
  test('is plain frozen data', () => {
    const total = sum('amount', { scale: 2, round: 'half-up' });
    expect(JSON.parse(JSON.stringify(total))).toEqual({ kind: 'sum', field: 'amount', scale: 2, round: 'half-up' });
    expect(Object.isFrozen(total) && Object.isFrozen(count())).toBe(true);
  });

  test('that makes sense has no problems', () => {
    const all = [count(), avg('a', { scale: 2, resultScale: 12 }), avg('a', { scale: 2, resultScale: 2 })];
    for (const measure of [sum, avg, min, max]) {
      all.push(measure('a', { scale: 0 }), measure('a', { scale: 18, round: 'half-even' }));
      all.push(measure('a', { scale: 0, round: 'half-up' }));
    }
    expect(all.flatMap((aggregate) => aggregateProblems('total', aggregate))).toEqual([]);
  });

  test('lists all its problems, saying what, found, where', () => {
    const wrong = { kind: 'sum', field: '', scale: 1.5, round: 'up', digits: 3 } as unknown as Aggregate;
    expect(aggregateProblems('total', wrong)).toEqual([
      'aggregate total: sum takes no digits; it takes field, scale, round',
      "aggregate total: sum needs the name of a field, found ''",
      'aggregate total: scale is a whole number from 0 to 18, found 1.5',
      "aggregate total: round is 'half-even' or 'half-up', found 'up'",
    ]);
    expect(aggregateProblems('n', { kind: 'count', scale: 2 } as Aggregate)).toEqual([
      'aggregate n: count takes no scale; it takes nothing',
    ]);
    expect(aggregateProblems('least', { kind: 'min', field: 5, scale: 19 } as unknown as Aggregate)).toEqual([
      'aggregate least: min needs the name of a field, found 5',
      'aggregate least: scale is a whole number from 0 to 18, found 19',
    ]);
    expect(aggregateProblems('mean', avg('a', { scale: 2, resultScale: 13 }))).toHaveLength(1);
    expect(aggregateProblems('mean', avg('a', { scale: 2, resultScale: 1 }))).toEqual([
      'aggregate mean: resultScale is a whole number from scale (2) to 12, found 1',
    ]);
    expect(aggregateProblems('mid', { kind: 'median' } as unknown as Aggregate)).toEqual([
      "aggregate mid: no such kind: 'median'; use count, sum, avg, min, max",
    ]);
  });
});

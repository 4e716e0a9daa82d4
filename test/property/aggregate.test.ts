import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accumulator, avg, count, max, min, sum, type AccumulatorState } from '../../lib/aggregate/aggregate.ts';
import { divide, fromScaled } from '../../lib/aggregate/decimal.ts';

const scale = 2;
const cents = fc.integer({ min: -100_000_000, max: 100_000_000 });
const values = fc.array(fc.option(cents, { freq: 4 }), { maxLength: 50 });

/** What each aggregate is, said once more with BigInt over all values at once. */
const oracles = [
  { aggregate: count(), total: (_: readonly bigint[], events: number) => events },
  { aggregate: sum('amount', { scale }), total: (all: readonly bigint[]) => decimal(all, add(all)) },
  { aggregate: min('amount', { scale }), total: (all: readonly bigint[]) => decimal(all, [...all].sort(order)[0]) },
  { aggregate: max('amount', { scale }), total: (all: readonly bigint[]) => decimal(all, [...all].sort(order).at(-1)) },
  {
    aggregate: avg('amount', { scale }),
    total: (all: readonly bigint[]) => (all.length === 0 ? null : divide(add(all), all.length, scale, scale + 4)),
  },
];

const order = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const add = (all: readonly bigint[]): bigint => all.reduce((a, b) => a + b, 0n);
const decimal = (all: readonly bigint[], n = 0n) => (all.length === 0 ? null : fromScaled(n, scale));

describe.each(oracles)('$aggregate.kind', ({ aggregate, total }) => {
  const { zero, of, merge, encode, decode, read } = accumulator(aggregate);
  const one = (value: number | null): AccumulatorState => {
    const state = of(value === null ? null : value / 100);
    if (state === undefined) throw new Error(`${value} cents are representable`);
    return state;
  };
  const states = values.map((some) => some.map(one).reduce((a, b) => merge(a, b), zero));

  test('merge is associative and commutative, zero its identity', () => {
    fc.assert(
      fc.property(states, states, states, (a, b, c) => {
        expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
        expect(merge(a, b)).toEqual(merge(b, a));
        expect(merge(a, zero)).toEqual(a);
        expect(merge(zero, a)).toEqual(a);
      }),
    );
  });

  test('what is encoded comes back, without separators of a segment', () => {
    fc.assert(
      fc.property(states, (state) => {
        expect(decode(encode(state))).toEqual(state);
        expect(encode(state)).not.toMatch(/[\t\n\\]/);
      }),
    );
  });

  test('however the values are cut into parts, the merged parts read as the exact total', () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 8 }), (parts) => {
        const state = parts
          .map((part) => decode(encode(part.map(one).reduce((a, b) => merge(a, b), zero))))
          .reduce((a, b) => merge(b, a), zero);
        const all = parts.flat();
        const present = all.filter((value) => value !== null).map(BigInt);
        expect(read(state)).toEqual(total(present, all.length));
      }),
    );
  });
});

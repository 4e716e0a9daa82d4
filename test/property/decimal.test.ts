import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Decimal, compareDecimals, divide, fromScaled, toScaled, type Rounding } from '../../lib/aggregate/decimal.ts';

const scales = fc.integer({ min: 0, max: 18 });
const units = fc.bigInt({ min: -(10n ** 28n) + 1n, max: 10n ** 28n - 1n });
const rules = fc.constantFrom<Rounding>('half-even', 'half-up');
const doubles = fc.oneof(
  fc.double(),
  fc.double({ min: -1e6, max: 1e6 }),
  fc.tuple(fc.integer(), fc.integer({ min: 0, max: 6 })).map(([n, s]) => n / 10 ** s),
);

test('a scaled integer and its decimal are the same number', () => {
  fc.assert(
    fc.property(units, scales, (n, scale) => {
      expect(toScaled(fromScaled(n, scale).text, scale)).toBe(n);
    }),
  );
});

test('a decimal is canonical: writing it again changes nothing', () => {
  fc.assert(
    fc.property(units, scales, (n, scale) => {
      const { text } = fromScaled(n, scale);
      expect(new Decimal(text).text).toBe(text);
      expect(text).toMatch(/^(0|-?(?=.*[1-9])(0|[1-9]\d*)(\.\d*[1-9])?)$/);
    }),
  );
});

test('a double is worth its shortest text', () => {
  fc.assert(
    fc.property(doubles, scales, (value, scale) => {
      expect(toScaled(value, scale)).toBe(toScaled(`${value}`, scale));
    }),
    { numRuns: 5000 },
  );
});

test('rounding moves a value by half a unit at most, and leaves what fits alone', () => {
  fc.assert(
    fc.property(units, scales, fc.nat(18), rules, (n, scale, fewer, rule) => {
      const target = Math.max(0, scale - fewer);
      const factor = 10n ** BigInt(scale - target);
      const rounded = toScaled(fromScaled(n, scale).text, target, rule);
      if (rounded === undefined) throw new Error('fewer digits always fit');
      const error = rounded * factor - n;
      expect(2n * (error < 0n ? -error : error) <= factor).toBe(true);
      expect(n % factor !== 0n || error === 0n).toBe(true);
    }),
  );
});

test('an average times its count is the sum again, within the rounding', () => {
  fc.assert(
    fc.property(units, fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 0, max: 6 }), (sum, count, scale) => {
      const average = toScaled(divide(sum, count, scale, scale + 4).text, scale + 4);
      if (average === undefined) return; // more than 28 digits: cannot be read back as a value
      const error = average * BigInt(count) - sum * 10_000n;
      expect(2n * (error < 0n ? -error : error) <= BigInt(count)).toBe(true);
    }),
  );
});

test('decimals compare as the numbers they are', () => {
  const close = fc.tuple(units, fc.integer({ min: -2, max: 2 })).map(([n, d]) => [n, n + BigInt(d)] as const);
  fc.assert(
    fc.property(fc.oneof(close, fc.tuple(units, units)), scales, ([a, b], scale) => {
      expect(Math.sign(compareDecimals(fromScaled(a, scale), fromScaled(b, scale)))).toBe(a < b ? -1 : a > b ? 1 : 0);
    }),
  );
});

import { describe, expect, test } from 'vitest';
import { Decimal, divide, fromScaled, toScaled } from '../../lib/aggregate/decimal.ts';

test('0.1 + 0.2 is 0.3', () => {
  const sum = (toScaled(0.1, 2) ?? 0n) + (toScaled(0.2, 2) ?? 0n);
  expect(fromScaled(sum, 2).text).toBe('0.3');
});

describe('a decimal has one text', () => {
  test.each([
    ['0.30', '0.3'],
    ['0', '0'],
    ['-0', '0'],
    ['-0.00', '0'],
    ['007.50', '7.5'],
    ['100', '100'],
    ['-0.05', '-0.05'],
    ['9007199254740993.01', '9007199254740993.01'],
    ['7'.padStart(200, '0'), '7'],
  ])('%s is %s', (text, canonical) => expect(new Decimal(text).text).toBe(canonical));

  test.each(['', '.5', '5.', '+1', '1e3', ' 1', '1,5', 'NaN', '0'.repeat(201)])('%j is refused', (text) =>
    expect(() => new Decimal(text)).toThrow(/digits such as -12\.34, found/),
  );

  test('a long refused text is quoted in part', () =>
    expect(() => new Decimal('0'.repeat(1_000))).toThrow(`found "${'0'.repeat(200)}"`));

  test('in a sentence it is its text, in JSON a string', () => {
    expect(String(new Decimal('1.50'))).toBe('1.5');
    expect(JSON.stringify({ total: new Decimal('1.50') })).toBe('{"total":"1.5"}');
  });
});

describe('a value at its scale', () => {
  test.each<[number | string | bigint, number, bigint | undefined]>([
    [19.99, 2, 1999n],
    [-0, 2, 0n],
    [1e21, 0, 10n ** 21n],
    [1.5e-7, 8, 15n],
    [5e-324, 18, undefined],
    [0.005, 2, undefined],
    [0.1 + 0.2, 2, undefined],
    [Number.NaN, 2, undefined],
    [Number.POSITIVE_INFINITY, 2, undefined],
    [2n ** 64n, 2, 1844674407370955161600n],
    ['9007199254740993.01', 2, 900719925474099301n],
    ['1.500', 1, 15n],
    ['-1.5E3', 0, -1500n],
    ['0e5', 0, 0n],
    ['1e999999999', 0, undefined],
    ['1e-999999999', 0, undefined],
    ['9'.repeat(28), 0, 10n ** 28n - 1n],
    ['9'.repeat(28), 1, undefined],
    ['twelve', 2, undefined],
    ['', 2, undefined],
    ['1'.padStart(200, '0'), 0, 1n],
    ['1'.padStart(201, '0'), 0, undefined],
    ['0e999999999', 0, 0n],
    ['0e-5', 0, 0n],
    ['x1', 0, undefined],
    ['1x', 0, undefined],
    ['1e', 0, undefined],
  ])('%s at scale %d is %s', (value, scale, expected) => expect(toScaled(value, scale)).toBe(expected));
});

describe('rounding at the scale', () => {
  test.each<[number | string, bigint, bigint]>([
    // value, half-even, half-up: they differ in ties alone
    ['0.005', 0n, 1n],
    ['0.015', 2n, 2n],
    ['0.025', 2n, 3n],
    ['-0.025', -2n, -3n],
    ['0.0251', 3n, 3n],
    [1.005, 100n, 101n],
    ['1e-999999999', 0n, 0n],
    ['0.001', 0n, 0n],
    ['-0.004', 0n, 0n],
  ])('%s', (value, even, up) => {
    expect(toScaled(value, 2, 'half-even')).toBe(even);
    expect(toScaled(value, 2, 'half-up')).toBe(up);
  });

  test('what grows beyond 28 digits by rounding is refused too', () =>
    expect(toScaled(`${'9'.repeat(28)}.5`, 0, 'half-up')).toBeUndefined());
});

test('an average is rounded half-even at the scale it is read with', () => {
  expect(divide(100n, 3, 2, 10).text).toBe('0.3333333333');
  expect(divide(5n, 2, 0, 0).text).toBe('2');
  expect(divide(7n, 2, 0, 0).text).toBe('4');
  expect(divide(-5n, 1, 2, 6).text).toBe('-0.05');
  expect(divide(900719925474099302n, 2, 2, 6).text).toBe('4503599627370496.51');
});

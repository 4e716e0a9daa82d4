import { Decimal } from '../aggregate/decimal.ts';
import { assert } from '../runtime/error.ts';

const SHAPE = /^(-?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/;
const MAX_DIGITS = 38;

/**
 * The text of a number as DynamoDB stores it: no exponent, no needless zero, no negative zero.
 *
 * A double stands for its shortest decimal text, so 0.1 is a tenth.
 *
 * @throws BROKEN_INVARIANT for NaN, infinities, more than 38 digits and magnitudes DynamoDB does not know.
 * @source https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
 */
export function numberText(value: number | Decimal): string {
  if (Number.isSafeInteger(value)) return String(value);
  return plain(typeof value === 'number' ? String(value) : value.text);
}

/** A stored number: a `number` when its shortest text is that very number, otherwise a `Decimal`. */
export function numberValue(text: string): number | Decimal {
  const double = Number(text);
  if (String(double) === text) return double;
  const exact = plain(text);
  return Number.isFinite(double) && plain(String(double)) === exact ? double : new Decimal(exact);
}

/** Whether one stored number is less than another, exactly. */
export function isBelow(a: number | Decimal, b: number | Decimal): boolean {
  const [doubleA, doubleB] = [Number(a), Number(b)];
  // Rounding to a double keeps the order, so only equal doubles need their digits compared.
  if (doubleA !== doubleB || (typeof a === 'number' && typeof b === 'number')) return doubleA < doubleB;
  const [textA, textB] = [numberText(a), numberText(b)];
  const [less, more] = doubleA < 0 ? [textB, textA] : [textA, textB];
  const [wholeA = '', fractionA = ''] = less.split('.');
  const [wholeB = '', fractionB = ''] = more.split('.');
  if (wholeA.length !== wholeB.length) return wholeA.length < wholeB.length;
  return wholeA === wholeB ? fractionA < fractionB : wholeA < wholeB;
}

/** Digits that count: without leading and trailing zeros. */
export const significantDigits = (text: string): number => text.replace(/^[-0.]+|\./g, '').replace(/0+$/, '').length;

function plain(text: string): string {
  const [, sign = '', whole, fraction = '', exponent = '0'] = SHAPE.exec(text) ?? [];
  assert(whole !== undefined && whole + fraction !== '', 'a stored number is finite', { found: text });
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return '0';
  const significant = digits.replace(/0+$/, '');
  // The point stands after this many of the digits.
  const point = digits.length - fraction.length + Number(exponent);
  const fits = significant.length <= MAX_DIGITS && point >= -129 && point <= 126;
  assert(fits, 'a stored number has at most 38 digits, between 1E-130 and 9.99E+125', { found: text });
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${significant}`;
  if (point >= significant.length) return `${sign}${significant.padEnd(point, '0')}`;
  return `${sign}${significant.slice(0, point)}.${significant.slice(point)}`;
}

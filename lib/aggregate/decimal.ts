import { assert } from '../runtime/error.ts';

/** What to do with digits beyond the declared scale: to the nearest; a tie to the even neighbour, or away from zero. */
export type Rounding = 'half-even' | 'half-up';

/** The greatest scale: digits after the point. */
export const MAX_SCALE = 18;

/**
 * The most digits one value may have at its scale.
 *
 * DynamoDB numbers carry 38 digits; the ten left over let a sum take ten thousand million of the largest values.
 *
 * @source https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
 */
const MAX_DIGITS = 28;

const LIMIT = 10n ** BigInt(MAX_DIGITS);

/** Room for every number of DynamoDB in plain digits. Longer texts are not read: trimming zeros is quadratic in them. */
const MAX_TEXT = 200;

/**
 * An exact decimal as an attribute value of a result row.
 *
 * Its text is canonical: no exponent, no needless zero, no negative zero; equal numbers have equal texts.
 *
 * @example new Decimal('0.30').text // '0.3'
 */
export class Decimal {
  readonly text: string;

  /** @throws when the text is not digits such as -12.34, of at most 200 characters. */
  constructor(text: string) {
    const [, sign, whole, fraction = ''] = (text.length <= MAX_TEXT && /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)) || [];
    assert(whole !== undefined, `a decimal is digits such as -12.34, found ${JSON.stringify(text.slice(0, MAX_TEXT))}`);
    const tail = fraction.replace(/0+$/, '');
    const digits = whole.replace(/^0+(?=\d)/, '') + (tail && `.${tail}`);
    this.text = digits === '0' ? '0' : `${sign}${digits}`;
  }

  toString(): string {
    return this.text;
  }

  /** A JSON string, because a JSON number passes through a double in most readers. */
  toJSON(): string {
    return this.text;
  }
}

/**
 * A number as a whole count of the scale's smallest unit: 0.3 at scale 2 is 30n.
 *
 * A double stands for its shortest decimal text, so 0.1 is exactly a tenth.
 *
 * @param value a number, a bigint, or decimal text such as '-1.5e3' of at most 200 characters.
 * @param scale digits after the point, 0 to {@link MAX_SCALE}.
 * @param rule how digits beyond the scale are rounded; without it, a value that has any is refused.
 * @returns undefined for what is refused, is no finite number, or has over 28 digits at its scale.
 */
export function toScaled(value: number | string | bigint, scale: number, rule?: Rounding): bigint | undefined {
  return (typeof value === 'number' ? scaledDouble(value, scale) : undefined) ?? scaledText(`${value}`, scale, rule);
}

/** The decimal that a scaled integer stands for: 30n at scale 2 is 0.3. */
export function fromScaled(scaled: bigint, scale: number): Decimal {
  const sign = scaled < 0n ? '-' : '';
  const digits = `${scaled}`.slice(sign.length).padStart(scale + 1, '0');
  if (scale === 0) return new Decimal(sign + digits);
  return new Decimal(`${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`);
}

/**
 * The average of `count` values that add up to `sum`, rounded half-even.
 *
 * @param sum a scaled integer at `scale`.
 * @param count how many values; at least 1.
 * @param resultScale digits after the point of the answer; at least `scale`.
 */
export const divide = (sum: bigint, count: number, scale: number, resultScale: number): Decimal =>
  fromScaled(quotient(sum * 10n ** BigInt(resultScale - scale), BigInt(count)), resultScale);

/** Negative, 0 or positive as `a` is less than, equal to or greater than `b`; exact. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  // Rounding to a double keeps the order, so only equal doubles need all their digits.
  const difference = Number(a.text) - Number(b.text);
  if (difference !== 0 || a.text === b.text) return difference;
  const scale = Math.max(fractionDigits(a), fractionDigits(b));
  return unitsAt(a, scale) < unitsAt(b, scale) ? -1 : 1;
}

const fractionDigits = ({ text }: Decimal): number => text.split('.')[1]?.length ?? 0;
const unitsAt = (decimal: Decimal, scale: number): bigint =>
  BigInt(decimal.text.replace('.', '')) * 10n ** BigInt(scale - fractionDigits(decimal));

/**
 * The way without text, for nearly every number met in practice.
 *
 * Decimals of at most 15 digits have a double each of their own (IEEE 754, DBL_DIG), and division rounds correctly: when
 * units / 10^scale gives the double back, it is what the double's shortest text says.
 */
function scaledDouble(value: number, scale: number): bigint | undefined {
  const unit = 10 ** scale;
  const units = Math.round(value * unit);
  return Math.abs(units) < 1e15 && units / unit === value ? BigInt(units) : undefined;
}

function scaledText(text: string, scale: number, rule?: Rounding): bigint | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const [, sign, whole, fraction = '', exponent = 0] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const trimmed = (whole + fraction).replace(/0+$/, '');
  const digits = trimmed.replace(/^0+/, '');
  if (digits === '') return 0n;
  // The value is digits x 10^power units. Bounds come before arithmetic: 1e999999999 is only 11 characters.
  const power = whole.length - trimmed.length + Number(exponent) + scale;
  if (digits.length + power > MAX_DIGITS) return undefined;
  if (power < 0 && rule === undefined) return undefined;
  if (digits.length + power < 0) return 0n;
  const units =
    power < 0 ? quotient(BigInt(digits), 10n ** BigInt(-power), rule) : BigInt(digits) * 10n ** BigInt(power);
  if (units >= LIMIT) return undefined; // 28 nines rounded up
  return sign === '-' ? -units : units;
}

/** Division of integers, to the nearest one; ties to the even one unless the rule says otherwise. */
function quotient(dividend: bigint, divisor: bigint, rule?: Rounding): bigint {
  const whole = dividend / divisor;
  const rest = dividend % divisor;
  const twice = 2n * (rest < 0n ? -rest : rest);
  const away = twice > divisor || (twice === divisor && (rule === 'half-up' || whole % 2n !== 0n));
  return away ? whole + (dividend < 0n ? -1n : 1n) : whole;
}

import { Decimal } from '../aggregate/decimal.ts';
import { isList } from './marshal.ts';
import { numberText, significantDigits } from './number.ts';
import type { Item, Value } from './store.ts';

/**
 * Bytes an item counts against the limits of items, pages and transactions, names included.
 *
 * @source https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
 */
export function itemBytes(item: Item): number {
  let bytes = 0;
  for (const name in item) {
    const value = item[name];
    if (value !== undefined) bytes += Buffer.byteLength(name) + valueBytes(value);
  }
  return bytes;
}

/** Bytes one attribute value counts, without its name. */
export function valueBytes(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'number' || value instanceof Decimal) return numberBytes(value);
  if (value === null || typeof value === 'boolean') return 1;
  // A list or map is 3 bytes, and each of its elements one more.
  if (isList(value)) return value.reduce<number>((sum, element) => sum + 1 + valueBytes(element), 3);
  return 3 + Object.keys(value).length + itemBytes(value);
}

/** A byte for each two significant digits and one more; one more again for a minus. */
function numberBytes(value: number | Decimal): number {
  const text = numberText(value);
  return Math.ceil(significantDigits(text) / 2) + (text.startsWith('-') ? 2 : 1);
}

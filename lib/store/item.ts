import { Decimal } from '../aggregate/decimal.ts';
import { assert } from '../runtime/error.ts';
import { isList } from './marshal.ts';
import { isBelow, numberText, numberValue } from './number.ts';
import { KEY_ATTRIBUTES, type Clause, type Item, type Key, type Table, type Update, type Value } from './store.ts';

const MAX_PARTITION_KEY_BYTES = 2048;
const MAX_SORT_KEY_BYTES = 1024;
const MAX_DEPTH = 32;

/** The key of an item; its two key attributes must be strings. */
export function keyOf(table: Table, item: Item): Key {
  const [partitionName, sortName] = KEY_ATTRIBUTES[table];
  const partition = item[partitionName];
  const sort = item[sortName];
  const isKey = typeof partition === 'string' && typeof sort === 'string';
  assert(isKey, `an item of ${table} has strings as ${partitionName} and ${sortName}`, { partition, sort });
  return { table, partition, sort };
}

/** A key as it is stored; DynamoDB takes neither empty nor longer ones. */
export function checkedKey({ table, partition, sort }: Key): Key {
  const fits = Buffer.byteLength(partition) <= MAX_PARTITION_KEY_BYTES && Buffer.byteLength(sort) <= MAX_SORT_KEY_BYTES;
  const isKey = partition !== '' && sort !== '' && fits;
  assert(isKey, 'a key is not empty and at most 2048 and 1024 bytes long', { table, partition, sort });
  return { table, partition: partition.toWellFormed(), sort: sort.toWellFormed() };
}

/** Stops at two keys of the same item. */
export function assertDistinct(keys: readonly Key[]): void {
  const seen = new Set(keys.map(({ table, partition, sort }) => `${table}/${partition.length}/${partition}${sort}`));
  assert(seen.size === keys.length, 'one request names an item once', { keys });
}

/** A frozen copy of an item as DynamoDB would give it back: numbers in one form, nothing `undefined`, no order in maps. */
export const copyItem = (item: Item): Item => copyMap(item, 1);

/** An item with an update applied to it; an absent one begins with its key. */
export function updateItem({ key, set = {}, remove = [] }: Update, item: Item | undefined): Item {
  const [partitionName, sortName] = KEY_ATTRIBUTES[key.table];
  const replaced = copyItem(set);
  const touched = new Set([...Object.keys(replaced), ...remove]);
  const isKept = !touched.has(partitionName) && !touched.has(sortName);
  assert(isKept, 'an update leaves the key alone', { key });
  const isOnce = touched.size > 0 && touched.size === Object.keys(replaced).length + remove.length;
  assert(isOnce, 'an update touches at least one attribute, and each once', { key, touched: [...touched] });
  const before = item ?? copyItem({ [partitionName]: key.partition, [sortName]: key.sort });
  return Object.freeze({
    ...Object.fromEntries(Object.entries(before).filter(([name]) => !touched.has(name))),
    ...replaced,
  });
}

/** Only these attributes of an item and its key; all when none are named. */
export function projectItem(table: Table, item: Item, attributes: readonly string[] | undefined): Item {
  if (attributes === undefined) return item;
  const named = new Set<string>([...KEY_ATTRIBUTES[table], ...attributes]);
  return Object.freeze(Object.fromEntries(Object.entries(item).filter(([name]) => named.has(name))));
}

/** Whether a clause holds for an item, or for its absence. */
export function clauseHolds(clause: Clause, item: Item | undefined): boolean {
  if ('item' in clause) return item === undefined;
  const found = item !== undefined && Object.hasOwn(item, clause.attribute) ? item[clause.attribute] : undefined;
  if ('equals' in clause) return found === copyValue(clause.equals, 1);
  if ('absent' in clause) return found === undefined;
  if (found === undefined) return true;
  return (typeof found === 'number' || found instanceof Decimal) && isBelow(found, clause.below);
}

function copyValue(value: Value, depth: number): Value {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value + 0 : numberValue(numberText(value));
  if (value instanceof Decimal) return numberValue(numberText(value));
  if (value === null || typeof value === 'boolean') return value;
  assert(depth <= MAX_DEPTH, 'an attribute nests at most 32 deep', { depth });
  if (isList(value)) return Object.freeze(value.map((element) => copyValue(element, depth + 1)));
  return copyMap(value, depth + 1);
}

function copyMap(map: Item, depth: number): { readonly [name: string]: Value } {
  const copy: { [name: string]: Value } = {};
  // Backwards, because a map has no order in DynamoDB: whoever leans on one shall notice here.
  for (const name of Object.keys(map).reverse()) {
    const value = map[name];
    if (value === undefined) continue;
    if (name === '__proto__') Object.defineProperty(copy, name, { value: copyValue(value, depth), enumerable: true });
    else copy[name.toWellFormed()] = copyValue(value, depth);
  }
  return Object.freeze(copy);
}

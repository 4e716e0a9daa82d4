import * as fc from 'fast-check';
import { Decimal } from '../../lib/aggregate/decimal.ts';
import { keyOf } from '../../lib/store/item.ts';
import {
  KEY_ATTRIBUTES,
  type Clause,
  type Delete,
  type Item,
  type Key,
  type Put,
  type Query,
  type Store,
  type Value,
  type Write,
} from '../../lib/store/store.ts';
import { drain } from './store-requests.ts';

/** One call of a store, as data. */
export type Operation =
  | { readonly call: 'write'; readonly write: Write }
  | { readonly call: 'transact'; readonly writes: readonly Write[] }
  | { readonly call: 'writeBatch'; readonly writes: readonly (Put | Delete)[] }
  | { readonly call: 'read'; readonly keys: readonly Key[] }
  | { readonly call: 'query'; readonly query: Query };

const sort = fc.constantFrom('a', 'b', 'ab', '\uFF5E', '😀', 'я');
const key: fc.Arbitrary<Key> = fc.record({
  table: fc.constantFrom('buckets', 'results'),
  partition: fc.constantFrom('p', 'q'),
  sort,
});
const attribute = fc.constantFrom('n', 'name', 'status');
const scalar = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom('', 'x', '😀'), fc.boolean());
const decimal = fc.constantFrom('0.10', '9007199254740993.02', '-2.5').map((text) => new Decimal(text));
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    decimal,
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'имя', '__proto__'), tie('value'), { maxKeys: 2, noNullPrototype: true }),
  ),
}));
const attributes: fc.Arbitrary<Item> = fc.dictionary(attribute, value, { noNullPrototype: true });
const clause: fc.Arbitrary<Clause> = fc.oneof(
  fc.constant<Clause>({ item: 'absent' }),
  fc.record({ attribute, equals: scalar }),
  fc.record({ attribute, below: fc.integer({ min: -3, max: 3 }) }),
  fc.record({ attribute, absent: fc.constant(true as const) }),
);
const when = fc.array(clause, { maxLength: 2 });

const put = fc.tuple(key, attributes).map(([key, attributes]): Put => ({
  kind: 'put',
  table: key.table,
  item: { ...attributes, ...keyItem(key) },
}));
const erase = key.map((key): Delete => ({ kind: 'delete', key }));
const update = fc
  .record({ key, set: attributes, remove: fc.uniqueArray(attribute) })
  .map(({ key, set, remove }) => ({ key, set, remove: remove.filter((name) => !(name in set)) }))
  .filter(({ set, remove }) => Object.keys(set).length + remove.length > 0)
  .map((update): Write => ({ kind: 'update', ...update }));
const write = fc.tuple(fc.oneof(put, erase, update), when).map(([write, when]): Write => ({ ...write, when }));

const selector = (write: Write): string => JSON.stringify(itemKey(write));
const query: fc.Arbitrary<Query> = fc.record(
  {
    table: fc.constantFrom('buckets' as const, 'results' as const),
    partition: fc.constantFrom('p', 'q'),
    from: sort,
    to: sort,
    descending: fc.boolean(),
    limit: fc.integer({ min: 1, max: 4 }),
    attributes: fc.uniqueArray(attribute),
  },
  { requiredKeys: ['table', 'partition'] },
);

/** Any sequence of valid calls on a few keys, so that they meet. */
export const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    write.map((write): Operation => ({ call: 'write', write })),
    fc
      .uniqueArray(write, { selector, minLength: 1, maxLength: 4 })
      .map((writes): Operation => ({ call: 'transact', writes })),
    fc
      .uniqueArray(fc.oneof(put, erase), { selector, maxLength: 4 })
      .map((writes): Operation => ({ call: 'writeBatch', writes })),
    fc.uniqueArray(key, { selector: (key) => JSON.stringify(key) }).map((keys): Operation => ({ call: 'read', keys })),
    query.map((query): Operation => ({ call: 'query', query })),
  ),
  { maxLength: 30, size: 'max' },
);

/** What a store answers; the order of a batch read says nothing, so it is taken away. */
export async function answer(store: Store, operation: Operation): Promise<unknown> {
  switch (operation.call) {
    case 'write':
      return store.write(operation.write);
    case 'transact':
      return store.transact(operation.writes);
    case 'writeBatch':
      return store.writeBatch(operation.writes);
    case 'read':
      return readInOrder(store, operation.keys);
    case 'query':
      return drain(store, operation.query);
    default:
      return operation satisfies never;
  }
}

async function readInOrder(store: Store, keys: readonly Key[]): Promise<unknown> {
  const { items, unread } = await store.read(keys);
  const identity = (item: Item): string => JSON.stringify([item['pk'], item['sk'], item['window_id'], item['row_id']]);
  return { items: items.toSorted((a, b) => (identity(a) < identity(b) ? -1 : 1)), unread };
}

/** A store of a few lines without limits, pages or speed, to compare with. */
export function naiveStore(): Store {
  let all: { readonly key: Key; readonly item: Item }[] = [];
  const isSame = (a: Key, b: Key): boolean => JSON.stringify(keyed(a)) === JSON.stringify(keyed(b));
  const find = (key: Key): Item | undefined => all.find((one) => isSame(one.key, key))?.item;
  const holds = (write: Write): boolean =>
    (write.when ?? []).every((clause) => {
      const item = find(itemKey(write));
      if ('item' in clause) return item === undefined;
      const found = item?.[clause.attribute];
      if ('equals' in clause) return found === clause.equals;
      if ('absent' in clause) return found === undefined;
      return found === undefined || (isNumber(found) && Number(found) < clause.below);
    });
  const apply = (write: Write): void => {
    const key = itemKey(write);
    const before = find(key);
    all = all.filter((one) => !isSame(one.key, key));
    if (write.kind === 'put') all.push({ key, item: write.item });
    if (write.kind !== 'update') return;
    const item: Record<string, Value | undefined> = { ...keyItem(key), ...before, ...write.set };
    for (const name of write.remove ?? []) delete item[name];
    all.push({ key, item });
  };
  const transact = async (writes: readonly Write[]): Promise<'done' | 'refused'> => {
    if (!writes.every(holds)) return 'refused';
    writes.forEach(apply);
    return 'done';
  };
  return {
    read: async (keys) => ({ items: keys.map(find).filter((item) => item !== undefined), unread: [] }),
    async query({ table, partition, from, to, descending, attributes }) {
      const bytes = (key: Key): Buffer => Buffer.from(key.sort);
      const found = all
        .filter(({ key }) => key.table === table && key.partition === partition)
        .filter(({ key }) => from === undefined || Buffer.compare(bytes(key), Buffer.from(from)) >= 0)
        .filter(({ key }) => to === undefined || Buffer.compare(bytes(key), Buffer.from(to)) <= 0)
        .sort((a, b) => Buffer.compare(bytes(a.key), bytes(b.key)) * (descending === true ? -1 : 1));
      const named = new Set<string>([...KEY_ATTRIBUTES[table], ...(attributes ?? [])]);
      const isAsked = ([name]: [string, unknown]): boolean => attributes === undefined || named.has(name);
      return { items: found.map(({ item }) => Object.fromEntries(Object.entries(item).filter(isAsked))) };
    },
    write: async (write) => transact([write]),
    transact,
    async writeBatch(writes) {
      writes.forEach(apply);
      return [];
    },
  };
}

const isNumber = (value: Value): boolean => typeof value === 'number' || value instanceof Decimal;

const keyed = ({ table, partition, sort }: Key): string[] => [table, partition, sort];

function keyItem({ table, partition, sort }: Key): Item {
  const [partitionName, sortName] = KEY_ATTRIBUTES[table];
  return { [partitionName]: partition, [sortName]: sort };
}

const itemKey = (write: Write): Key => (write.kind === 'put' ? keyOf(write.table, write.item) : write.key);

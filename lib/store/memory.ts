import { assert } from '../runtime/error.ts';
import { assertDistinct, checkedKey, clauseHolds, copyItem, keyOf, projectItem, updateItem } from './item.ts';
import { itemBytes } from './size.ts';
import {
  MAX_BATCH_WRITES,
  MAX_ITEM_BYTES,
  MAX_READ_KEYS,
  MAX_TRANSACTION_ACTIONS,
  type Item,
  type Key,
  type Outcome,
  type Page,
  type Query,
  type Store,
  type Table,
  type Write,
} from './store.ts';
import { compareUtf8 } from './order.ts';

const MAX_TRANSACTION_BYTES = 4 * 1024 * 1024;

export interface MemoryStoreOptions {
  /** Bytes of a query's page; 1 MB when absent. */
  readonly pageBytes?: number;
  /** Bytes of a batch read's answer; 16 MB when absent. */
  readonly readBytes?: number;
  /** How many of the keys or writes of a batch to leave undone, from its end; none when absent. */
  readonly undone?: (asked: number) => number;
}

export interface MemoryStore extends Store {
  /** Every item of a table, by partition key and sort key. */
  dump(table: Table): Item[];
}

interface Stored {
  readonly item: Item;
  readonly bytes: number;
}

interface Partition {
  /** The sort keys of `items`, in order. */
  readonly sorts: string[];
  readonly items: Map<string, Stored>;
}

/** What a write would do: nothing when its condition does not hold, else leave `after` (undefined: no item). */
interface Plan {
  readonly key: Key;
  readonly holds: boolean;
  readonly after?: Stored | undefined;
  readonly bytes: number;
}

/**
 * A store in memory that accepts, refuses and orders what DynamoDB does.
 *
 * Items are copied in and frozen, so nothing shared can change. Breaking one of DynamoDB's limits is BROKEN_INVARIANT.
 *
 * @source https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { pageBytes = 1024 * 1024, readBytes = 16 * 1024 * 1024, undone = () => 0 } = options;
  const tables: Record<Table, Map<string, Partition>> = { buckets: new Map(), progress: new Map(), results: new Map() };

  const find = (key: Key): Stored | undefined => tables[key.table].get(key.partition)?.items.get(key.sort);

  function plan(write: Write): Plan {
    const key = checkedKey(write.kind === 'put' ? keyOf(write.table, write.item) : write.key);
    const before = find(key);
    const after = write.kind === 'put' ? stored(key, copyItem(write.item)) : undefined;
    const holds = (write.when ?? []).every((clause) => clauseHolds(clause, before?.item));
    if (write.kind === 'put') return { key, holds, after, bytes: after?.bytes ?? 0 };
    if (write.kind === 'delete' || !holds) return { key, holds, bytes: before?.bytes ?? 0 };
    const updated = stored(key, updateItem(write, before?.item));
    return { key, holds, after: updated, bytes: updated.bytes };
  }

  function apply({ key, after }: Plan): void {
    const partitions = tables[key.table];
    let partition = partitions.get(key.partition);
    if (partition === undefined) {
      if (after === undefined) return;
      partition = { sorts: [], items: new Map() };
      partitions.set(key.partition, partition);
    }
    const { sorts, items } = partition;
    if (items.has(key.sort) !== (after !== undefined)) {
      if (after === undefined) sorts.splice(firstFrom(sorts, key.sort), 1);
      else sorts.splice(firstFrom(sorts, key.sort), 0, key.sort);
    }
    if (after !== undefined) items.set(key.sort, after);
    else items.delete(key.sort);
    if (items.size === 0) partitions.delete(key.partition);
  }

  return {
    async read(asked) {
      assert(asked.length <= MAX_READ_KEYS, 'a batch read has at most 100 keys', { keys: asked.length });
      const keys = asked.map(checkedKey);
      assertDistinct(keys);
      const items: Item[] = [];
      let bytes = 0;
      const end = keys.length - undone(keys.length);
      for (const [index, key] of keys.entries()) {
        const found = find(key);
        bytes += found?.bytes ?? 0;
        if (index >= end || (index > 0 && bytes > readBytes)) return { items, unread: asked.slice(index) };
        if (found !== undefined) items.push(found.item);
      }
      return { items, unread: [] };
    },

    async query(query) {
      const { table, partition, from = '', to, after = from, limit = 1 } = query;
      assert(partition !== '' && query.from !== '' && to !== '' && query.after !== '', 'a key is not empty', { query });
      assert(limit >= 1, 'a page holds at least one item', { query });
      const isInside = compareUtf8(after, from) >= 0 && (to === undefined || compareUtf8(after, to) <= 0);
      assert(query.after === undefined || isInside, 'a page begins inside its bounds', { query });
      const found = tables[table].get(partition);
      return found === undefined ? { items: [] } : pageOf(found, query, pageBytes);
    },

    async write(write) {
      const planned = plan(write);
      if (planned.holds) apply(planned);
      return planned.holds ? 'done' : 'refused';
    },

    async transact(writes): Promise<Outcome> {
      assert(writes.length <= MAX_TRANSACTION_ACTIONS, 'a transaction has at most 100 actions', {
        actions: writes.length,
      });
      const plans = writes.map(plan);
      assertDistinct(plans.map(({ key }) => key));
      const bytes = plans.reduce((sum, planned) => sum + planned.bytes, 0);
      assert(bytes <= MAX_TRANSACTION_BYTES, 'a transaction has at most 4 MB', { bytes });
      if (!plans.every(({ holds }) => holds)) return 'refused';
      plans.forEach(apply);
      return 'done';
    },

    async writeBatch(writes) {
      assert(writes.length <= MAX_BATCH_WRITES, 'a batch has at most 25 writes', { writes: writes.length });
      assert(
        writes.every(({ when }) => when === undefined),
        'a batch is unconditional',
      );
      const plans = writes.map(plan);
      assertDistinct(plans.map(({ key }) => key));
      const end = writes.length - undone(writes.length);
      plans.slice(0, end).forEach(apply);
      return writes.slice(end);
    },

    dump: (table) =>
      [...tables[table].values()]
        .flatMap(({ items }) => [...items.values()])
        .map(({ item }) => ({ item, key: keyOf(table, item) }))
        .sort((a, b) => compareUtf8(a.key.partition, b.key.partition) || compareUtf8(a.key.sort, b.key.sort))
        .map(({ item }) => item),
  };
}

/** The items of one page: at most `limit` and `pageBytes`, but at least one when there is one. */
function pageOf({ sorts, items }: Partition, query: Query, pageBytes: number): Page {
  const { from, to, after, descending = false, limit = Infinity } = query;
  let low = from === undefined ? 0 : firstFrom(sorts, from);
  let high = to === undefined ? sorts.length : firstAfter(sorts, to);
  if (after !== undefined && descending) high = Math.min(high, firstFrom(sorts, after));
  if (after !== undefined && !descending) low = Math.max(low, firstAfter(sorts, after));
  const found: Item[] = [];
  let bytes = 0;
  let last: string | undefined;
  while (low < high) {
    const sort = sorts[descending ? --high : low++];
    const stored = sort === undefined ? undefined : items.get(sort);
    assert(stored !== undefined, 'every sort key has its item', { sort });
    bytes += stored.bytes;
    if (last !== undefined && bytes > pageBytes) return { items: found, next: last };
    found.push(projectItem(query.table, stored.item, query.attributes));
    last = sort;
    // Like DynamoDB's, a page that ends at its limit has a next even where nothing follows.
    if (last !== undefined && found.length === limit) return { items: found, next: last };
  }
  return { items: found };
}

function stored(key: Key, item: Item): Stored {
  const bytes = itemBytes(item);
  assert(bytes <= MAX_ITEM_BYTES, 'an item has at most 400 KB', { key, bytes });
  return { item, bytes };
}

/** Index of the first sort key that is not before this one. */
const firstFrom = (sorts: readonly string[], sort: string): number =>
  search(sorts, (other) => compareUtf8(other, sort) >= 0);

/** Index of the first sort key after this one. */
const firstAfter = (sorts: readonly string[], sort: string): number =>
  search(sorts, (other) => compareUtf8(other, sort) > 0);

function search(sorts: readonly string[], isBehind: (sort: string) => boolean): number {
  const last = sorts.at(-1);
  if (last === undefined || !isBehind(last)) return sorts.length;
  let low = 0;
  let high = sorts.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBehind(sorts[middle] ?? '')) high = middle;
    else low = middle + 1;
  }
  return low;
}

import { itemBytes } from '../../lib/store/size.ts';
import type { Item, Store, Write } from '../../lib/store/store.ts';

/** What requests cost: calls, and units as DynamoDB counts them for strongly consistent reads and for writes. */
export interface Meter {
  requests: number;
  readUnits: number;
  writeUnits: number;
}

/**
 * A store that adds up what it is asked for.
 *
 * @source https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html: 4 KB a read
 *   unit, by item for a batch and by page for a query; 1 KB a write unit, two in a transaction; a delete counts the item.
 */
export function meteredStore<S extends Store>(store: S): { store: S; meter: Meter; reset: () => Meter } {
  const meter: Meter = { requests: 0, readUnits: 0, writeUnits: 0 };
  const sizes = new Map<string, number>();
  const reads = (bytes: number): number => Math.max(1, Math.ceil(bytes / 4096));
  const nameOf = (item: Item): string =>
    JSON.stringify([item['pk'] ?? item['window_id'], item['sk'] ?? item['row_id']]);
  const write = (one: Write, factor = 1): void => {
    const bytes = one.kind === 'put' ? itemBytes(one.item) : 0;
    const name = one.kind === 'put' ? nameOf(one.item) : JSON.stringify([one.key.partition, one.key.sort]);
    meter.writeUnits += factor * Math.max(1, Math.ceil(Math.max(bytes, sizes.get(name) ?? 0) / 1024));
    if (one.kind === 'put') sizes.set(name, bytes);
    if (one.kind === 'delete') sizes.delete(name);
  };
  const metered: S = {
    ...store,
    async read(keys) {
      meter.requests++;
      const answer = await store.read(keys);
      for (const item of answer.items) meter.readUnits += reads(itemBytes(item));
      meter.readUnits += keys.length - answer.items.length - answer.unread.length;
      return answer;
    },
    async query(query) {
      meter.requests++;
      // A projection saves transfer, not units.
      const { attributes: _, ...whole } = query;
      const page = await store.query(whole);
      meter.readUnits += reads(page.items.reduce((sum, item) => sum + itemBytes(item), 0));
      return query.attributes ? await store.query(query) : page;
    },
    async write(one) {
      meter.requests++;
      write(one);
      return await store.write(one);
    },
    async transact(writes) {
      meter.requests++;
      for (const one of writes) write(one, 2);
      return await store.transact(writes);
    },
    async writeBatch(writes) {
      meter.requests++;
      for (const one of writes) write(one);
      return await store.writeBatch(writes);
    },
  };
  const reset = (): Meter => {
    const before = { ...meter };
    Object.assign(meter, { requests: 0, readUnits: 0, writeUnits: 0 });
    return before;
  };
  return { store: metered, meter, reset };
}

import { describe, expect, test } from 'vitest';
import { compareUtf8 } from '../../lib/store/order.ts';
import type { Item, Key, Put, Query, Store, Write } from '../../lib/store/store.ts';
import { at, fate, itemOf, put, sortKeys, sortsOf } from './store-requests.ts';

/** Contract: requests of many items, in transactions, batches and queries. */
export function requestContract(store: Store): void {
  const item = (key: Key): Promise<Item | undefined> => itemOf(store, key);
  const sorts = (query: Omit<Query, 'table' | 'partition'>): Promise<string[]> => sortsOf(store, query);
  const fill = async (keys: readonly string[]): Promise<void> => {
    for (const sort of keys) await store.write(put(sort, { n: keys.indexOf(sort) }));
  };

  describe('transactions', () => {
    test('do all three kinds at once, across tables', async () => {
      await store.write(put('a', { n: 1 }));
      const writes: Write[] = [
        { kind: 'delete', key: at('a'), when: [{ attribute: 'n', equals: 1 }] },
        { kind: 'update', key: at('b'), set: { n: 2 } },
        { kind: 'put', table: 'results', item: { window_id: 'p', row_id: 'a' }, when: [{ item: 'absent' }] },
      ];
      expect(await store.transact(writes)).toBe('done');
      expect(await item(at('a'))).toBeUndefined();
      expect(await item(at('b'))).toEqual({ pk: 'p', sk: 'b', n: 2 });
      expect(await store.transact(writes)).toBe('refused');
    });

    test('do nothing when one clause does not hold', async () => {
      await store.write(put('c', { n: 1 }));
      const refused: Write = { ...put('c', {}), when: [{ item: 'absent' }] };
      expect(await store.transact([put('a', {}), { kind: 'update', key: at('b'), set: { n: 1 } }, refused])).toBe(
        'refused',
      );
      expect(await sorts({})).toEqual(['c']);
    });

    test('hold 100 actions, not 101; none is done', async () => {
      const writes = Array.from({ length: 101 }, (_, n) => put(`k${n}`, {}));
      expect(await store.transact(writes.slice(0, 100))).toBe('done');
      expect(await fate(store.transact(writes))).toBe('mistake');
      expect(await store.transact([])).toBe('done');
    });

    test('hold 3.6 MB, not 4.2 MB', async () => {
      const writes = (count: number): Put[] =>
        Array.from({ length: count }, (_, n) => put(`k${n}`, { text: 'x'.repeat(360 * 1024) }));
      expect(await store.transact(writes(10))).toBe('done');
      expect(await fate(store.transact(writes(12)))).toBe('mistake');
    });

    test('name an item once', async () => {
      expect(await fate(store.transact([put('a', {}), { kind: 'delete', key: at('a') }]))).toBe('mistake');
    });
  });

  describe('batches', () => {
    test('put and delete', async () => {
      await store.write(put('a', {}));
      expect(await store.writeBatch([{ kind: 'delete', key: at('a') }, put('b', { n: 1 }), put('c', {})])).toEqual([]);
      expect(await sorts({})).toEqual(['b', 'c']);
      expect(await store.writeBatch([])).toEqual([]);
    });

    test('hold 25 writes, not 26, each item once, no condition', async () => {
      const writes = Array.from({ length: 26 }, (_, n) => put(`k${n}`, {}));
      expect(await store.writeBatch(writes.slice(1))).toEqual([]);
      expect(await fate(store.writeBatch(writes))).toBe('mistake');
      expect(await fate(store.writeBatch([put('a', {}), put('a', {})]))).toBe('mistake');
      expect(await fate(store.writeBatch([{ ...put('a', {}), when: [{ item: 'absent' }] }]))).toBe('mistake');
    });

    test('read 100 keys, not 101, each once; the absent are in neither answer', async () => {
      await fill(['k5', 'k7']);
      const keys = Array.from({ length: 101 }, (_, n) => at(`k${n}`));
      const { items, unread } = await store.read(keys.slice(0, 100));
      expect(sortKeys(items)).toEqual(['k5', 'k7']);
      expect(unread).toEqual([]);
      expect(await fate(store.read(keys))).toBe('mistake');
      expect(await fate(store.read([at('a'), at('a')]))).toBe('mistake');
      expect(await store.read([])).toEqual({ items: [], unread: [] });
    });

    test('a read of more than 16 MB says what is unread', async () => {
      const keys = Array.from({ length: 48 }, (_, n) => at(`k${n}`));
      for (const { sort } of keys) await store.write(put(sort, { text: 'x'.repeat(380 * 1024) }));
      const first = await store.read(keys);
      expect(first.unread.length).toBeGreaterThan(0);
      const second = await store.read(first.unread);
      expect(sortKeys([...first.items, ...second.items])).toEqual(keys.map(({ sort }) => sort).toSorted(compareUtf8));
    });
  });

  describe('queries', () => {
    // By UTF-8 bytes; JavaScript would put the smileys before U+FF5E.
    const ORDERED = ['1', '10', '2', 'A', 'a', 'aa', 'я', '\uD7FF', '\uE000', '\uFF5E', '\uFF5E1', '😀', '😀1', '😁'];

    test('are in the order of UTF-8 bytes, both ways', async () => {
      await fill(ORDERED.toSorted());
      expect(await sorts({})).toEqual(ORDERED);
      expect(await sorts({ descending: true })).toEqual(ORDERED.toReversed());
    });

    test('have inclusive bounds that need not exist', async () => {
      await fill(ORDERED);
      expect(await sorts({ from: 'aa', to: '\uE000' })).toEqual(['aa', 'я', '\uD7FF', '\uE000']);
      expect(await sorts({ from: '\uFF5E2' })).toEqual(['😀', '😀1', '😁']);
      expect(await sorts({ to: '10' })).toEqual(['1', '10']);
      expect(await sorts({ from: '3', to: '4' })).toEqual([]);
      expect(await sorts({ from: '\uFF5E', to: '😀', descending: true })).toEqual(['😀', '\uFF5E1', '\uFF5E']);
      expect(await sorts({ from: 'b', to: 'a' })).toEqual([]);
    });

    test.each([1, 2, 3, 14, 15])('page by %i without loss or repetition', async (limit) => {
      await fill(ORDERED);
      expect(await sorts({ limit })).toEqual(ORDERED);
      expect(await sorts({ limit, from: '10', to: '😀1', descending: true })).toEqual(
        ORDERED.slice(1, 13).toReversed(),
      );
      const page = await store.query({ table: 'progress', partition: 'p', limit });
      expect(page.items).toHaveLength(Math.min(limit, ORDERED.length));
    });

    test('go on where the last page ended, though that item is gone', async () => {
      await fill(['a', 'b', 'c']);
      const { next = '' } = await store.query({ table: 'progress', partition: 'p', limit: 2 });
      await store.write({ kind: 'delete', key: at('b') });
      expect(await sorts({ after: next })).toEqual(['c']);
    });

    test('of absent partitions are empty, and partitions are apart', async () => {
      await store.write({ kind: 'put', table: 'progress', item: { pk: 'p2', sk: 'a' } });
      expect(await store.query({ table: 'progress', partition: 'p' })).toEqual({ items: [] });
    });

    test('give the named attributes and the key', async () => {
      await store.write(put('a', { name: 1, status: 2, other: 3 }));
      const query: Query = { table: 'progress', partition: 'p' };
      const ask = async (attributes: string[]): Promise<readonly Item[]> =>
        (await store.query({ ...query, attributes })).items;
      expect(await ask(['name', 'status', 'sk', 'name', 'no'])).toEqual([{ pk: 'p', sk: 'a', name: 1, status: 2 }]);
      expect(await ask([])).toEqual([{ pk: 'p', sk: 'a' }]);
    });

    test('have pages of 1 MB, whatever is projected', async () => {
      const keys = Array.from({ length: 8 }, (_, n) => `k${n}`);
      for (const sort of keys) await store.write(put(sort, { text: 'x'.repeat(300 * 1024) }));
      const page = await store.query({ table: 'progress', partition: 'p', attributes: [] });
      expect(page.items.length).toBeLessThanOrEqual(4);
      expect(page.next).toBe(page.items.at(-1)?.['sk']);
      expect(await sorts({ attributes: [] })).toEqual(keys);
    });
  });
}

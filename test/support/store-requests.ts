import { isError } from '../../lib/runtime/error.ts';
import { keyOf } from '../../lib/store/item.ts';
import { compareUtf8 } from '../../lib/store/order.ts';
import type { Item, Key, Put, Query, Store } from '../../lib/store/store.ts';

/** What became of a request: a mistake is ours and trying again would not help; a busy world may be tried again. */
export const fate = (request: Promise<unknown>): Promise<'taken' | 'busy' | 'mistake'> =>
  request.then(
    () => 'taken',
    (error: unknown) => (isError(error, 'STORE_BUSY') ? 'busy' : 'mistake'),
  );

export const sortKeys = (items: readonly Item[]): string[] =>
  items.map((item) => keyOf('progress', item).sort).toSorted(compareUtf8);

export const at = (sort: string): Key => ({ table: 'progress', partition: 'p', sort });

export const put = (sort: string, attributes: Item): Put => ({
  kind: 'put',
  table: 'progress',
  item: { pk: 'p', sk: sort, ...attributes },
});

/** Every item of a query, page by page. */
export async function drain(store: Store, query: Query): Promise<Item[]> {
  const items: Item[] = [];
  for (let after = query.after; ;) {
    const page = await store.query({ ...query, ...(after === undefined ? {} : { after }) });
    items.push(...page.items);
    if (page.next === undefined) return items;
    after = page.next;
  }
}

/** The item of a key, if there is one. */
export const itemOf = async (store: Store, key: Key): Promise<Item | undefined> => (await store.read([key])).items[0];

/** The sort keys a query of the test partition gives, page by page. */
export const sortsOf = async (store: Store, query: Omit<Query, 'table' | 'partition'>): Promise<string[]> =>
  (await drain(store, { table: 'progress', partition: 'p', ...query })).map((found) => keyOf('progress', found).sort);

import { retrying, type Retry } from '../runtime/retry.ts';
import {
  MAX_BATCH_WRITES,
  MAX_READ_KEYS,
  type Delete,
  type Item,
  type Key,
  type Page,
  type Put,
  type Query,
  type Store,
} from './store.ts';

/** Reads items by key, asking again for what the store left out, in requests of at most 100 keys. */
export async function readAll(store: Store, keys: readonly Key[], retry: Retry): Promise<Item[]> {
  const items: Item[] = [];
  for (let start = 0; start < keys.length; start += MAX_READ_KEYS) {
    let left = keys.slice(start, start + MAX_READ_KEYS);
    await retrying('read', retry, async () => {
      const answer = await store.read(left);
      items.push(...answer.items);
      left = [...answer.unread];
      return left.length === 0 ? true : undefined;
    });
  }
  return items;
}

/** Every page of a query, one at a time. Each page is retried; a page may be empty and not the last. */
export async function* pagesOf(store: Store, query: Query, retry: Retry): AsyncGenerator<Page['items']> {
  let after: string | undefined;
  do {
    const page = await retrying('query', retry, () => store.query(after === undefined ? query : { ...query, after }));
    yield page.items;
    after = page.next;
  } while (after !== undefined);
}

/** Unconditional puts and deletes in requests of 25, sent again until none is left out. */
export async function writeAll(store: Store, writes: readonly (Put | Delete)[], retry: Retry): Promise<void> {
  for (let start = 0; start < writes.length; start += MAX_BATCH_WRITES) {
    let left: readonly (Put | Delete)[] = writes.slice(start, start + MAX_BATCH_WRITES);
    await retrying('write', retry, async () => {
      left = await store.writeBatch(left);
      return left.length === 0 ? true : undefined;
    });
  }
}

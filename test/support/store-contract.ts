import { beforeEach, describe } from 'vitest';
import type { Store } from '../../lib/store/store.ts';
import { itemContract } from './store-contract-items.ts';
import { requestContract } from './store-contract-requests.ts';

/**
 * What every store does, whatever it is made of.
 *
 * @param makeStore a store with three empty tables; called before each test.
 */
export function storeContract(name: string, makeStore: () => Store | Promise<Store>): void {
  describe(`${name}: contract`, () => {
    let current: Store;
    beforeEach(async () => {
      current = await makeStore();
    });
    /** Always the store of the running test. */
    const store: Store = {
      read: (keys) => current.read(keys),
      query: (query) => current.query(query),
      write: (write) => current.write(write),
      transact: (writes) => current.transact(writes),
      writeBatch: (writes) => current.writeBatch(writes),
    };
    itemContract(store);
    requestContract(store);
  });
}

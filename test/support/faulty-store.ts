import { TidemarkError } from '../../lib/runtime/error.ts';
import type { MemoryStore } from '../../lib/store/memory.ts';

/** What goes wrong with a call: nothing happens, or it happens and the answer is lost. */
export type Fault = { readonly kind: 'before' | 'after'; readonly error: () => Error };

export const busy = (): Error => new TidemarkError('STORE_BUSY', 'the store did not answer');
/** What no code of ours catches: the process is gone. */
export const crash = (): Error => new Error('crashed');

/** A store that goes wrong where a test says: `fault` is asked before every call, with its number from 0, and awaited. */
export function faultyStore(
  store: MemoryStore,
  fault: (call: number, method: string) => Fault | undefined | Promise<undefined>,
) {
  const calls: string[] = [];
  const around = async <T>(method: string, call: () => Promise<T>): Promise<T> => {
    const found = await fault(calls.push(method) - 1, method);
    if (found?.kind === 'before') throw found.error();
    const answer = await call();
    if (found) throw found.error();
    return answer;
  };
  const faulty: MemoryStore = {
    read: (keys) => around('read', () => store.read(keys)),
    query: (query) => around('query', () => store.query(query)),
    write: (write) => around('write', () => store.write(write)),
    transact: (writes) => around('transact', () => store.transact(writes)),
    writeBatch: (writes) => around('writeBatch', () => store.writeBatch(writes)),
    dump: (table) => store.dump(table),
  };
  return { store: faulty, calls };
}

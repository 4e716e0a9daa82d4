import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Decimal } from '../../lib/aggregate/decimal.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { valueBytes } from '../../lib/store/size.ts';
import type { Put, Value } from '../../lib/store/store.ts';
import { storeContract } from '../support/store-contract.ts';
import { answer, naiveStore, operations } from '../support/store-operations.ts';
import { drain } from '../support/store-requests.ts';

storeContract('the store in memory', () => memoryStore());

const put = (sort: string, text = ''): Put => ({ kind: 'put', table: 'buckets', item: { pk: 'p', sk: sort, text } });
const key = (sort: string) => ({ table: 'buckets', partition: 'p', sort }) as const;

describe('the store in memory', () => {
  test('answers any sequence of calls as a naive model does', async () => {
    await fc.assert(
      fc.asyncProperty(operations, async (sequence) => {
        const [store, model] = [memoryStore({ pageBytes: 40 }), naiveStore()];
        for (const operation of sequence) {
          expect(await answer(store, operation)).toEqual(normal(await answer(model, operation)));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('leaves undone what it is told to', async () => {
    const store = memoryStore({ undone: (asked) => asked - 1 });
    expect(await store.writeBatch([put('a'), put('b'), put('c')])).toEqual([put('b'), put('c')]);
    const { items, unread } = await store.read([key('a'), key('b')]);
    expect(items).toHaveLength(1);
    expect(unread).toEqual([key('b')]);
  });

  test('cuts pages at a given size, with at least one item each', async () => {
    const store = memoryStore({ pageBytes: 25 });
    for (const sort of ['a', 'b', 'c', 'd']) await store.write(put(sort, sort === 'c' ? 'long'.repeat(9) : ''));
    const { items, next } = await store.query({ table: 'buckets', partition: 'p' });
    expect([items.length, next]).toEqual([2, 'b']);
    expect(await drain(store, { table: 'buckets', partition: 'p', descending: true })).toHaveLength(4);
  });

  test('shows all it holds', async () => {
    const store = memoryStore();
    await store.writeBatch([put('😀'), put('\uFF5E'), { kind: 'put', table: 'buckets', item: { pk: 'o', sk: 'z' } }]);
    expect(store.dump('buckets').map(({ sk }) => sk)).toEqual(['z', '\uFF5E', '😀']);
    expect(store.dump('results')).toEqual([]);
  });

  test('refuses to change a key in a transaction, as DynamoDB does', async () => {
    const update = memoryStore().transact([{ kind: 'update', key: key('a'), set: { pk: 'q' } }]);
    await expect(update).rejects.toThrow('an update leaves the key alone');
  });

  test('refuses a cursor outside the bounds, as DynamoDB does', async () => {
    const query = memoryStore().query({ table: 'buckets', partition: 'p', from: 'c', after: 'b' });
    await expect(query).rejects.toThrow('a page begins inside its bounds');
  });
});

test.each<[Value, number]>([
  ['Привет', 12],
  ['', 0],
  [0, 1],
  [42, 2],
  [-42, 3],
  [1_000_000, 2],
  [0.125, 3],
  [new Decimal('9007199254740993.02'), 10],
  [true, 1],
  [null, 1],
  [[], 3],
  [[1, 'ab'], 3 + 1 + 2 + 1 + 2],
  [{ имя: 'ab' }, 3 + 1 + 6 + 2],
])('%j counts %i bytes', (value, bytes) => {
  expect(valueBytes(value)).toBe(bytes);
});

/** The model gives back what it was given; a store gives a decimal that is a double back as one. */
function normal(value: unknown): unknown {
  if (value instanceof Decimal) return String(Number(value)) === value.text ? Number(value) : value;
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, normal(inner)]));
}

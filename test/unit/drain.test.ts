import { describe, expect, test } from 'vitest';
import { pagesOf, readAll, writeAll } from '../../lib/store/drain.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import type { Key, Put } from '../../lib/store/store.ts';
import { busy, faultyStore } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';

const { clock, random } = testRuntime().runtime;
const retry = { clock, random, deadline: Number.POSITIVE_INFINITY };
const keyOf = (n: number): Key => ({ table: 'buckets', partition: 'p', sort: String(n).padStart(3, '0') });
const putOf = (n: number): Put => ({ kind: 'put', table: 'buckets', item: { pk: 'p', sk: keyOf(n).sort, n } });
const numbers = Array.from({ length: 230 }, (_, i) => i);

/** Leaves out half of every batch, and is busy every third call. */
function reluctantStore() {
  const store = memoryStore({ undone: (asked) => Math.floor(asked / 2), pageBytes: 100 });
  return faultyStore(store, (call) => (call % 3 === 1 ? { kind: 'before', error: busy } : undefined));
}

describe('a reluctant store', () => {
  test('is asked until everything is written and read, once each', async () => {
    const { store } = reluctantStore();
    await writeAll(store, numbers.map(putOf), retry);
    const items = await readAll(store, [...numbers, 999].map(keyOf), retry);
    expect(items.map(({ n }) => n).sort((a, b) => Number(a) - Number(b))).toEqual(numbers);
  });

  test('gives every page of a query, each once and in order', async () => {
    const { store } = reluctantStore();
    await writeAll(store, numbers.map(putOf), retry);
    const found: unknown[] = [];
    for await (const items of pagesOf(store, { table: 'buckets', partition: 'p', from: '010' }, retry)) {
      found.push(...items.map(({ n }) => n));
    }
    expect(found).toEqual(numbers.slice(10));
  });

  test('that does nothing at all is given up', async () => {
    const store = memoryStore({ undone: (asked) => asked });
    await expect(writeAll(store, [putOf(1)], retry)).rejects.toMatchObject({ code: 'GAVE_UP' });
    await expect(readAll(store, [keyOf(1)], retry)).rejects.toMatchObject({ code: 'GAVE_UP' });
  });
});

test('nothing to read is no request', async () => {
  const { store, calls } = faultyStore(memoryStore(), () => undefined);
  expect(await readAll(store, [], retry)).toEqual([]);
  await writeAll(store, [], retry);
  expect(calls).toEqual([]);
});

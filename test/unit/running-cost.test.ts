import { expect, test } from 'vitest';
import { meteredStore, type Meter } from '../support/metered-store.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { posts, rowsOf, wordsWorld } from '../support/words.ts';

const word = (n: number): string => `word${n}`;
const LIMITS = { stepBytes: 4_000_000, compactFromBytes: 256_000 };

/** So many words, counted, refreshed and compacted; then some of them once more. */
async function refreshOf(changed: number, existing: number): Promise<{ count: Meter; refresh: Meter; again: Meter }> {
  const metered = meteredStore(memoryStore());
  const world = wordsWorld({ top: 10 }, metered.store);
  let offset = 0;
  const deliver = async (words: readonly string[]): Promise<void> => {
    const texts = Array.from({ length: Math.ceil(words.length / 50) }, (_, i) =>
      words.slice(i * 50, i * 50 + 50).join(' '),
    );
    await world.count(posts(0, offset, ...texts));
    offset += texts.length;
  };
  for (let n = 0; n < existing; n += 5_000) {
    await deliver(Array.from({ length: Math.min(5_000, existing - n) }, (_, i) => word(n + i)));
  }
  await world.refresh({ ...LIMITS, compactFromBytes: 1 });
  metered.reset();
  await deliver(Array.from({ length: changed }, (_, i) => word((i * 7919) % existing)));
  const count = metered.reset();
  const snapshot = await world.refresh(LIMITS);
  const refresh = metered.reset();
  expect(snapshot).toMatchObject({ key_count: existing, totals: { n: existing + changed } });
  expect(Object.values(rowsOf(snapshot))).toEqual(Array.from({ length: 10 }, () => 2));
  await world.refresh(LIMITS);
  return { count, refresh, again: metered.reset() };
}

test('a refresh costs by what changed, not by what exists', async () => {
  const [small, large, more] = [
    await refreshOf(500, 2_000),
    await refreshOf(500, 20_000),
    await refreshOf(1_500, 2_000),
  ];
  // A word or two per shard of a small table, and the fixed part: heads, checkpoints, snapshot, registry.
  expect(large.refresh.requests).toBeLessThanOrEqual(small.refresh.requests + 2);
  expect(large.refresh.readUnits).toBeLessThan(1.25 * small.refresh.readUnits);
  expect(large.refresh.writeUnits).toBe(small.refresh.writeUnits);
  expect(large.refresh.readUnits).toBeLessThan(500 + 30);
  expect(more.refresh.readUnits).toBeGreaterThan(2 * small.refresh.readUnits);
  expect(large.count.requests).toBe(2);
  // Nothing was counted since: it asks, and finds that.
  expect(large.again.requests).toBeLessThan(6);
  expect(large.again.writeUnits).toBe(0);
});

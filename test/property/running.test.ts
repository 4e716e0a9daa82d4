import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryStore } from '../../lib/store/memory.ts';
import { compareUtf8 } from '../../lib/store/order.ts';
import { rowsOf, posts, wordsWorld } from '../support/words.ts';

const word = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'мир', '😀', '\uffee', 'x\\y');
const amount = fc.integer({ min: -300, max: 500 }).map((cents) => cents / 100);
const post = fc.array(fc.tuple(word, amount), { maxLength: 6 });
const log = fc.array(post, { minLength: 1, maxLength: 40 });

/** What happens between deliveries; `back` is how many records before the next one a delivery begins again. */
const step = fc.record({
  partition: fc.nat(1),
  records: fc.integer({ min: 1, max: 9 }),
  back: fc.nat(4),
  isRefreshed: fc.boolean(),
  limits: fc.record({ stepBytes: fc.constantFrom(1, 300, 4_000_000), compactFromBytes: fc.constantFrom(1, 300, 1e9) }),
  isSnapshotLost: fc.nat(9).map((n) => n === 0),
});

/** Sums of everything that was delivered, and the best rows, said once more. */
function oracle(all: readonly (readonly [string, number])[], orderBy: 'n' | 'total', top: number) {
  const sums = new Map<string, { n: number; cents: number }>();
  for (const [name, value] of all) {
    const { n, cents } = sums.get(name) ?? { n: 0, cents: 0 };
    sums.set(name, { n: n + 1, cents: cents + Math.round(value * 100) });
  }
  const by = orderBy === 'n' ? 'n' : 'cents';
  const ranked = [...sums].sort(([a, x], [b, y]) => y[by] - x[by] || compareUtf8(a, b));
  return {
    keys: sums.size,
    n: all.length,
    cents: [...sums.values()].reduce((sum, { cents }) => sum + cents, 0),
    rows: ranked.slice(0, top).map(([name, { n }]) => [name, n]),
    all: ranked.map(([name, { n, cents }]) => [name, n, cents]),
  };
}

test('any cut, redelivery, refresh and compaction of the same posts gives the same totals', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(log, log),
      fc.array(step, { maxLength: 30 }),
      fc.constantFrom('n', 'total'),
      fc.constantFrom(1, 2, 4, 100),
      fc.constantFrom(300, 1024 * 1024),
      async (logs, steps, orderBy, top, pageBytes) => {
        const world = wordsWorld({ orderBy, top }, memoryStore({ pageBytes }));
        const next: [number, number] = [0, 0];
        const deliver = async (partition: 0 | 1, from: number, to: number): Promise<void> => {
          const texts = logs[partition].slice(from, to).map((pairs) => pairs.map((pair) => pair.join(':')).join(' '));
          if (texts.length > 0) await world.count(posts(partition, from, ...texts));
          next[partition] = Math.max(next[partition], Math.min(to, logs[partition].length));
        };
        for (const { partition, records, back, isRefreshed, limits, isSnapshotLost } of steps) {
          const at = partition === 0 ? 0 : 1;
          await deliver(at, Math.max(0, next[at] - back), next[at] + records);
          const key = { table: 'results', partition: 'words@1/all/live', sort: 'total' } as const;
          if (isSnapshotLost) await world.store.write({ kind: 'delete', key });
          if (!isRefreshed) continue;
          const snapshot = await world.refresh(limits);
          const counted = [...logs[0].slice(0, next[0]), ...logs[1].slice(0, next[1])].flat();
          const expected = oracle(counted, orderBy, top);
          expect(Object.entries(rowsOf(snapshot))).toEqual(expected.rows);
          expect(snapshot?.['key_count'] ?? 0).toBe(expected.keys);
        }
        await deliver(0, next[0], logs[0].length);
        await deliver(1, next[1], logs[1].length);
        const expected = oracle(logs.flat(2), orderBy, top);
        const snapshot = await world.refresh();
        expect(Object.entries(rowsOf(snapshot))).toEqual(expected.rows);
        const exact = await world.exact();
        expect(exact?.keys).toBe(expected.keys);
        expect(Number(exact?.totals['n'] ?? 0)).toBe(expected.n);
        expect(Math.round(Number(exact?.totals['total'] ?? 0) * 100)).toBe(expected.cents);
        expect(exact?.rows.map(({ row }) => [row['word'], row['n'], Math.round(Number(row['total']) * 100)])).toEqual(
          expected.all,
        );
      },
    ),
    { numRuns: 300 },
  );
});

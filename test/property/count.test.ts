import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts';
import { decodePartials, partialsOf, type Partials } from '../../lib/store/segment.ts';
import { busy, faultyStore } from '../support/faulty-store.ts';
import { delivery, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';
import { TOPIC, at, checkpointOf, clickSource, clicks, finals, keptOf } from '../support/scene.ts';

const source = clickSource()
  .filter('no bots', ({ username }) => username !== 'bot')
  .flatMap('twins', (click) => (click.username === 'twins' ? [click, click] : [click]));
const pipeline = clicks({ source });
const PARTITIONS = 3;

interface Written {
  readonly second: number;
  readonly user: string | null;
  readonly amount: number | null;
  readonly isBad: boolean;
}
const one: fc.Arbitrary<Written> = fc.record({
  second: fc.integer({ min: 0, max: 600 }),
  user: fc.constantFrom('a', 'b', 'twins', 'bot', null),
  amount: fc.option(fc.integer({ min: -500, max: 500 })),
  isBad: fc.nat(9).map((dice) => dice === 9),
});
const log = fc.array(one, { maxLength: 12 });
const logs = fc.array(log, { minLength: PARTITIONS, maxLength: PARTITIONS });
/** One delivery: of some partitions, a range of offsets that begins at or before what is next. */
const cut = fc.array(fc.record({ back: fc.nat(6), length: fc.nat(6), isIn: fc.boolean() }), {
  minLength: PARTITIONS,
  maxLength: PARTITIONS,
});
const fault = fc.option(fc.record({ call: fc.nat(8), kind: fc.constantFrom('before' as const, 'after' as const) }), {
  freq: 3,
});
const plan = fc.array(fc.tuple(cut, fault), { maxLength: 10 });

const recordsOf = (list: readonly Written[]): TestRecord[] =>
  list.map(({ second, user, amount, isBad }, offset) => {
    const time = at('19:00:00') + second * 1000;
    const value = {
      event_time: new Date(time).toISOString(),
      username: user,
      amount: amount === null ? null : amount / 100,
    };
    return { offset, timestamp: time, value: isBad ? 'no JSON' : value };
  });

/** Totals by partition, slice and visibility; positions; what was kept. */
function stateOf(store: MemoryStore) {
  const totals: Record<string, Partials> = {};
  for (const item of store.dump('buckets').filter(({ partials }) => partials !== undefined)) {
    const [slice, visibleFrom] = String(item['sk']).split('#');
    decodePartials(
      partialsOf(item),
      pipeline.accumulators,
      (totals[`${String(item['pk'])} ${slice} ${visibleFrom}`] ??= new Map()),
    );
  }
  const positions = Array.from({ length: PARTITIONS }, (_, partition) => {
    const { next, clock, watermark, counters, last, from, maxTimestamp, gaps } = checkpointOf(store, partition);
    return { next, clock, watermark, counters, last, from, maxTimestamp, gaps };
  });
  return { totals, positions, late: keptOf(store, 'late'), rejected: keptOf(store, 'rejected') };
}

async function whole(all: readonly TestRecord[][]): Promise<MemoryStore> {
  const store = memoryStore();
  const { runtime } = testRuntime({ store });
  for (const [partition, records] of all.entries()) {
    if (records.length > 0) await count(delivery(TOPIC, { [partition]: records }), [pipeline], runtime);
  }
  return store;
}

test('any cut, regrouping, redelivery, overlap and failure of the same records leaves the same state and results', async () => {
  await fc.assert(
    fc.asyncProperty(logs, plan, async (all, cuts) => {
      const records = all.map(recordsOf);
      const expected = await whole(records);
      const store = memoryStore({ undone: (asked) => Math.floor(asked / 3) });
      const { runtime } = testRuntime({ store });
      const next = (partition: number) => Number(checkpointOf(store, partition)['next'] ?? 0);
      for (const [ranges, fault] of cuts) {
        const some = ranges.flatMap(({ back, length, isIn }, partition) => {
          const start = Math.max(0, next(partition) - back);
          const part = isIn ? (records[partition] ?? []).slice(start, start + length) : [];
          return part.length > 0 ? [[partition, part] as const] : [];
        });
        const faulty = faultyStore(store, (call) =>
          fault && call === fault.call ? { kind: fault.kind, error: busy } : undefined,
        );
        await count(delivery(TOPIC, Object.fromEntries(some)), [pipeline], { ...runtime, store: faulty.store });
      }
      const rest = records.flatMap((list, partition) =>
        next(partition) < list.length ? [[partition, list.slice(next(partition))] as const] : [],
      );
      await count(delivery(TOPIC, Object.fromEntries(rest)), [pipeline], runtime);
      expect(stateOf(store)).toEqual(stateOf(expected));

      await finalize({}, [pipeline], runtime);
      await finalize({}, [pipeline], testRuntime({ store: expected }).runtime);
      expect(finals(store)).toEqual(finals(expected));
    }),
    { numRuns: 150 },
  );
}, 30_000);

test('records are conserved, and so are pairs of events and windows', async () => {
  await fc.assert(
    fc.asyncProperty(logs, async (all) => {
      const store = await whole(all.map(recordsOf));
      all.forEach((list, partition) => {
        if (list.length === 0) return;
        const { records, rejected, filtered, late, counted, skipped, pairsCounted, pairsMissed } = checkpointOf(
          store,
          partition,
        )['counters'] as Record<string, number>;
        expect(records).toBe(list.length);
        expect((rejected ?? 0) + (filtered ?? 0) + (late ?? 0) + (counted ?? 0) + (skipped ?? 0)).toBe(records);
        const events = list.filter(({ isBad, user }) => !isBad && user !== 'bot');
        const pairs = events.reduce((sum, { user }) => sum + 5 * (user === 'twins' ? 2 : 1), 0);
        expect((pairsCounted ?? 0) + (pairsMissed ?? 0)).toBe(pairs);
      });
    }),
    { numRuns: 50 },
  );
});

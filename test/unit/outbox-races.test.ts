import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import type { Pipeline } from '../../lib/index.ts';
import { flushOutbox } from '../../lib/outbox.ts';
import { TidemarkError } from '../../lib/runtime/error.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import type { Sink } from '../../lib/sink/sink.ts';
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts';
import { newRegistry } from '../../lib/store/registry.ts';
import type { Item, Store } from '../../lib/store/store.ts';
import { busy, crash, faultyStore, type Fault } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, deliver } from '../support/scene.ts';
import { bigClicks, memorySink, outboxIn, rowsIn } from '../support/side-output.ts';

/** Four rows make a file. */
const byRows = [bigClicks({ rows: 4 })];
/** Whatever waits makes a file once a row of it has waited for a minute, so its end depends on when one looks. */
const byAge = [bigClicks({})];

/** Two commits of two rows wait, for a minute. */
async function waiting(pipelines = byRows) {
  const store = memoryStore();
  const sink = memorySink();
  const { runtime, push } = testRuntime({ store, sink });
  await count(deliver(0, [0, 'a', '19:00:00', 600], [1, 'b', '19:00:01', 600]), pipelines, runtime);
  await count(deliver(0, [2, 'c', '19:00:02', 600], [3, 'd', '19:00:03', 600]), pipelines, runtime);
  push(60_000);
  const another = () => count(deliver(0, [4, 'e', '19:00:04', 600], [5, 'f', '19:00:05', 600]), pipelines, runtime);
  const offsets = async () => (await rowsIn(sink)).map(({ offset }) => Number(offset));
  return { store, sink, runtime, push, another, offsets };
}

/** A store and a sink that go wrong at one call of either, numbered together. */
function faulty(store: MemoryStore, sink: Sink, fault: (call: number) => Fault | undefined) {
  const around = faultyStore(store, fault);
  const faultySink: Sink = {
    async put(name, content) {
      const found = fault(around.calls.push('put') - 1);
      if (found?.kind === 'before') throw found.error();
      const outcome = await sink.put(name, content);
      if (found) throw found.error();
      return outcome;
    },
  };
  return { store: around.store, sink: faultySink, calls: around.calls };
}

describe('a flush that ends at any call', () => {
  test.each([
    ['before it, for good', 'before', crash],
    ['after it, for good', 'after', crash],
    ['before it, and is tried again', 'before', busy],
    ['after it, and is tried again', 'after', busy],
  ] as const)('%s: each row is in one file in the end', async (_, kind, error) => {
    let reached = true;
    for (let n = 0; reached; n++) {
      const { store, sink, runtime, another, offsets } = await waiting();
      const { calls, ...broken } = faulty(store, sink, (call) => (call === n ? { kind, error } : undefined));
      const [first] = await Promise.allSettled([finalize({}, byRows, { ...runtime, ...broken })]);
      reached = calls.length > n;
      expect(first.status).toBe(reached && error === crash ? 'rejected' : 'fulfilled');
      await another(); // what comes in between belongs to another file
      await finalize({}, byRows, runtime);
      expect(await offsets(), `ended ${kind} call ${n}, ${calls[n]}`).toEqual([0, 1, 2, 3]);
      expect(outboxIn(store)).toMatchObject({ waiting: ['000000000003'], head: { upTo: 2 } });
      expect(outboxIn(store).head).not.toHaveProperty('pending');
    }
  });
});

/** Asks before every call of a flusher, store or sink, numbered from 0. */
function watched(store: Store, sink: Sink, before: (call: number) => Promise<void>) {
  let calls = 0;
  const then = async <T>(call: () => Promise<T>): Promise<T> => {
    await before(calls++);
    return await call();
  };
  const watchedStore: Store = {
    read: (keys) => then(() => store.read(keys)),
    query: (query) => then(() => store.query(query)),
    write: (write) => then(() => store.write(write)),
    transact: (writes) => then(() => store.transact(writes)),
    writeBatch: (writes) => then(() => store.writeBatch(writes)),
  };
  const watchedSink: Sink = { put: (name, content) => then(() => sink.put(name, content)) };
  return { store: watchedStore, sink: watchedSink, calls: () => calls };
}

/** What `finalize` does last, without what comes before. */
async function flush([pipeline]: readonly Pipeline[], runtime: Runtime): Promise<void> {
  if (!pipeline) return;
  const registry = { ...newRegistry(pipeline, {}), partitions: [0] };
  const deadline = Number.POSITIVE_INFINITY;
  await flushOutbox(pipeline, registry, runtime, { clock: runtime.clock, random: runtime.random, deadline });
}

describe('two flushers', () => {
  /**
   * Before call `n` of one flusher there is another commit, and the other runs up to its call `m`. After one more commit
   * the first goes on to its end, and the second, too, or it is gone. In the end everything is flushed.
   */
  async function race(n: number, m: number, isGone: boolean, flusherOf: (store: Store) => Store = (same) => same) {
    const { store, sink, runtime, push, another, offsets } = await waiting(byAge);
    const firstIsDone = Promise.withResolvers<void>();
    let secondEnds: Promise<unknown> = Promise.resolve();
    const second = watched(flusherOf(store), sink, async (call) => {
      if (call !== m) return;
      stopped.resolve();
      if (isGone) throw crash();
      await firstIsDone.promise;
    });
    const stopped = Promise.withResolvers<void>();
    const first = watched(flusherOf(store), sink, async (call) => {
      if (call !== n) return;
      await another();
      push(60_000);
      secondEnds = Promise.allSettled([flush(byAge, { ...runtime, ...second })]);
      await Promise.race([stopped.promise, secondEnds]);
      // A range that anybody chooses from now on ends elsewhere.
      await count(deliver(0, [6, 'g', '19:00:06', 600]), byAge, runtime);
      push(60_000);
    });
    await flush(byAge, { ...runtime, ...first });
    firstIsDone.resolve();
    await secondEnds;
    await flush(byAge, { ...runtime, store: flusherOf(store) });
    return { calls: [first.calls(), second.calls()] as const, written: (await offsets()).sort((a, b) => a - b), store };
  }

  test.each([
    ['goes on afterwards', false],
    ['is gone for good', true],
  ])('write each row once, wherever one overtakes the other, which %s', async (_, isGone) => {
    let [firstCalls, secondCalls, races] = [1, 1, 0];
    for (let n = 0; n < firstCalls; n++) {
      for (let m = 0; m <= secondCalls; m++) {
        const { calls, written, store } = await race(n, m, isGone);
        firstCalls = Math.max(firstCalls, calls[0]);
        secondCalls = Math.max(secondCalls, calls[1]);
        const isOvertaken = calls[0] > n;
        expect(written, `before call ${n}, up to call ${m}`).toEqual(
          isOvertaken ? [0, 1, 2, 3, 4, 5, 6] : [0, 1, 2, 3],
        );
        expect(outboxIn(store).waiting).toEqual([]);
        races++;
      }
    }
    expect(races).toBeGreaterThan(150);
  });

  test('that choose their own ranges write some twice: what the stored range is for', async () => {
    const outcomes: number[][] = [];
    for (let n = 0; n < 25; n++) outcomes.push((await race(n, 99, false, ownRange)).written);
    expect(outcomes).toContainEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6]);
  });

  test('never leave a part of a file, even when somebody has moved the file away meanwhile', async () => {
    let reached = true;
    for (let n = 0; reached; n++) {
      const { store, sink, runtime } = await waiting();
      const slow = watched(store, sink, async (call) => {
        if (call !== n) return;
        await flush(byRows, runtime);
        for (const name of sink.files.keys()) sink.move(name);
      });
      await flush(byRows, { ...runtime, ...slow });
      reached = slow.calls() > n;
      const left = (await rowsIn(sink)).length;
      expect([0, 4], `moved before call ${n}`).toContain(left);
      expect(sink.files.size, `moved before call ${n}`).toBe(left / 4);
    }
  });
});

/** Protocol deviation 16: a range that is chosen, but not stored, so nobody else knows of it. */
function ownRange(store: Store): Store {
  let pending: string | undefined;
  const withOwn = (item: Item): Item => (item['sk'] === 'head' ? { ...item, pending } : item);
  return {
    ...store,
    async read(keys) {
      const { items, unread } = await store.read(keys);
      const isAbsent = keys[0]?.sort === 'head' && items.length === 0;
      return { items: isAbsent && pending !== undefined ? [{ sk: 'head', pending }] : items.map(withOwn), unread };
    },
    async write(write) {
      const isHead = write.kind === 'update' && write.key.sort === 'head';
      if (!isHead) return await store.write(write);
      const { upTo, pending: chosen } = write.set ?? {};
      if (upTo === undefined) {
        pending = String(chosen);
        return 'done';
      }
      pending = undefined;
      return await store.write({ kind: 'update', key: write.key, set: { upTo } });
    },
  };
}

test('a put that meets another put of the same file is tried again', async () => {
  const { runtime, sink, offsets } = await waiting();
  let tries = 0;
  const contended: Sink = {
    put: (name, content) =>
      tries++ === 0 ? Promise.reject(new TidemarkError('STORE_BUSY', 'conflict')) : sink.put(name, content),
  };
  await finalize({}, byRows, { ...runtime, sink: contended });
  expect(tries).toBe(2);
  expect(await offsets()).toEqual([0, 1, 2, 3]);
});

test('the checkpoint moves between the rows and their file: no row is forgotten', async () => {
  const { store, runtime, push, another, offsets } = await waiting();
  await finalize({}, byRows, runtime);
  await another();
  await store.write({
    kind: 'update',
    key: { table: 'progress', partition: 'clicks@1#p0', sort: 'checkpoint' },
    set: { version: 'nextlife:7', seen: at('19:00:00') }, // a reset: another incarnation, and the counter goes on
  });
  push(60_000);
  await finalize({}, byRows, runtime);
  expect(await offsets()).toEqual(expect.arrayContaining([0, 1, 2, 3, 4, 5]));
  expect(outboxIn(store)).toMatchObject({ waiting: [], head: { upTo: 3 } });
});

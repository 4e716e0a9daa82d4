import { describe as group, expect, test } from 'vitest';
import { compact } from '../../lib/compaction.ts';
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts';
import { foldDeltas, NO_HEAD, putDelta, putHead, putsOfBase, readHeads } from '../../lib/store/running.ts';
import { encodePartials, type Partials } from '../../lib/store/segment.ts';
import { shardOf } from '../../lib/store/shard.ts';
import { busy, crash, faultyStore } from '../support/faulty-store.ts';
import { posts, rowsOf, snapshotOf, wordsWorld } from '../support/words.ts';

const sorts = (store: MemoryStore, prefix: string): string[] =>
  store
    .dump('buckets')
    .map(({ sk }) => String(sk))
    .filter((sk) => sk.startsWith(prefix));

const counts = async (world: ReturnType<typeof wordsWorld>): Promise<Record<string, unknown>> =>
  Object.fromEntries((await world.exact())?.rows.map(({ row }) => [String(row['word']), row['n']]) ?? []);

const MANY = 4_000_000;

/** Three commits of one partition, shown by a snapshot: as far as compaction may go. */
async function threeCommits(store = memoryStore()) {
  const world = wordsWorld({}, store);
  await world.count(posts(0, 0, 'a b'));
  await world.count(posts(0, 1, 'b c'));
  await world.count(posts(0, 2, 'c c d'));
  await world.refresh({ stepBytes: MANY, compactFromBytes: MANY });
  return world;
}

const TOTALS = { a: 1, b: 2, c: 3, d: 1 };

group('compaction', () => {
  test('moves deltas into the shards they touch, and only these', async () => {
    const world = await threeCommits();
    const { declared, runtime, retry, store } = world;
    await compact(declared, 0, 2, runtime, retry, MANY);
    expect(await counts(world)).toEqual(TOTALS);
    expect(sorts(store, 'd#')).toEqual(['d#000000000003']);
    const before = sorts(store, 'b#');
    expect(before).toHaveLength(3);
    await compact(declared, 0, 3, runtime, retry, MANY);
    const touched = ['c', 'd'].map((word) => `b#${String(shardOf(word)).padStart(4, '0')}`);
    const kept = before.filter((sort) => !touched.some((shard) => sort.startsWith(shard)));
    expect(kept).toHaveLength(2);
    expect(sorts(store, 'b#')).toEqual(expect.arrayContaining(kept));
    expect(sorts(store, 'b#')).toHaveLength(4);
    expect(sorts(store, 'd#')).toEqual([]);
    expect(await counts(world)).toEqual(TOTALS);
  });

  test('takes as many deltas as fit its memory, whole commits, and says how far it came', async () => {
    const { declared, runtime, retry, store, ...world } = await threeCommits();
    expect(await compact(declared, 0, 3, runtime, retry, 1)).toBe(1);
    expect(sorts(store, 'd#')).toHaveLength(2);
    expect(await counts({ declared, runtime, retry, store, ...world })).toEqual(TOTALS);
    expect(await compact(declared, 0, 3, runtime, retry, 1)).toBe(2);
    expect(await compact(declared, 0, 3, runtime, retry, 1)).toBe(3);
    expect(await compact(declared, 0, 3, runtime, retry, 1)).toBe(3);
    expect(await counts({ declared, runtime, retry, store, ...world })).toEqual(TOTALS);
  });

  test('a large commit is folded with all its pieces', async () => {
    const { declared, retry, store } = wordsWorld();
    const text = (word: string): string => encodePartials(new Map([[word, [1, 0n]]]), declared.accumulators);
    await store.transact([
      putDelta(declared, 0, 'x:1', 0, text('a')),
      putDelta(declared, 0, 'x:1', 1, text('b')),
      putDelta(declared, 0, 'x:2', 0, text('c')),
    ]);
    const into: Partials = new Map();
    expect(await foldDeltas(declared, 0, 0, 2, into, store, retry, 1)).toMatchObject({ to: 1 });
    expect([...into.keys()]).toEqual(['a', 'b']);
  });

  test('a shard that outgrows an item goes on in pieces', async () => {
    const world = await threeCommits();
    const { declared, runtime, retry, store } = world;
    // A base of one shard, nearly as large as an item may be, and a few words of 400 bytes that go there too.
    const shard = shardOf('a');
    const line = (word: string): string => encodePartials(new Map([[word, [1, 0n]]]), declared.accumulators);
    const base = Array.from({ length: 720 }, (_, i) => line(`${i}`.padStart(400, '-'))).join('\n');
    const shards: string[] = [];
    shards[shard] = '1.x';
    const [put] = putsOfBase(declared, 0, shard, '1.x', [base]);
    await store.transact([put, putHead(declared, 0, { number: 1, upTo: 0, shards }, NO_HEAD)].filter((it) => !!it));
    const same: string[] = [];
    for (let i = 0; same.length < 40; i++) {
      const word = `${i}`.padEnd(400, 'x');
      if (shardOf(word) === shard) same.push(word);
    }
    await world.count(posts(0, 3, same.join(' ')));
    await compact(declared, 0, 4, runtime, retry, MANY);
    const pieces = () => sorts(store, `b#${String(shard).padStart(4, '0')}`).map((sort) => sort.split('#')[3]);
    expect(pieces()).toEqual([undefined, '1']);
    expect(await world.exact()).toMatchObject({ keys: 764, totals: { n: 767 } });
    await world.count(posts(0, 4, `${same[39]} ${same[0]} a`));
    await compact(declared, 0, 5, runtime, retry, MANY);
    const all = await world.exact();
    expect(all).toMatchObject({ keys: 764, totals: { n: 770 } });
    expect(all?.rows.filter(({ row }) => row['n'] === 2).map(({ row }) => row['word'])).toEqual(
      expect.arrayContaining([same[0], same[39], 'a', 'b']),
    );
  });

  test('two at once: one wins, the other leaves it', async () => {
    const world = await threeCommits();
    const { declared, runtime, retry, store } = world;
    await Promise.all([
      compact(declared, 0, 2, runtime, retry, MANY),
      compact(declared, 0, 3, runtime, retry, MANY),
      compact(declared, 0, 3, runtime, retry, MANY),
    ]);
    expect(await counts(world)).toEqual(TOTALS);
    expect(sorts(store, 'd#')).toEqual([]);
  });

  test('what crashed compactions left is swept, what the head names stays', async () => {
    const world = await threeCommits();
    const { declared, runtime, retry, store } = world;
    for (let left = 0; left < 4; left++) {
      const { store: faulty } = faultyStore(store, (_, method) =>
        method === 'write' ? { kind: 'before', error: crash } : undefined,
      );
      await expect(compact(declared, 0, 3, { ...runtime, store: faulty }, retry, MANY)).rejects.toThrow('crashed');
    }
    expect(sorts(store, 'b#')).toHaveLength(16);
    for (let i = 0; i < 16; i++) {
      await world.count(posts(0, 3 + i, 'a'));
      await compact(declared, 0, 4 + i, runtime, retry, MANY);
    }
    expect(sorts(store, 'b#')).toHaveLength(4);
    expect(await counts(world)).toEqual({ ...TOTALS, a: 17 });
    const head = (await readHeads(declared, [0], store, retry)).get(0);
    expect(head).toMatchObject({ number: 16, upTo: 19 });
  });

  test('a base that is gone stops it: nothing is lost in silence', async () => {
    const world = await threeCommits();
    const { declared, runtime, retry, store } = world;
    await compact(declared, 0, 3, runtime, retry, MANY);
    const [gone = ''] = sorts(store, `b#${String(shardOf('a')).padStart(4, '0')}`);
    await store.write({ kind: 'delete', key: { table: 'buckets', partition: 'words@1#run#p0', sort: gone } });
    await world.count(posts(0, 3, 'a'));
    await expect(compact(declared, 0, 4, runtime, retry, MANY)).rejects.toMatchObject({ code: 'GAVE_UP' });
    await expect(world.exact()).rejects.toMatchObject({ code: 'GAVE_UP' });
  });
});

group('a refresh with compaction', () => {
  const LIMITS = { stepBytes: 200, compactFromBytes: 1 };

  /** Counts, refreshes, counts again; two partitions, several steps each. */
  async function scenario() {
    const store = memoryStore({ pageBytes: 300 });
    const world = wordsWorld({}, store);
    await world.count(posts(0, 0, 'a b', 'b c'));
    await world.count(posts(1, 0, 'b c', 'd'));
    await world.refresh(LIMITS);
    await world.count(posts(0, 2, 'b d'));
    await world.count(posts(0, 3, 'e'));
    await world.count(posts(1, 2, 'c c'));
    return world;
  }
  const EXPECTED = { b: 4, c: 4, d: 2, a: 1, e: 1 };

  test.each([
    ['crashes before', 'before', crash],
    ['crashes after', 'after', crash],
    ['is not answered before', 'before', busy],
    ['is not answered after', 'after', busy],
  ] as const)('is right whichever store call %s', async (_, kind, error) => {
    const whole = await scenario();
    const counting = faultyStore(whole.store, () => undefined);
    await whole.refresh(LIMITS, { ...whole.runtime, store: counting.store });
    expect(counting.calls.length).toBeGreaterThan(20);
    for (let n = 0; n < counting.calls.length; n++) {
      const world = await scenario();
      const faulty = faultyStore(world.store, (call) => (call === n ? { kind, error } : undefined));
      // It fails only as a process that is gone does.
      const thrown = await world.refresh(LIMITS, { ...world.runtime, store: faulty.store }).then(
        () => 'crashed',
        (error: unknown) => (error instanceof Error ? error.message : ''),
      );
      expect(thrown).toBe('crashed');
      expect(await counts(world)).toEqual(EXPECTED);
      const shown = await world.refresh(LIMITS);
      expect(rowsOf(shown)).toEqual(EXPECTED);
      expect(shown).toMatchObject({ key_count: 5, totals: { n: 12 } });
      expect(await counts(world)).toEqual(EXPECTED);
    }
  });

  test('is right when a second one runs whole between any two of its calls', async () => {
    const whole = await scenario();
    const counting = faultyStore(whole.store, () => undefined);
    await whole.refresh(LIMITS, { ...whole.runtime, store: counting.store });
    for (let n = 0; n < counting.calls.length; n++) {
      const world = await scenario();
      const inner = { isRunning: false };
      let call = 0;
      const at = async (): Promise<void> => {
        if (inner.isRunning || call++ !== n) return;
        inner.isRunning = true;
        await world.count(posts(1, 4, 'f'));
        await world.refresh(LIMITS);
        inner.isRunning = false;
      };
      const { store } = world;
      const interleaved: MemoryStore = {
        read: async (keys) => (await at(), store.read(keys)),
        query: async (query) => (await at(), store.query(query)),
        write: async (write) => (await at(), store.write(write)),
        transact: async (writes) => (await at(), store.transact(writes)),
        writeBatch: async (writes) => (await at(), store.writeBatch(writes)),
        dump: (table) => store.dump(table),
      };
      await world.refresh(LIMITS, { ...world.runtime, store: interleaved });
      const all = { ...EXPECTED, f: 1 };
      // Whoever was slower has not taken the snapshot back.
      expect(rowsOf(snapshotOf(store))).toEqual(all);
      expect(await counts(world)).toEqual(all);
      expect(rowsOf(await world.refresh(LIMITS))).toEqual(all);
    }
  });

  test('starts over when a compaction that was held up comes in between', async () => {
    const counting = { calls: 1 };
    for (let n = 0; n < counting.calls; n++) {
      const world = await scenario();
      const { declared, runtime, retry, store } = world;
      await world.refresh({ stepBytes: MANY, compactFromBytes: MANY });
      await world.count(posts(0, 4, 'a f'));
      // Every word that the snapshot shows is still in deltas; they go while a refresh reads them.
      let call = 0;
      const at = async (): Promise<void> => {
        if (call++ !== n) return;
        await compact(declared, 0, 3, runtime, retry, MANY);
        await compact(declared, 1, 2, runtime, retry, MANY);
      };
      const interleaved: MemoryStore = {
        ...store,
        read: async (keys) => (await at(), store.read(keys)),
        query: async (query) => (await at(), store.query(query)),
      };
      await world.refresh({ stepBytes: MANY, compactFromBytes: MANY }, { ...runtime, store: interleaved });
      counting.calls = Math.max(counting.calls, call);
      const snapshot = snapshotOf(store);
      expect(rowsOf(snapshot)).toEqual({ ...EXPECTED, a: 2, f: 1 });
      expect(snapshot).toMatchObject({ key_count: 6, totals: { n: 14 } });
    }
    expect(counting.calls).toBeGreaterThan(8);
  });
});

import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { sliding, tumbling, type Pipeline } from '../../lib/index.ts';
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts';
import type { Store, Write } from '../../lib/store/store.ts';
import { faultyStore } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, clicks, deliver, directory, finals, registryOf } from '../support/scene.ts';

const final = (top?: number) => ({ emit: 'final' as const, ...(top !== undefined && { top }) });
const minutes = (top?: number) => clicks({ windows: { '1m': tumbling('1 minute', final(top)) } });

function scene(of: Pipeline = minutes(), store: MemoryStore = memoryStore()) {
  const made = testRuntime({ store });
  return {
    ...made,
    store,
    feed: (...args: Parameters<typeof deliver>) => count(deliver(...args), [of], made.runtime),
    close: (via: Store = store, context = {}) => finalize({}, [of], { ...made.runtime, store: via }, context),
  };
}

/** Every key written to `results`, in order. */
function watched(store: MemoryStore) {
  const keys: string[] = [];
  const note = (write: Write) => {
    if (write.kind === 'put' && write.table === 'results')
      keys.push(`${String(write.item['window_id'])} ${String(write.item['row_id'])}`);
  };
  const via: Store = {
    ...store,
    write: (write) => {
      note(write);
      return store.write(write);
    },
    writeBatch: (writes) => {
      writes.forEach(note);
      return store.writeBatch(writes);
    },
  };
  return { keys, via };
}

describe('a final window', () => {
  test('has one row per key in rank order, and a directory item that is written last', async () => {
    const { feed, close, store } = scene();
    await feed(
      0,
      [0, 'bob', '19:00:10', 2.5],
      [1, 'alice', '19:00:20'],
      [2, 'bob', '19:00:30', 1],
      [3, null, '19:00:40'],
      [4, 'z', '19:02:00'],
    );
    const { keys, via } = watched(store);
    await close(via);
    const start = '2026-01-08T19:00:00.000Z';
    expect(keys).toEqual([
      `clicks@1/1m/${start} 000000001`,
      `clicks@1/1m/${start} 000000002`,
      `clicks@1/1m/${start} 000000003`,
      `clicks@1/1m ${start}`,
    ]);
    const bounds = { window_start: start, window_end: '2026-01-08T19:01:00.000Z', status: 'final' };
    const expires_at = (at('19:00:00') + 7 * 86_400_000) / 1000;
    const [item, ...rows] = store.dump('results');
    expect(rows).toEqual([
      {
        window_id: `clicks@1/1m/${start}`,
        row_id: '000000001',
        username: 'bob',
        n: 2,
        total: 3.5,
        ...bounds,
        expires_at,
      },
      { window_id: `clicks@1/1m/${start}`, row_id: '000000002', n: 1, ...bounds, expires_at },
      { window_id: `clicks@1/1m/${start}`, row_id: '000000003', username: 'alice', n: 1, ...bounds, expires_at },
    ]);
    expect(item).toEqual({
      window_id: 'clicks@1/1m',
      row_id: start,
      ...bounds,
      row_count: 3,
      block_count: 1,
      key_count: 3,
      totals: { n: 4, total: 3.5 },
      watermark: '2026-01-08T19:01:30.000Z',
      emitted_at: '2026-01-08T19:00:00.000Z',
      expires_at,
    });
  });

  test('with a top has that many rows; keys and totals count them all', async () => {
    const { feed, close, store, reports } = scene(minutes(2));
    await feed(
      0,
      [0, 'a', '19:00:10'],
      [1, 'b', '19:00:20'],
      [2, 'b', '19:00:30'],
      [3, 'c', '19:00:40'],
      [4, 'z', '19:02:00'],
    );
    await close();
    expect(finals(store)).toEqual({ '1m 19:00:00': { b: 2, a: 1 } });
    expect(directory(store)['1m 19:00:00']).toMatchObject({ row_count: 2, key_count: 3, totals: { n: 4 } });
    expect(reports).toMatchObject([{ status: 'final', keys: 3, rows: [{ username: 'b' }, { username: 'a' }] }]);
  });

  test('is reported once', async () => {
    const { feed, close, reports } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'z', '19:02:00']);
    await close();
    await close();
    expect(reports).toHaveLength(1);
  });

  test('expires by the wall time of its emission, however old its events are', async () => {
    const { feed, close, store, setNow } = scene();
    setNow(at('19:00:00') + 3 * 365 * 86_400_000);
    await feed(0, [0, 'a', '19:00:10'], [1, 'z', '19:02:00']);
    await close();
    const expiry = (at('19:00:00') + (3 * 365 + 7) * 86_400_000) / 1000;
    expect(new Set(store.dump('results').map((item) => item['expires_at']))).toEqual(new Set([expiry]));
  });
});

describe('segments', () => {
  test('are deleted when every window over them is emitted, and not before', async () => {
    const of = clicks();
    const { feed, close, store } = scene(of);
    const slices = () => store.dump('buckets').map((item) => String(item['sk']).slice(11, 19));
    await feed(0, [0, 'a', '19:00:10'], [1, 'a', '19:00:40'], [2, 'a', '19:02:25']);
    await close();
    expect(slices(), 'closed at 19:01:55: windows to 19:02:30 still need them').toEqual([
      '19:00:00',
      '19:00:30',
      '19:02:00',
    ]);
    await feed(0, [3, 'a', '19:02:30']);
    await close();
    expect(slices(), 'closed at 19:02:00').toEqual(['19:00:30', '19:02:00', '19:02:30']);
  });

  test('are deleted only after emitted has passed them', async () => {
    const { feed, close, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'z', '19:02:00']);
    const emittedBefore: unknown[] = [];
    const watching: Store = {
      ...store,
      writeBatch: (writes) => {
        if (writes.some(({ kind }) => kind === 'delete')) emittedBefore.push(registryOf(store)['emitted']);
        return store.writeBatch(writes);
      },
    };
    await close(watching);
    expect(store.dump('buckets')).toHaveLength(1);
    expect(emittedBefore).toEqual([at('19:01:30')]);
  });

  test('late events and rejections beside them stay until they expire', async () => {
    const { feed, close, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'z', '19:20:00'], [2, 'late', '19:00:10']);
    await feed(0, [3, 'z', '19:40:00']);
    await close();
    expect(store.dump('buckets').map(({ sk }) => String(sk).slice(0, 5))).toEqual(['2026-', 'late#']);
  });
});

describe('a window of 25,000 keys', () => {
  async function large(store = memoryStore()) {
    const made = scene(minutes(), store);
    for (let start = 0; start < 25_000; start += 5_000) {
      const records = Array.from({ length: 5_000 }, (_, i) => [start + i, `user${start + i}`, '19:00:10'] as const);
      await made.feed(0, ...records);
    }
    await made.feed(0, [25_000, 'user7', '19:00:10'], [25_001, 'z', '19:02:00']);
    return made;
  }
  function storedIn(store: MemoryStore) {
    const rows = store.dump('results').filter((item) => /^\d{9}$/.test(String(item['row_id'])));
    const blocks = Map.groupBy(rows, (item) => String(item['window_id']).split('.000Z')[1]);
    return {
      blocks: [...blocks].map(([block, items]) => [block, items.length, items[0]?.['row_id']]),
      first: rows[0],
      users: new Set(rows.map(({ username }) => username)).size,
      directory: directory(store)['1m 19:00:00'],
    };
  }
  const whole = {
    blocks: [
      ['', 10_000, '000000001'],
      ['~1', 10_000, '000010001'],
      ['~2', 5_000, '000020001'],
    ],
    first: { username: 'user7', n: 2 },
    users: 25_000,
    directory: { row_count: 25_000, block_count: 3, totals: { n: 25_001 } },
  };

  test('is written in blocks', async () => {
    const { close, store } = await large();
    await close();
    expect(storedIn(store)).toMatchObject(whole);
  });

  test('that the time does not suffice for goes on behind the last complete block, and is shown once', async () => {
    const { close, store, runtime, reports } = await large();
    let written = 0;
    const slow: Store = {
      ...store,
      writeBatch: async (writes) => {
        written += writes.filter(({ kind }) => kind === 'put').length;
        await runtime.clock.sleep(1);
        return await store.writeBatch(writes);
      },
    };
    // 400 requests of 25 rows per block; Lambda ends the invocation 500 ms after it began, and 10 s are kept free
    const tight = { getRemainingTimeInMillis: () => 10_500 };
    await close(slow, tight).catch(() => undefined);
    expect(directory(store)).toEqual({});
    expect(reports).toEqual([]);
    const first = written;
    expect(first).toBeGreaterThanOrEqual(10_000);
    await close(slow);
    expect(written - first, 'the first block is not written again').toBe(15_000);
    expect(storedIn(store)).toMatchObject(whole);
    expect(reports).toHaveLength(1);
  });

  test('loses no row to a store that leaves some out of every batch', async () => {
    const { close, store } = await large(memoryStore({ undone: (asked) => (asked > 20 ? 5 : 0) }));
    await close();
    expect(storedIn(store)).toMatchObject(whole);
  });
});

describe('many windows', () => {
  test('more than are looked up at once are all emitted, in the order of their ends', async () => {
    // an event is in 6,000 windows, more than one round looks up
    const { feed, close, store, reports } = scene(
      clicks({
        windows: { w: sliding('6000 seconds', { every: '1 second', emit: 'final', top: 1 }) },
        watermark: '0 seconds',
      }),
    );
    await feed(0, [0, 'a', '10:00:00'], [1, 'b', '19:00:00']);
    await close();
    const ends = reports.map(({ end }) => end);
    expect(ends).toHaveLength(6_000);
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
    expect(registryOf(store)['emitted']).toBe(at('19:00:00'));
  });

  test('that end together are all emitted before emitted goes on', async () => {
    const windows = { a: tumbling('1 minute', final()), b: tumbling('2 minutes', final()) };
    const of = clicks({ windows });
    for (let n = 0; n < 20; n++) {
      const { feed, close, store } = scene(of);
      await feed(0, [0, 'x', '19:00:10'], [1, 'x', '19:01:10'], [2, 'z', '19:05:00']);
      const { store: crashing } = faultyStore(store, (call) =>
        call >= n ? { kind: 'before', error: () => new Error('crashed') } : undefined,
      );
      await close(crashing).catch(() => undefined);
      const emitted = Number(registryOf(store)['emitted'] ?? 0);
      const due = [
        ['a 19:00:00', '19:01:00'],
        ['a 19:01:00', '19:02:00'],
        ['b 19:00:00', '19:02:00'],
      ] as const;
      const gone = due.filter(([window, end]) => at(end) <= emitted && !(window in directory(store)));
      expect(gone, `${n} calls`).toEqual([]);
      await close();
      expect(Object.keys(finals(store)).sort()).toEqual(due.map(([window]) => window));
    }
  });
});

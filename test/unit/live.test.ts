import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { sliding, tumbling, type Pipeline } from '../../lib/index.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import type { Store } from '../../lib/store/store.ts';
import { testRuntime } from '../support/runtime.ts';
import { clicks, deliver } from '../support/scene.ts';

const update = (top?: number) => ({
  emit: 'update' as const,
  trigger: '30 seconds' as const,
  ...(top !== undefined && { top }),
});
const live = (top?: number) => clicks({ windows: { '1m': tumbling('1 minute', update(top)) } });

function scene(of: Pipeline = live()) {
  const store = memoryStore();
  const made = testRuntime({ store });
  let puts: string[] = [];
  const via: Store = {
    ...store,
    write: (write) => {
      if (write.kind === 'put' && String(write.item['window_id']).endsWith('/live'))
        puts.push(String(write.item['row_id']).slice(11, 19));
      return store.write(write);
    },
  };
  return {
    ...made,
    store,
    feed: (...args: Parameters<typeof deliver>) => count(deliver(...args), [of], made.runtime),
    refresh: async () => {
      puts = [];
      await finalize({}, [of], { ...made.runtime, store: via });
      return puts;
    },
    snapshots: () =>
      store
        .dump('results')
        .filter((item) => String(item['window_id']).endsWith('/live') && item['row_id'] !== 'trigger'),
  };
}

describe('open windows of an update query', () => {
  test('are shown as snapshots: one item with the top rows, said to be open', async () => {
    const { feed, refresh, snapshots, reports } = scene(live(1));
    await feed(0, [0, 'bob', '19:00:10', 1], [1, 'alice', '19:00:20', 0.25], [2, 'bob', '19:00:21', 2]);
    await refresh();
    expect(snapshots()).toMatchObject([
      {
        window_id: 'clicks@1/1m/live',
        row_id: '2026-01-08T19:00:00.000Z',
        window_start: '2026-01-08T19:00:00.000Z',
        window_end: '2026-01-08T19:01:00.000Z',
        status: 'open',
        rows: [{ username: 'bob', n: 2, total: 3 }],
        key_count: 2,
        totals: { n: 3, total: 3.25 },
      },
    ]);
    expect(reports).toMatchObject([{ status: 'open', emit: 'update', keys: 2, others: 0 }]);
  });

  test('are refreshed at most once per trigger', async () => {
    const { feed, refresh, push, snapshots } = scene();
    await feed(0, [0, 'bob', '19:00:10']);
    expect(await refresh()).toEqual(['19:00:00', '']);
    push(29_999);
    await feed(0, [1, 'bob', '19:00:11']);
    expect(await refresh()).toEqual([]);
    expect(snapshots()).toMatchObject([{ totals: { n: 1 } }]);
    push(1);
    expect(await refresh()).toEqual(['19:00:00', '']);
    expect(snapshots()).toMatchObject([{ totals: { n: 2 } }]);
  });

  test('are rewritten only if they changed; nothing counted costs nothing', async () => {
    const { feed, refresh, push, reports } = scene();
    await feed(0, [0, 'bob', '19:00:10', 12.5], [1, 'bob', '19:01:10', 1], [2, 'amy', '19:01:11', 0.001]);
    expect(await refresh()).toEqual(['19:00:00', '19:01:00', '']);
    push(30_000);
    expect(await refresh()).toEqual([]);
    await feed(0, [3, 'bob', '19:01:12', 7]);
    expect(await refresh()).toEqual(['19:01:00', '']);
    expect(reports.filter(({ status }) => status === 'open').map(({ others }) => others)).toEqual([1, 0]);
    push(30_000);
    await feed(0, [4, 'rejected', '19:01:13', 0.001]);
    expect(await refresh(), 'looked at, and the same').toEqual(['']);
  });

  test('never stand under the keys of final results, and go when the window is final', async () => {
    const { feed, refresh, push, snapshots, store } = scene();
    await feed(0, [0, 'bob', '19:00:10']);
    await refresh();
    expect(store.dump('results').filter((item) => item['status'] === 'final')).toEqual([]);
    push(30_000);
    await feed(0, [1, 'bob', '19:02:00']);
    await refresh();
    expect(snapshots().map((item) => item['row_id'])).toEqual(['2026-01-08T19:02:00.000Z']);
    expect(store.dump('results').filter((item) => item['status'] === 'final')).toHaveLength(2);
  });

  test('count an event late for other windows only where it counts', async () => {
    const of = clicks({ windows: { '2m': sliding('2 minutes', { every: '1 minute', ...update() }) } });
    const { feed, refresh, snapshots } = scene(of);
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30'], [2, 'c', '19:01:50'], [3, 'd', '19:00:50']);
    await refresh();
    const rows = snapshots().map((item) => [String(item['row_id']).slice(11, 16), item['totals']]);
    expect(rows).toEqual([
      ['19:01', { n: 2 }],
      ['19:02', { n: 1 }],
    ]);
  });

  test('with keys so long that 1,000 do not fit an item show as many as do', async () => {
    const { feed, refresh, snapshots } = scene(live(1000));
    await feed(0, ...Array.from({ length: 1000 }, (_, i) => [i, `${i} ${'k'.repeat(500)}`, '19:00:10'] as const));
    await refresh();
    const [item] = snapshots();
    const { length } = (item?.['rows'] ?? []) as unknown as unknown[];
    expect(length).toBeGreaterThan(600);
    expect(length).toBeLessThan(1000);
    expect(item).toMatchObject({ key_count: 1000, totals: { n: 1000 } });
  });

  test('without a top show 100 rows', async () => {
    const { feed, refresh, snapshots } = scene();
    await feed(0, ...Array.from({ length: 150 }, (_, i) => [i, `${i}`, '19:00:10'] as const));
    await refresh();
    expect(snapshots()[0]?.['rows']).toHaveLength(100);
  });

  test('two refreshes at once: one shows', async () => {
    const { feed, refresh, snapshots, reports } = scene();
    await feed(0, [0, 'bob', '19:00:10']);
    await Promise.all([refresh(), refresh()]);
    expect(snapshots()).toHaveLength(1);
    expect(reports).toHaveLength(1);
  });
});

test('a window that only has a final result has no snapshot', async () => {
  const { feed, refresh } = scene(clicks({ windows: { '1m': tumbling('1 minute', { emit: 'final' }) } }));
  await feed(0, [0, 'bob', '19:00:10']);
  expect(await refresh()).toEqual([]);
});

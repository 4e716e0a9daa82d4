import { describe as group, expect, test } from 'vitest';
import { count as countWith } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { describe, pipeline, running, tumbling } from '../../lib/index.ts';
import { registryOf } from '../../lib/reader.ts';
import { refreshRunning } from '../../lib/running.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { meteredStore } from '../support/metered-store.ts';
import { delivery } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';
import { posts, rowsOf, snapshotOf, words, wordsWorld } from '../support/words.ts';

function world(options: Parameters<typeof words>[0] = {}) {
  const store = memoryStore();
  const it = testRuntime({ store });
  const declared = words(options);
  return {
    ...it,
    store,
    declared,
    count: (event: unknown) => countWith(event, [declared], it.runtime),
    refresh: async () => {
      it.push(10_000);
      await finalize({ pipeline: declared.name }, [declared], it.runtime);
      return snapshotOf(store);
    },
  };
}

group('running totals', () => {
  test('count every word over all time, sorted, with totals of everything', async () => {
    const { count, refresh, reports } = world();
    await count(posts(0, 0, 'to be or not to be', 'be'));
    expect(rowsOf(await refresh())).toEqual({ be: 3, to: 2, not: 1, or: 1 });
    await count(posts(0, 2, 'or or or  мир'));
    const snapshot = await refresh();
    expect(Object.entries(rowsOf(snapshot))).toEqual([
      ['or', 4],
      ['be', 3],
      ['to', 2],
      ['not', 1],
      ['мир', 1],
    ]);
    expect(snapshot).toMatchObject({ key_count: 5, totals: { n: 11 }, status: 'open' });
    expect(snapshot?.['expires_at']).toBeUndefined();
    expect(reports.map(({ window, status, keys, totals }) => [window, status, keys, totals['n']])).toEqual([
      ['all', 'open', 4, 7],
      ['all', 'open', 5, 11],
    ]);
  });

  test('an event without a time counts, and none is ever late', async () => {
    const { count, refresh, store } = world();
    await count(delivery('posts', { 0: [{ offset: 0, timestamp: -1, value: { text: 'a' } }] }));
    await count(delivery('posts', { 0: [{ offset: 1, timestamp: 2_000_000_000_000, value: { text: 'a' } }] }));
    await count(delivery('posts', { 0: [{ offset: 2, timestamp: 0, value: { text: 'a' } }] }));
    await count(delivery('posts', { 0: [{ offset: 3, timestamp: 5, value: { text: '  ' } }] }));
    expect(rowsOf(await refresh())).toEqual({ a: 3 });
    const checkpoint = store.dump('progress').find(({ sk }) => sk === 'checkpoint');
    expect(checkpoint).toMatchObject({ clock: 2_000_000_000_000, counters: { counted: 3, filtered: 1, late: 0 } });
    expect(checkpoint?.['watermark']).toBeUndefined();
  });

  test('a delivery that comes twice counts once', async () => {
    const { count, refresh } = world();
    await count(posts(0, 0, 'a b', 'b'));
    await count(posts(0, 0, 'a b', 'b', 'c'));
    expect(rowsOf(await refresh())).toEqual({ b: 2, a: 1, c: 1 });
  });

  test('partitions add up, and a word of both is one', async () => {
    const { count, refresh } = world();
    await count(posts(0, 0, 'a b'));
    await count(posts(1, 0, 'b c'));
    const snapshot = await refresh();
    expect(rowsOf(snapshot)).toEqual({ b: 2, a: 1, c: 1 });
    expect(snapshot).toMatchObject({ key_count: 3, totals: { n: 4 } });
  });

  test('two requests a batch', async () => {
    const { count, runtime, store, declared } = world();
    await count(posts(0, 0, 'a'));
    const metered = meteredStore(store);
    await countWith(posts(0, 1, 'b c d'), [declared], { ...runtime, store: metered.store });
    expect(metered.meter.requests).toBe(2);
  });

  test('a snapshot is rewritten at most once per trigger, and only when something was counted', async () => {
    const { count, push, runtime, declared, refresh, store, reports } = world();
    await count(posts(0, 0, 'a'));
    await refresh();
    const first = snapshotOf(store);
    await refresh();
    expect(snapshotOf(store)).toEqual(first);
    await count(posts(0, 1, '{}'));
    await refresh();
    await count(posts(0, 2, 'b'));
    push(1);
    await finalize({ pipeline: 'words' }, [declared], runtime);
    expect(rowsOf(snapshotOf(store))).not.toHaveProperty('b');
    await refresh();
    expect(rowsOf(snapshotOf(store))).toHaveProperty('b', 1);
    expect(reports).toHaveLength(3);
  });

  test('a due trigger asks for finalize', async () => {
    const { count, hints } = world();
    await count(posts(0, 0, 'a'));
    await count(posts(0, 1, 'a'));
    expect(hints).toEqual(['words']);
  });

  test('the best rows stay exact where totals fall', async () => {
    // Two of four words are kept. When the second falls behind one that is not kept, all are looked through.
    const { count, refresh } = world({ orderBy: 'total', top: 2 });
    await count(posts(0, 0, 'a:9 b:7.5 c:5 d:1'));
    expect(rowsOf(await refresh(), 'total')).toEqual({ a: 9, b: 7.5 });
    await count(posts(0, 1, 'b:-3'));
    expect(rowsOf(await refresh(), 'total')).toEqual({ a: 9, c: 5 });
    await count(posts(0, 2, 'd:5.25'));
    const snapshot = await refresh();
    expect(rowsOf(snapshot, 'total')).toEqual({ a: 9, d: 6.25 });
    expect(snapshot).toMatchObject({ key_count: 4, totals: { n: 6, total: 24.75 } });
  });

  test('a snapshot that somebody deleted is made anew', async () => {
    const { count, refresh, store } = world();
    await count(posts(0, 0, 'a b'));
    await refresh();
    await store.write({ kind: 'delete', key: { table: 'results', partition: 'words@1/all/live', sort: 'total' } });
    await count(posts(0, 1, 'b'));
    expect(await refresh()).toMatchObject({ key_count: 2, totals: { n: 3 } });
  });
});

group('declaring a running window', () => {
  const rest = {
    name: 'words',
    revision: 1,
    source: words().source as never,
    groupBy: ['word'] as never,
    aggregate: words().aggregates as never,
    orderBy: 'n' as never,
    retain: '7 days' as const,
  };
  const problems = (more: object): unknown => {
    try {
      pipeline({ ...rest, aggregate: { n: { kind: 'count' } }, ...more } as never);
    } catch (error) {
      return (error as { details?: { problems?: unknown } }).details?.problems;
    }
    return [];
  };

  test('stands alone and takes no watermark', () => {
    const all = running({ trigger: '10 seconds' });
    const minute = tumbling('1 minute', { emit: 'final' });
    expect(problems({ windows: { all } })).toEqual([]);
    expect(problems({ windows: { all }, watermark: '1 minute' })).toEqual([
      "watermark is '1 minute'; a running window waits for nothing: leave it out",
    ]);
    expect(problems({ windows: { all, other: all } })).toEqual([expect.stringContaining('exactly one running window')]);
    expect(problems({ windows: { all, minute } })).toEqual([expect.stringContaining('exactly one running window')]);
    expect(problems({ windows: { minute } })).toEqual([expect.stringContaining("watermark is 'missing'")]);
    expect(problems({ windows: { all: running({ trigger: '0 seconds', top: 2000 }) } })).toEqual([
      "window 'all': running: trigger is '0 seconds'; expected a duration such as '10 seconds'",
      "window 'all': running: top is 2000; expected a whole number from 1 to 1000",
    ]);
  });

  test('is described, and its trigger may change freely', () => {
    const { shape, settings } = describe(words());
    expect(shape['window all']).toBe('running over 4096 shards, top 100');
    expect(settings).toMatchObject({ 'trigger of all, ms': 10_000 });
    expect(settings).not.toHaveProperty('delayMs');
    expect(words({ trigger: '1 millisecond' }).fingerprint).toBe(words().fingerprint);
    expect(words({ top: 5 }).fingerprint).not.toBe(words().fingerprint);
  });
});

test('a finalize that does not know a partition leaves a snapshot alone that shows it', async () => {
  const it = wordsWorld();
  await it.count(posts(0, 0, 'a'));
  const early = await registryOf(it.reader, it.declared);
  await it.count(posts(1, 0, 'a b'));
  await it.refresh();
  await it.count(posts(0, 1, 'c'));
  it.push(10_000);
  if (early) await refreshRunning(it.declared, early, it.runtime, it.retry);
  expect(snapshotOf(it.store)).toMatchObject({ versions: '0:1 1:1', key_count: 2, totals: { n: 3 } });
  expect(await it.refresh()).toMatchObject({ versions: '0:2 1:1', key_count: 3, totals: { n: 4 } });
});

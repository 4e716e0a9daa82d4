import { describe as group, expect, test } from 'vitest';
import { count as countStory } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { telegram } from '../../lib/pipelines/telegram.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { busy, crash, faultyStore } from '../support/faulty-store.ts';
import { delivery, message, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';
import { countScene as scene } from '../support/stories.ts';
import {
  TOPIC,
  at,
  checkpointOf,
  clickSource,
  clicks,
  deliver,
  finals,
  isoOf,
  keptOf,
  registryOf,
  written,
} from '../support/scene.ts';

group('from a delivery to a final table', () => {
  const records = (...list: [offset: number, user: string | null, time: string][]): TestRecord[] =>
    list.map(([offset, user, time]) => ({ offset, value: message(user, `2026-01-08T${time}Z`) }));

  test('counts per user and minute, sorted', async () => {
    //  18:58          18:59          19:00
    //  a a b          a              b (19:00:45: watermark 19:00:15)
    const { runtime, reports } = testRuntime();
    const event = delivery('telegram_messages', {
      0: records(
        [0, 'alice', '18:58:01'],
        [1, 'bob', '18:58:02'],
        [2, 'alice', '18:58:59.999'],
        [3, 'alice', '18:59:00'],
        [4, 'bob', '19:00:45'],
      ),
    });
    await countStory(event, [telegram], runtime);
    await finalize({ pipeline: 'telegram' }, [telegram], runtime);
    const minutes = reports.filter(({ window }) => window === '1m');
    expect(minutes.map(({ start, rows }) => [isoOf(start).slice(11, 16), rows])).toEqual([
      [
        '18:58',
        [
          { username: 'alice', message_count: 2 },
          { username: 'bob', message_count: 1 },
        ],
      ],
      ['18:59', [{ username: 'alice', message_count: 1 }]],
    ]);
    expect(reports.filter(({ window, status }) => window === '10m' && status === 'open')).toHaveLength(1);
  });

  test('an event late for some of its windows counts exactly in the others', async () => {
    //  19:00     19:01     19:02     19:03
    //  a         |         |    b (19:02:30: watermark 19:02:00)
    //            c (19:01:50: its minute ends at 19:02 and has ended; of its two minutes those after 19:02 count it)
    const { runtime, store, feed } = scene();
    await feed(deliver(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30'], [2, 'c', '19:01:50'], [3, 'z', '19:10:00']));
    await finalize({}, [clicks()], runtime);
    const found = finals(store);
    expect(Object.keys(found).filter((window) => 'c' in (found[window] ?? {}))).toEqual([
      '2m 19:00:30',
      '2m 19:01:00',
      '2m 19:01:30',
    ]);
    expect(found['1m 19:02:00']).toEqual({ b: 1 });
    expect(checkpointOf(store)['counters']).toMatchObject({ counted: 4, pairsCounted: 18, pairsMissed: 2 });
  });
});

group('exactly once', () => {
  const first = deliver(0, [0, 'alice', '19:00:01'], [1, 'bob', '19:00:02']);

  test('a delivery that comes twice counts once', async () => {
    const { store, feed } = scene();
    await feed(first);
    const before = [store.dump('buckets'), store.dump('progress')];
    await feed(first);
    expect([store.dump('buckets'), store.dump('progress')]).toEqual(before);
  });

  test('of a delivery that overlaps what was counted, only the rest counts', async () => {
    const { store, feed } = scene();
    await feed(first);
    await feed(deliver(0, [1, 'bob', '19:00:02'], [2, 'bob', '19:00:03']));
    expect(checkpointOf(store)).toMatchObject({ next: 3, counters: { records: 3, counted: 3 } });
  });

  test('two at once of the same partition: one wins, the other starts over and drops what was counted', async () => {
    const { store, feed } = scene();
    await Promise.all([feed(first), feed(first), feed(deliver(0, [0, 'alice', '19:00:01']))]);
    expect(checkpointOf(store)).toMatchObject({ next: 2, counters: { records: 2, counted: 2 } });
    expect(store.dump('buckets').map((item) => item['partials'])).toEqual(['alice\t1\t\nbob\t1\t']);
  });

  test('two at once that write different segments: the checkpoint alone decides', async () => {
    const { store, feed } = scene();
    await feed(deliver(0, [0, 'alice', '19:00:00']));
    const crowd = Array.from({ length: 200 }, (_, i) => [i + 1, `user${i}`, '19:00:01'] as const);
    const [small] = crowd;
    if (!small) throw new Error('200 records');
    await Promise.all([feed(deliver(0, small)), feed(deliver(0, ...crowd)), feed(deliver(0, small))]);
    const lines = store.dump('buckets').flatMap((item) => String(item['partials']).split('\n'));
    expect(new Set(lines.map((line) => line.split('\t')[0])).size).toBe(201);
    expect(lines).toHaveLength(201);
    expect(checkpointOf(store)).toMatchObject({ next: 201, counters: { records: 201, counted: 201 } });
  });

  test('a raise of the watermark between read and commit: the batch is judged again', async () => {
    const { runtime, store } = scene();
    await countStory(deliver(0, [0, 'alice', '19:00:00']), [clicks()], runtime);
    const raised = faultyStore(store, async (_, method) => {
      const [life, commits] = String(checkpointOf(store)['version']).split(':');
      if (method !== 'transact' || commits !== '1') return undefined;
      const key = { table: 'progress', partition: 'clicks@1#p0', sort: 'checkpoint' } as const;
      const set = { watermark: at('20:00:00'), version: `${life}:2` };
      await store.write({ kind: 'update', key, set });
      return undefined;
    });
    await countStory(deliver(0, [1, 'bob', '19:00:40']), [clicks()], { ...runtime, store: raised.store });
    expect(checkpointOf(store)).toMatchObject({ watermark: at('20:00:00'), counters: { counted: 1, late: 1 } });
  });

  test.each(['before', 'after'] as const)('a busy store, wherever: %s the call happened', async (kind) => {
    for (let n = 0; n < 4; n++) {
      const { runtime, store } = scene();
      const faulty = faultyStore(store, (call) => (call === n ? { kind, error: busy } : undefined));
      await countStory(first, [clicks()], { ...runtime, store: faulty.store });
      expect(checkpointOf(store), `call ${n}`).toMatchObject({ next: 2, counters: { records: 2, counted: 2 } });
      expect(store.dump('buckets')).toHaveLength(1);
      expect(registryOf(store)).toMatchObject({ partitions: [0] });
    }
  });

  test('a crash before or after any call, and the delivery again: the same', async () => {
    for (const kind of ['before', 'after'] as const) {
      for (let n = 0; n < 3; n++) {
        const { runtime, store, feed } = scene();
        const faulty = faultyStore(store, (call) => (call === n ? { kind, error: crash } : undefined));
        await expect(countStory(first, [clicks()], { ...runtime, store: faulty.store })).rejects.toThrow('crashed');
        await feed(first);
        expect(checkpointOf(store)).toMatchObject({ next: 2, counters: { records: 2, counted: 2 } });
      }
    }
  });

  test('keys the store did not look at are asked for again, and not taken for absent', async () => {
    const store = memoryStore({ undone: (asked) => asked - 1 });
    const { feed } = scene({ store });
    await feed(first);
    await feed(deliver(0, [2, 'alice', '19:00:03'], [3, 'alice', '19:00:31']));
    expect(store.dump('buckets').map((item) => item['partials'])).toEqual(['alice\t2\t\nbob\t1\t', 'alice\t1\t']);
  });

  test('a store that stays busy fails the delivery, which counts when it comes again', async () => {
    const { runtime, store, feed } = scene();
    const faulty = faultyStore(store, () => ({ kind: 'before', error: busy }));
    const failing = countStory(first, [clicks()], { ...runtime, store: faulty.store });
    await expect(failing).rejects.toMatchObject({ code: 'GAVE_UP' });
    await feed(first);
    expect(checkpointOf(store)).toMatchObject({ next: 2 });
  });

  test('no new try begins in the last two seconds before the timeout', async () => {
    const { runtime, store } = scene();
    const faulty = faultyStore(store, () => ({ kind: 'before', error: busy }));
    const start = runtime.clock.monotonic();
    const context = { getRemainingTimeInMillis: () => 3_000 };
    const failing = countStory(first, [clicks()], { ...runtime, store: faulty.store }, context);
    await expect(failing).rejects.toMatchObject({ code: 'GAVE_UP' });
    expect(runtime.clock.monotonic() - start).toBeLessThan(1_000);
  });
});

group('a batch larger than one transaction', () => {
  test('of many slices is committed in chunks, each with its part', async () => {
    const { store, feed } = scene({ now: at('23:00:00') });
    const times = Array.from({ length: 300 }, (_, i) => isoOf(at('10:00:00') + i * 30_000).slice(11, 23));
    await feed(deliver(0, ...times.map((time, i) => [i, 'a', time] as const)));
    expect(checkpointOf(store)).toMatchObject({ next: 300, counters: { records: 300, counted: 300 }, gaps: [] });
    expect(String(checkpointOf(store)['version'])).toMatch(/:4$/);
    expect(store.dump('buckets')).toHaveLength(300);
  });

  test('of many keys is, too, and one that fails in the middle goes on from what was committed', async () => {
    const { runtime, store } = scene();
    let transactions = 0;
    const faulty = faultyStore(store, (_, method) =>
      method === 'transact' && ++transactions === 2 ? { kind: 'after', error: busy } : undefined,
    );
    const records = Array.from({ length: 9_000 }, (_, i) => [i, `${i} ${'x'.repeat(450)}`, '19:00:00'] as const);
    await countStory(deliver(0, ...records), [clicks()], { ...runtime, store: faulty.store });
    expect(transactions).toBe(2);
    const lines = store.dump('buckets').flatMap((item) => String(item['partials']).split('\n'));
    expect(lines).toHaveLength(9_000);
    expect(checkpointOf(store)).toMatchObject({ counters: { records: 9_000, counted: 9_000 } });
  });

  test('because of one record with too many results: that one is a rejection, the others count', async () => {
    const many = clickSource().flatMap('many', (click) =>
      Array.from({ length: click.amount ?? 1 }, (_, i) => ({ ...click, username: `${i} ${'x'.repeat(400)}` })),
    );
    const { store, feed } = scene({}, [clicks({ source: many })]);
    await feed(deliver(0, [0, 'a', '19:00:00', 1], [1, 'b', '19:00:00', 20_000], [2, 'c', '19:00:00', 1]));
    expect(checkpointOf(store)).toMatchObject({ next: 3, counters: { records: 3, counted: 2, rejected: 1 } });
    expect(keptOf(store, 'rejected')).toMatchObject([{ offset: 1, reason: expect.stringMatching(/^size: 20000/) }]);
  });
});

group('partitions', () => {
  const failing = (kind: 'before' | 'after') => {
    const made = scene();
    const { store } = faultyStore(made.store, () => undefined);
    const transact: typeof store.transact = async (writes) => {
      const [write] = writes;
      const isFirst = write?.kind === 'put' && write.item['pk'] === 'clicks@1#p0';
      if (isFirst && kind === 'before') throw crash();
      return await store.transact(writes);
    };
    return { ...made, broken: { ...made.runtime, store: { ...store, transact } } };
  };
  const two = delivery(TOPIC, {
    0: written([7, 'a', '19:00:00'], [8, 'a', '19:00:01'], [9, 'a', '19:00:02']),
    1: written([3, 'b', '19:00:00']),
  });

  test('without partial batch responses: the others commit, then the failure is thrown', async () => {
    const { broken, store, feed } = failing('before');
    await expect(countStory(two, [clicks()], broken)).rejects.toThrow('crashed');
    expect(checkpointOf(store, 1)).toMatchObject({ next: 4 });
    expect(checkpointOf(store, 0)).toEqual({});
    await feed(two);
    expect([0, 1].map((p) => checkpointOf(store, p)['next'])).toEqual([10, 4]);
    expect(checkpointOf(store, 1)).toMatchObject({ counters: { records: 1 } });
  });

  test('with them: the failing one alone is reported, from its first offset to the end, without gaps', async () => {
    const { broken, store } = failing('before');
    const answer = await countStory(two, [clicks()], { ...broken, partialBatchResponses: true });
    expect(answer).toEqual({
      batchItemFailures: [7, 8, 9].map((offset) => ({ itemIdentifier: { partition: 'clicks-0', offset } })),
    });
    expect(checkpointOf(store, 1)).toMatchObject({ next: 4 });
  });

  test('all committed: nothing is reported', async () => {
    const { feed, runtime } = scene({ partialBatchResponses: true });
    expect(await feed(two)).toEqual({ batchItemFailures: [] });
    expect(runtime.partialBatchResponses).toBe(true);
  });

  test('each join the registry once', async () => {
    const { store, feed } = scene();
    await feed(two);
    await feed(delivery(TOPIC, { 1: written([4, 'b', '19:00:00']), 2: written([0, 'b', '19:00:00']) }));
    const { partitions, version } = registryOf(store) as { partitions: number[]; version: number };
    expect([...partitions].sort()).toEqual([0, 1, 2]);
    expect(version).toBe(3);
  });

  test('that join late begin at what is closed: nothing final can change', async () => {
    const { store, feed, runtime } = scene();
    await feed(deliver(0, [0, 'a', '19:00:00'], [1, 'b', '19:10:00']));
    await finalize({}, [clicks()], runtime);
    expect(registryOf(store)['closed']).toBe(at('19:09:30'));
    await feed(deliver(1, [0, 'c', '19:00:00'], [1, 'c', '19:09:45']));
    expect(checkpointOf(store, 1)).toMatchObject({ watermark: at('19:09:30'), counters: { late: 1, counted: 1 } });
  });
});

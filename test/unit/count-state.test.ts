import { describe as group, expect, test } from 'vitest';
import { tumbling } from '../../lib/index.ts';
import { delivery } from '../support/records.ts';
import { countScene as scene } from '../support/stories.ts';
import { TOPIC, at, checkpointOf, clicks, deliver, registryOf, written } from '../support/scene.ts';

group('a deployment that changes the delay', () => {
  test('to a longer one does not lower the watermark, to a shorter one raises it', async () => {
    const { store, feed } = scene();
    await feed(deliver(0, [0, 'a', '19:10:00']));
    expect(checkpointOf(store)['watermark']).toBe(at('19:09:30'));
    await feed(deliver(0, [1, 'a', '19:10:30']), [clicks({ watermark: '1 hour' })]);
    expect(checkpointOf(store)).toMatchObject({ clock: at('19:10:30'), watermark: at('19:09:30') });
    await feed(deliver(0, [2, 'a', '19:10:10']), [clicks({ watermark: '10 seconds' })]);
    expect(checkpointOf(store)).toMatchObject({ clock: at('19:10:30'), watermark: at('19:10:20') });
  });
});

group('another declaration', () => {
  const changed = clicks({ orderBy: 'total' });

  test('under the same revision refuses to run, names what changed and commits nothing', async () => {
    const { store, feed } = scene();
    await feed(deliver(0, [0, 'a', '19:00:00']));
    const before = [store.dump('buckets'), store.dump('progress')];
    for (const partition of [0, 1]) {
      await expect(feed(deliver(partition, [1, 'a', '19:00:00']), [changed])).rejects.toMatchObject({
        code: 'FINGERPRINT_DIFFERS',
        message: expect.stringMatching(
          /clicks@1: .* raise 'revision' to 2\. Changed: orderBy: stored 'n', code 'total'/,
        ),
      });
    }
    expect([store.dump('buckets'), store.dump('progress')]).toEqual(before);
  });

  test('under a new revision begins beside the old one', async () => {
    const { store, feed } = scene();
    await feed(deliver(0, [0, 'a', '19:00:00']));
    await feed(deliver(0, [1, 'a', '19:00:00']), [clicks({ orderBy: 'total', revision: 2 })]);
    expect(checkpointOf(store, 0, 'clicks@2')).toMatchObject({ from: 1, next: 2 });
    expect(checkpointOf(store)).toMatchObject({ next: 1 });
  });

  test('a retired revision drops its batches, and says so', async () => {
    const { store, runtime, feed, metrics } = scene();
    await feed(deliver(0, [0, 'a', '19:00:00']));
    for (const [pk, sk] of [
      ['clicks@1', 'registry'],
      ['clicks@1#p0', 'checkpoint'],
    ] as const) {
      const key = { table: 'progress', partition: pk, sort: sk } as const;
      await runtime.store.write({ kind: 'update', key, set: { state: 'retired' } });
    }
    await feed(deliver(0, [1, 'a', '19:00:00']));
    await feed(deliver(1, [0, 'a', '19:00:00'], [1, 'a', '19:00:00']));
    expect(checkpointOf(store)).toMatchObject({ next: 1 });
    expect(registryOf(store)).toMatchObject({ partitions: [0] });
    expect(metrics['retired']).toBe(3);
  });
});

group('a recreated topic', () => {
  const first = deliver(0, [0, 'a', '19:00:00'], [1, 'b', '19:00:01'], [2, 'c', '19:00:02']);

  test.each([
    [
      'by a timestamp greater than any',
      deliver(0, [0, 'x', '20:00:00']),
      /offset 0 was processed, but now has a Kafka timestamp/,
    ],
    [
      'by another record at the last offset',
      deliver(0, [2, 'x', '19:00:02']),
      /offset 2, the last one processed, now holds another/,
    ],
  ])('is found %s: the partition stops, is not counted, and says so until a person decides', async (_, event, why) => {
    const { store, feed, metrics } = scene();
    await feed(first);
    const stopped = { code: 'PARTITION_STOPPED', message: expect.stringMatching(why) };
    await expect(feed(event)).rejects.toMatchObject(stopped);
    expect(checkpointOf(store)).toMatchObject({ state: 'stopped', next: 3, reason: expect.stringMatching(why) });
    await expect(feed(deliver(0, [3, 'd', '19:00:03']))).rejects.toMatchObject(stopped);
    expect(checkpointOf(store)).toMatchObject({ next: 3, counters: { records: 3 } });
    expect(metrics['stoppedPartitions']).toBe(1);
  });

  test('holds no other partition', async () => {
    const { store, feed } = scene({ partialBatchResponses: true });
    await feed(first);
    const both = delivery(TOPIC, {
      0: written([0, 'x', '20:00:00'], [1, 'x', '20:00:01']),
      1: written([0, 'y', '20:00:00']),
    });
    expect(await feed(both)).toEqual({
      batchItemFailures: [0, 1].map((offset) => ({ itemIdentifier: { partition: 'clicks-0', offset } })),
    });
    expect(checkpointOf(store, 1)).toMatchObject({ next: 1 });
  });
});

group('a gap', () => {
  test('is stored, counted and warned of, and counting goes on', async () => {
    const { store, feed, logs, metrics } = scene();
    await feed(deliver(0, [0, 'a', '19:00:00']));
    await feed(deliver(0, [5, 'b', '19:00:01'], [6, 'c', '19:00:02']));
    expect(checkpointOf(store)).toMatchObject({
      next: 7,
      gaps: [{ from: 1, to: 5, kind: 'unclassified', watermark: at('18:59:30') }],
    });
    expect(metrics['gaps']).toBe(1);
    expect(logs).toContainEqual(
      expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ partition: 0, from: 1, to: 5 }) }),
    );
  });
});

group('finalize is hinted', () => {
  const tumblingOnly = clicks({ windows: { '1m': tumbling('1 minute', { emit: 'final' }) } });

  test('when a watermark crosses the end of a window, and only then', async () => {
    const { feed, hints } = scene({}, [tumblingOnly]);
    await feed(deliver(0, [0, 'a', '19:00:00']));
    hints.length = 0; // the first one of a partition always is
    await feed(deliver(0, [1, 'a', '19:00:20']));
    expect(hints).toEqual([]);
    await feed(deliver(0, [2, 'a', '19:01:29.999']));
    expect(hints).toEqual(['clicks']);
    await feed(deliver(0, [3, 'a', '19:01:30']));
    expect(hints, 'the watermark is at 19:01:00').toEqual(['clicks', 'clicks']);
    await feed(deliver(0, [4, 'a', '19:01:31']));
    expect(hints).toHaveLength(2);
  });

  test('once per delivery, however many partitions cross', async () => {
    const { feed, hints } = scene({}, [tumblingOnly]);
    await feed(delivery(TOPIC, { 0: written([0, 'a', '19:00:00']), 1: written([0, 'a', '19:00:00']) }));
    expect(hints).toEqual(['clicks']);
  });

  test('when an update trigger is due, and not before', async () => {
    const { feed, hints, push } = scene();
    await feed(deliver(0, [0, 'a', '19:00:00']));
    await feed(deliver(0, [1, 'a', '19:00:00']));
    expect(hints).toEqual(['clicks']);
    push(29_999);
    await feed(deliver(0, [2, 'a', '19:00:00']));
    expect(hints).toEqual(['clicks']);
    push(1);
    await feed(deliver(0, [3, 'a', '19:00:00']));
    expect(hints).toEqual(['clicks', 'clicks']);
  });

  test('and a hint that fails fails nothing', async () => {
    const { feed, store, logs } = scene({ hint: () => Promise.reject(new Error('throttled')) });
    expect(await feed(deliver(0, [0, 'a', '19:00:00']))).toEqual({ batchItemFailures: [] });
    expect(checkpointOf(store)).toMatchObject({ next: 1 });
    expect(logs).toContainEqual(expect.objectContaining({ level: 'warn', message: 'finalize was not hinted' }));
  });
});

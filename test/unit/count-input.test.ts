import { describe as group, expect, test } from 'vitest';
import { z } from 'zod';
import { count, kafka, kafkaTimestamp, pipeline, tumbling } from '../../lib/index.ts';
import { delivery } from '../support/records.ts';
import { countScene as scene } from '../support/stories.ts';
import { TOPIC, at, checkpointOf, clickSource, clicks, deliver, keptOf, written } from '../support/scene.ts';

group('bad input is kept, counted and passed by', () => {
  const good = { event_time: '2026-01-08T19:00:00Z', username: 'alice' };
  const raw = (value: string | null) => ({ value });
  test.each([
    ['no base64', raw('%%%'), 'base64: ', '%%%'],
    ['no JSON', { ...good, json: '{"a' }, 'json: ', '{"a'],
    ['a tombstone', raw(null), 'tombstone: ', ''],
    ['another schema', { json: '{"event_time":5}' }, 'schema: event_time: ', '{"event_time":5}'],
    ['no time', { json: '{"event_time":"soon"}' }, 'instant: ', '{"event_time":"soon"}'],
    [
      'the future',
      { json: '{"event_time":"2027-01-01T00:00:00Z"}' },
      'future: ',
      '{"event_time":"2027-01-01T00:00:00Z"}',
    ],
    ['a long key', { json: JSON.stringify({ ...good, username: 'k'.repeat(513) }) }, 'key: 513 bytes', '{"event_time"'],
    [
      'a step that throws',
      { json: JSON.stringify({ ...good, username: 'mallory' }) },
      'step: not you',
      '{"event_time"',
    ],
    [
      '1 MB',
      { json: JSON.stringify({ ...good, event_time: 'x'.repeat(1_000_000) }) },
      'instant: ',
      '{"event_time":"xxx',
    ],
  ])('%s', async (_, bad, reason, value) => {
    const source = clickSource().filter('not you', ({ username }) => {
      if (username === 'mallory') throw new Error('not you');
      return true;
    });
    const { store, feed, metrics } = scene({}, [clicks({ source })]);
    const event = deliver(4, [0, 'alice', '19:00:00'], [1, 'bob', '19:00:01'], [2, 'alice', '19:00:02']);
    const { records } = event as { records: Record<string, { value: unknown }[]> };
    const middle = records['clicks-4']?.[1];
    if (!middle) throw new Error('three records');
    middle.value = 'json' in bad ? Buffer.from(bad.json).toString('base64') : (bad as { value: unknown }).value;
    await feed(event);
    expect(checkpointOf(store, 4)).toMatchObject({ next: 3, counters: { records: 3, rejected: 1, counted: 2 } });
    const [item] = store.dump('buckets').filter(({ sk }) => String(sk).startsWith('rejected#'));
    expect(item).toMatchObject({ pk: 'clicks@1#p4', topic: TOPIC, partition: 4 });
    expect(item?.['expires_at']).toBe((at('19:00:00') + 7 * 86_400_000) / 1000);
    const [kept] = keptOf(store, 'rejected');
    expect(kept).toMatchObject({ offset: 1, timestamp: at('19:00:01') });
    expect(kept?.['reason']).toMatch(new RegExp(`^${reason}`));
    expect(String(kept?.['value']).startsWith(value)).toBe(true);
    expect(Buffer.byteLength(String(kept?.['value']))).toBeLessThanOrEqual(4096);
    expect(metrics['rejected']).toBe(1);
  });

  test('whatever the schema says about it: a reason that quotes a value of 1 MB is cut', async () => {
    const strict = z.strictObject({ event_time: z.string(), username: z.string(), amount: z.number() });
    const source = clickSource({ value: strict as never });
    const { store, feed } = scene({}, [clicks({ source })]);
    await feed(delivery(TOPIC, { 0: [{ offset: 0, value: { ['k'.repeat(1_000_000)]: 1 } }] }));
    expect(checkpointOf(store)).toMatchObject({ counters: { rejected: 1 } });
  });

  test('a thousand of them at once, all large', async () => {
    const { store, feed } = scene();
    const bad = Array.from({ length: 1000 }, (_, offset) => ({ offset, value: `{${'\u0001'.repeat(9_000)}` }));
    await feed(delivery(TOPIC, { 0: bad }));
    expect(checkpointOf(store)).toMatchObject({ next: 1000, counters: { rejected: 1000 } });
    const offsets = keptOf(store, 'rejected').map(({ offset }) => Number(offset));
    expect(offsets.sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
  });

  test('a record without a Kafka key is no bad input', async () => {
    const { store, feed } = scene();
    await feed(deliver(0, [0, null, '19:00:00']));
    expect(checkpointOf(store)).toMatchObject({ counters: { counted: 1, rejected: 0 } });
  });
});

group('late events', () => {
  test('are kept with the reason, the watermark and the windows they missed', async () => {
    const { store, feed, metrics } = scene();
    await feed(deliver(0, [0, 'a', '19:10:00'], [1, 'b', '19:00:40']));
    expect(keptOf(store, 'late')).toEqual([
      {
        offset: 1,
        timestamp: at('19:00:40'),
        reason: 'late: every window of the event had ended',
        time: '2026-01-08T19:00:40.000Z',
        watermark: '2026-01-08T19:09:30.000Z',
        missed: { '1m': '2026-01-08T19:00:00.000Z', '2m': expect.stringContaining('(4)') },
        groups: ['b'],
      },
    ]);
    expect(metrics['late']).toBe(1);
  });

  test('are judged the same however the log is cut', async () => {
    const log = [
      [0, 'a', '19:00:10'],
      [1, 'b', '19:10:00'],
      [2, 'c', '19:00:10'],
      [3, 'd', '19:09:00'],
    ] as const;
    const one = scene();
    await one.feed(deliver(0, ...log));
    const four = scene();
    for (const record of log) await four.feed(deliver(0, record));
    const counters = (store: typeof one.store) => checkpointOf(store)['counters'];
    expect(counters(four.store)).toEqual(counters(one.store));
    expect(keptOf(four.store, 'late')).toEqual(keptOf(one.store, 'late'));
  });
});

group('what is not for us', () => {
  test('a topic no pipeline reads is refused with the topics that are read, and nothing is counted', async () => {
    const { feed, store } = scene();
    const event = delivery('other', { 0: written([0, 'a', '19:00:00']) });
    const records = {
      ...(event as { records: object }).records,
      ...(deliver(0, [0, 'a', '19:00:00']) as { records: object }).records,
    };
    await expect(feed({ ...(event as object), records })).rejects.toMatchObject({
      code: 'BAD_EVENT',
      message: "no pipeline of this function reads topic 'other'; clicks reads clicks",
    });
    expect(store.dump('progress')).toEqual([]);
  });

  test.each([[null], ['text'], [{ Records: [] }], [{ eventSource: 'aws:kafka' }]])(
    '%j is no delivery',
    async (event) => {
      await expect(scene().feed(event)).rejects.toMatchObject({ code: 'BAD_EVENT' });
    },
  );

  test('a delivery without records is done', async () => {
    expect(await scene().feed({ eventSource: 'aws:kafka', records: {} })).toEqual({ batchItemFailures: [] });
  });
});

group('two pipelines that read one topic', () => {
  test('each count it', async () => {
    const text = kafka({
      topic: TOPIC,
      startAt: 'earliest',
      format: 'text',
      value: z.string(),
      eventTime: kafkaTimestamp,
    });
    const sizes = pipeline({
      name: 'sizes',
      revision: 1,
      source: text.map('size', (value) => ({ size: value.length > 50 ? 'long' : 'short' })),
      watermark: '1 minute',
      groupBy: ['size'],
      windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
      aggregate: { n: count() },
      orderBy: 'n',
      retain: '1 day',
    });
    const { store, feed } = scene({}, [clicks(), sizes]);
    await feed(deliver(0, [0, 'a', '19:00:00']));
    expect(checkpointOf(store, 0, 'clicks@1')).toMatchObject({ next: 1 });
    expect(checkpointOf(store, 0, 'sizes@1')).toMatchObject({ next: 1 });
  });
});

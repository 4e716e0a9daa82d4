import type { Producer } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { kafkaBroker } from '../../../lib/source/kafka-broker.ts';
import { clickSource, clicks } from '../../support/scene.ts';
import { START, click, clicksOf, endOf, expectedClicks } from '../../support/topic-clicks.ts';
import { topicWorld, type TopicHost } from '../../support/topic-host.ts';
import { sendTo, toKafkajs, until, type Sent } from '../../support/topic-servers.ts';

const world = topicWorld();
const windowsOf = (log: readonly Sent[]) => expectedClicks(log).windows;
const messagesIn = ({ logs }: TopicHost): readonly string[] => logs.map(({ message }) => message);

describe('retention removed unread records', () => {
  const deleteBefore = async (topic: string, offset: number): Promise<void> => {
    await world.servers.admin.fetchTopicOffsets(topic); // else kafkajs does not know the partition's leader
    await world.servers.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: `${offset}` }] });
  };

  test.each([
    ['as the next delivery tells', 'expired', false],
    ['as finalize saw before', 'expired-seen', true],
  ])('the gap is classified, and its windows are marked: %s', async (_, topic, isSeenFirst) => {
    const log = clicksOf(0, 300);
    const host = await world.hostOf(topic);
    await sendTo(world.servers, topic, log.slice(0, 100));
    await host.poll();
    await host.counted(100);
    await host.stop();
    await sendTo(world.servers, topic, log.slice(100, 200));
    await deleteBefore(topic, 150);
    if (isSeenFirst) await host.finalize();
    await sendTo(world.servers, topic, log.slice(200));
    await host.poll();
    await host.counted(250);

    const { windows, incomplete } = await host.settle();
    expect(windows).toEqual(windowsOf([...log.slice(0, 100), ...log.slice(150)]));
    const watermark = (log[99]?.timestamp ?? 0) - 30_000;
    const touched = [...windows.keys()].filter((id) => endOf(id) > watermark);
    expect(incomplete).toEqual(new Map(touched.map((id) => [id, 'partition 0, offsets 100 to 149: expired'])));
    expect(touched.length).toBeLessThan(windows.size);
    expect(messagesIn(host)).toContain('records were lost');
    expect(host.metrics['lostGaps']).toBeGreaterThan(0);
  });

  test('an idle partition whose last records are gone still closes, marked', async () => {
    const log = clicksOf(0, 100);
    const host = await world.hostOf('expired-tail');
    await sendTo(world.servers, 'expired-tail', log);
    await host.poll();
    await host.counted(100);
    await host.stop();
    await sendTo(world.servers, 'expired-tail', clicksOf(100, 120));
    await deleteBefore('expired-tail', 120);
    const { windows, incomplete } = await host.settle();
    expect(windows).toEqual(windowsOf(log));
    expect(new Set(incomplete.values())).toEqual(new Set(['partition 0, offsets 100 to 119: expired']));
  });
});

test('compaction leaves holes, which are no loss', async () => {
  const config = {
    'cleanup.policy': 'compact',
    'segment.ms': '1000', // of event time: each batch begins a segment, and all but the last are compacted
    'min.cleanable.dirty.ratio': '0.01',
    'max.compaction.lag.ms': '100',
  };
  const topic = 'compacted';
  const host = await world.hostOf(topic, { config });
  const five = (from: number, isUnique = false): Sent[] =>
    [0, 1, 2, 3, 4].map((i) => click(from + i, (from + i) * 2_000, { key: isUnique ? `only${from + i}` : `key${i}` }));
  const [read, gone, kept, newest, last] = [five(0), five(5), five(10, true), five(15), five(20, true)];
  await sendTo(world.servers, topic, read);
  await host.poll();
  await host.counted(5);
  await host.stop();
  for (const batch of [gone, kept, newest, last]) await sendTo(world.servers, topic, batch);
  const broker = kafkaBroker(world.servers.kafka.brokers, 'hostile');
  await until(async () => {
    const { records } = await broker.read(topic, 0, 0, 100);
    expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: 15 }, (_, i) => 10 + i));
  });
  await host.poll();
  await host.counted(20);
  const { windows, incomplete } = await host.settle();
  expect(windows).toEqual(windowsOf([...read, ...kept, ...newest, ...last]));
  expect([...incomplete]).toEqual([]);
  expect(messagesIn(host)).toContain('gap: records were never delivered');
  expect(messagesIn(host)).not.toContain('records were lost');

  const later = world.host(clicks({ name: 'compacted-later', source: clickSource({ topic }) }));
  await later.poll();
  await later.counted(15);
  expect((await later.settle()).windows).toEqual(windowsOf([...kept, ...newest, ...last]));
});

describe('transactions', () => {
  const transactional = async (id: string): Promise<Producer> => {
    const producer = world.servers.client.producer({ transactionalId: id, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    return producer;
  };
  const write = async (producer: Producer, topic: string, log: readonly Sent[]) => {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: log.map(toKafkajs) });
    return transaction;
  };

  test('aborted records do not count; markers and aborted records at the end hold nothing back', async () => {
    const topic = 'aborted';
    const host = await world.hostOf(topic);
    const [one, other] = await Promise.all([transactional('one'), transactional('other')]);
    const log = clicksOf(0, 90);
    await (await write(one, topic, log.slice(0, 10))).commit();
    await (await write(one, topic, log.slice(10, 30))).abort();
    // interleaved: one commits, the other aborts
    const [kept, dropped] = [await write(one, topic, log.slice(30, 50)), await write(other, topic, log.slice(50, 60))];
    await dropped.abort();
    await kept.commit();
    await (await write(one, topic, log.slice(60, 70))).commit();
    await (await write(other, topic, log.slice(70, 90))).abort();
    await Promise.all([one.disconnect(), other.disconnect()]);
    await host.poll({ batchSize: 5 }); // a delivery that ends before a marker leaves a gap
    await host.counted(40);

    const { windows, incomplete } = await host.settle();
    expect(windows).toEqual(windowsOf([...log.slice(0, 10), ...log.slice(30, 50), ...log.slice(60, 70)]));
    expect([...incomplete]).toEqual([]);
    expect(messagesIn(host)).toContain('gap: records were never delivered');
    expect(messagesIn(host)).not.toContain('records were lost');
    expect((await host.checkpoints())[0]?.next).toBeLessThan(90); // and the log ends 20 records and 6 markers later
  });

  test('an open transaction holds windows open until it ends, and then nothing is missing', async () => {
    const topic = 'open';
    const host = await world.hostOf(topic);
    const log = clicksOf(0, 60);
    const producer = await transactional('open');
    await sendTo(world.servers, topic, log.slice(0, 20));
    const open = await write(producer, topic, log.slice(20, 40));
    await sendTo(world.servers, topic, log.slice(40));
    await host.poll();
    await host.counted(20);
    const early = await host.settle();
    expect(early.windows.size).toBe(0);
    expect(await host.closed()).toBe(START + 19 * 2_000 - 30_000);
    await open.commit();
    await producer.disconnect();
    await host.counted(60);
    const { windows, incomplete } = await host.settle();
    expect(windows).toEqual(windowsOf(log));
    expect([...incomplete]).toEqual([]);
  });
});

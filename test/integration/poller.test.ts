import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Admin, Message, Producer } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

import { kafkaClient } from '../../lib/source/kafkajs.ts';
import type { MskEvent, MskRecord } from '../../localstack/msk-event.ts';
import { type Mapping, type Poller, startPoller } from '../../localstack/poller.ts';
import { type KafkaBroker, kafkaBroker } from '../support/kafka-broker.ts';

let kafka: KafkaBroker;
let admin: Admin;
let producer: Producer;
const pollers: Poller[] = [];

beforeAll(async () => {
  kafka = await kafkaBroker();
  const client = kafkaClient(kafka.brokers, 'test');
  admin = client.admin();
  producer = client.producer();
  await Promise.all([admin.connect(), producer.connect()]);
});

afterEach(async () => {
  await Promise.all(pollers.splice(0).map((poller) => poller.stop()));
});

afterAll(async () => {
  await Promise.allSettled([admin.disconnect(), producer.disconnect()]);
  await kafka.close();
});

const text = (record: MskRecord): string => Buffer.from(record.value ?? '', 'base64').toString();
const all = (event: MskEvent): MskRecord[] => Object.values(event.records).flat();

async function newTopic(partitions: number, config: Readonly<Record<string, string>> = {}): Promise<string> {
  const topic = `t-${randomUUID()}`;
  await admin.createTopics({
    topics: [
      {
        topic,
        numPartitions: partitions,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      },
    ],
  });
  return topic;
}

/** A poller whose deliveries are kept, in order; `answer` is the handler. */
function poll(
  topic: string,
  change: Partial<Mapping> = {},
  answer: (event: MskEvent, number: number) => unknown = () => undefined,
): { readonly events: MskEvent[]; readonly lines: string[]; readonly poller: Poller; readonly values: () => string[] } {
  const events: MskEvent[] = [];
  const lines: string[] = [];
  const poller = startPoller({
    brokers: kafka.brokers,
    mapping: {
      functionName: 'count',
      eventSourceArn: 'arn:aws:kafka:us-east-1:123456789012:cluster/c/1',
      topic,
      consumerGroupId: `g-${topic}`,
      batchSize: 100,
      batchingWindowMs: 50,
      startingPosition: { kind: 'TRIM_HORIZON' },
      partialBatchResponses: false,
      ...change,
    },
    invoke: async (event) => {
      events.push(event);
      return answer(event, events.length);
    },
    report: { line: (line) => lines.push(line), debug: () => undefined },
  });
  pollers.push(poller);
  return { events, lines, poller, values: () => events.flatMap(all).map(text) };
}

const send = (topic: string, messages: Message[]): Promise<unknown> => producer.send({ topic, messages, acks: -1 });
const numbered = (partition: number, from: number, to: number): Message[] =>
  Array.from({ length: to - from }, (_, index) => ({ partition, value: `${partition}:${from + index}` }));
const until = (check: () => void, timeout = 20_000): Promise<void> => vi.waitFor(check, { timeout, interval: 25 });

async function committed(topic: string): Promise<Record<number, string>> {
  const [found] = await admin.fetchOffsets({ groupId: `g-${topic}`, topics: [topic] });
  return Object.fromEntries(found?.partitions.map(({ partition, offset }) => [partition, offset]) ?? []);
}

test('a delivery carries several partitions, each in order, never more records than the batch size', async () => {
  const topic = await newTopic(3);
  for (const partition of [0, 1, 2]) await send(topic, numbered(partition, 0, 500));
  const { events, values } = poll(topic);
  await until(() => expect(values()).toHaveLength(1_500));
  expect(events.some(({ records }) => Object.keys(records).length > 1)).toBe(true);
  expect(Math.max(...events.map((event) => all(event).length))).toBe(100);
  for (const partition of [0, 1, 2]) {
    const seen = values().filter((value) => value.startsWith(`${partition}:`));
    expect(seen).toEqual(numbered(partition, 0, 500).map(({ value }) => value));
  }
});

test('an event has the form AWS documents', async () => {
  const topic = await newTopic(1);
  await send(topic, [
    { key: 'k', value: 'v', timestamp: '1545084650987', headers: { a: Buffer.from([104, 255]), b: ['x', 'y'] } },
    { key: null, value: null },
    { key: '', value: '' },
  ]);
  const { events } = poll(topic);
  await until(() => expect(events.flatMap(all)).toHaveLength(3));
  const [event] = events;
  expect(event).toMatchObject({
    eventSource: 'aws:kafka',
    eventSourceArn: 'arn:aws:kafka:us-east-1:123456789012:cluster/c/1',
    bootstrapServers: kafka.brokers.join(','),
  });
  expect(events.flatMap(({ records }) => records[`${topic}-0`] ?? [])).toEqual([
    {
      topic,
      partition: 0,
      offset: 0,
      timestamp: 1_545_084_650_987,
      timestampType: 'CREATE_TIME',
      key: 'aw==',
      value: 'dg==',
      headers: [{ a: [104, -1] }, { b: [120] }, { b: [121] }],
    },
    expect.objectContaining({ offset: 1, key: null, value: null, headers: [] }),
    expect.objectContaining({ offset: 2, key: '', value: '' }),
  ]);
});

test("a topic with the broker's own timestamps says so", async () => {
  const topic = await newTopic(1, { 'message.timestamp.type': 'LogAppendTime' });
  const before = Date.now();
  await send(topic, [{ value: 'v', timestamp: '1000' }]);
  const { events } = poll(topic);
  await until(() => expect(events.flatMap(all)).toHaveLength(1));
  const [record] = events.flatMap(all);
  expect(record?.timestampType).toBe('LOG_APPEND_TIME');
  expect(record?.timestamp).toBeGreaterThanOrEqual(before - 1_000);
});

test('no delivery is larger than what Lambda accepts', async () => {
  const topic = await newTopic(2);
  const value = 'x'.repeat(900_000); // 1.2 MB as base64
  for (const partition of [0, 1]) {
    for (let sent = 0; sent < 6; sent += 1) await send(topic, [{ partition, value }]);
  }
  const { events } = poll(topic, { batchSize: 10_000, batchingWindowMs: 3_000 });
  await until(() => expect(events.flatMap(all)).toHaveLength(12));
  const sizes = events.map((event) => JSON.stringify(event).length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(6_291_556);
  expect(Math.max(...sizes)).toBeGreaterThan(4_000_000);
});

test('a failed delivery is repeated as it was until it succeeds; only then is it committed', async () => {
  const topic = await newTopic(2);
  await send(topic, [...numbered(0, 0, 10), ...numbered(1, 0, 10)]);
  const commits: Record<number, string>[] = [];
  const { events, lines } = poll(topic, { batchingWindowMs: 500 }, async (_, number) => {
    commits.push(await committed(topic));
    if (number <= 3) throw new Error(`no ${number}`);
  });
  await until(() => expect(events).toHaveLength(4));
  expect(events.slice(1)).toEqual(Array.from({ length: 3 }, () => events[0]));
  expect(commits).toEqual(Array.from({ length: 4 }, () => ({ 0: '0', 1: '0' })));
  await vi.waitFor(async () => expect(await committed(topic)).toEqual({ 0: '10', 1: '10' }), { timeout: 5_000 });
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^count failed \(try 1; 10 of \S+-0, 10 of \S+-1 come again\): Error: no 1$/);
});

test('while a delivery fails its partition waits, and the others go on', async () => {
  const topic = await newTopic(2);
  let isHealthy = false;
  const { events, values } = poll(topic, { batchSize: 20 }, ({ records }) => {
    if (records[`${topic}-0`] && !isHealthy) throw new Error('not yet');
  });
  await send(topic, numbered(0, 0, 200));
  await until(() => expect(events.length).toBeGreaterThan(1));
  await send(topic, numbered(1, 0, 200));
  await until(() => expect(values()).toContain('1:199'));
  expect(values()).not.toContain('0:20');
  isHealthy = true;
  await until(() => expect(values()).toContain('0:199'));
  expect([...new Set(values().filter((value) => value.startsWith('0:')))]).toEqual(
    numbered(0, 0, 200).map(({ value }) => value),
  );
});

test('partial batch responses: each reported partition goes on from its lowest offset', async () => {
  const topic = await newTopic(2);
  await send(topic, [...numbered(0, 0, 5), ...numbered(1, 0, 5)]);
  const failure = (offset: number): unknown => ({ itemIdentifier: { partition: `${topic}-0`, offset } });
  const { events } = poll(topic, { partialBatchResponses: true, batchingWindowMs: 500 }, (_, number) =>
    number === 1 ? { batchItemFailures: [failure(4), failure(2)] } : { batchItemFailures: null },
  );
  await until(() => expect(events).toHaveLength(2));
  expect(events.map((event) => all(event).map(text))).toEqual([
    ['0:0', '0:1', '0:2', '0:3', '0:4', '1:0', '1:1', '1:2', '1:3', '1:4'],
    ['0:2', '0:3', '0:4'],
  ]);
  await vi.waitFor(async () => expect(await committed(topic)).toEqual({ 0: '5', 1: '5' }), { timeout: 5_000 });
});

test('LATEST begins at the end, stays there over a restart, and takes added partitions from their start', async () => {
  const topic = await newTopic(1);
  await send(topic, numbered(0, 0, 5));
  const first = poll(topic, { startingPosition: { kind: 'LATEST' } });
  await first.poller.ready;
  await first.poller.stop(); // before it delivered anything
  await send(topic, numbered(0, 5, 8));
  const second = poll(topic, { startingPosition: { kind: 'LATEST' } });
  await until(() => expect(second.values()).toEqual(['0:5', '0:6', '0:7']));
  await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
  // kafkajs drops, without a word, what a producer with older metadata sends to the new partition.
  const informed = kafkaClient(kafka.brokers, 'test').producer();
  await informed.connect();
  await informed.send({ topic, messages: numbered(1, 0, 3) });
  await informed.disconnect();
  await until(() => expect(second.values().slice(3)).toEqual(['1:0', '1:1', '1:2']));
  expect(first.events).toEqual([]);
});

test('AT_TIMESTAMP begins at the first record of that time', async () => {
  const topic = await newTopic(1);
  await send(
    topic,
    [1_000, 2_000, 3_000].map((at) => ({ partition: 0, value: String(at), timestamp: String(at) })),
  );
  const { values } = poll(topic, { startingPosition: { kind: 'AT_TIMESTAMP', atMs: 1_500 } });
  await until(() => expect(values()).toEqual(['2000', '3000']));
});

test('aborted transactions and markers are never delivered', async () => {
  const topic = await newTopic(1);
  const transactional = kafkaClient(kafka.brokers, 'tx').producer({
    transactionalId: topic,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await transactional.connect();
  for (const [name, ending] of [
    ['one', 'commit'],
    ['two', 'abort'],
    ['three', 'commit'],
  ] as const) {
    const transaction = await transactional.transaction();
    await transaction.send({ topic, messages: [{ partition: 0, value: name }] });
    await transaction[ending]();
  }
  await transactional.disconnect();
  const { events, values } = poll(topic);
  await until(() => expect(values()).toEqual(['one', 'three']));
  expect(events.flatMap(all).map(({ offset }) => offset)).toEqual([0, 4]);
});

test('a stopped poller leaves the group and another goes on where it ended', async () => {
  const topic = await newTopic(1);
  await send(topic, numbered(0, 0, 10));
  const first = poll(topic);
  await until(() => expect(first.values()).toHaveLength(10));
  await first.poller.stop();
  await send(topic, numbered(0, 10, 20));
  const started = Date.now();
  const second = poll(topic);
  await until(() => expect(second.values()).toEqual(numbered(0, 10, 20).map(({ value }) => value)));
  expect(Date.now() - started).toBeLessThan(4_000); // a member that had not left would hold the partition for 6 s
});

test('a second poller of the group shares the partitions; between them nothing is lost', async () => {
  const topic = await newTopic(2);
  const first = poll(topic);
  await first.poller.ready;
  const second = poll(topic);
  await second.poller.ready;
  await send(topic, [...numbered(0, 0, 50), ...numbered(1, 0, 50)]);
  await until(() => expect(new Set([...first.values(), ...second.values()]).size).toBe(100));
  await until(() => expect(second.values().length).toBeGreaterThan(0));
});

test('a handler that takes longer than the session loses neither the partition nor the order', async () => {
  const topic = await newTopic(1);
  await send(topic, numbered(0, 0, 30));
  const { events, values, lines } = poll(topic, { batchSize: 10 }, async (_, number) => {
    if (number === 1) await sleep(9_000);
  });
  await until(() => expect(values()).toHaveLength(30), 30_000);
  expect(values()).toEqual(numbered(0, 0, 30).map(({ value }) => value));
  expect(events).toHaveLength(3);
  expect(lines).toEqual([]);
});

test('stop ends within 3 s while the handler still runs, and what it had is delivered again', async () => {
  const topic = await newTopic(1);
  await send(topic, numbered(0, 0, 3));
  const first = poll(topic, {}, () => sleep(20_000, undefined, { ref: false }));
  await until(() => expect(first.events).toHaveLength(1));
  const started = Date.now();
  await first.poller.stop();
  expect(Date.now() - started).toBeLessThan(3_000);
  const second = poll(topic);
  await until(() => expect(second.values()).toEqual(['0:0', '0:1', '0:2']));
});

test('what succeeds while the poller is being stopped is committed', async () => {
  const topic = await newTopic(1);
  await send(topic, numbered(0, 0, 3));
  const { events, poller } = poll(topic, {}, () => sleep(500));
  await until(() => expect(events).toHaveLength(1));
  await poller.stop();
  expect(await committed(topic)).toEqual({ 0: '3' });
});

test('a missing topic is waited for and said once', async () => {
  const topic = `t-${randomUUID()}`;
  const { lines, values } = poll(topic);
  await until(() => expect(lines).toHaveLength(1));
  await sleep(3_000);
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await vi.waitFor(() => send(topic, numbered(0, 0, 3)), { timeout: 10_000, interval: 200 });
  await until(() => expect(values()).toEqual(['0:0', '0:1', '0:2']));
  expect(lines).toEqual([
    expect.stringMatching(new RegExp(`^count is not being fed: topic ${topic} at .* cannot be read`)),
    expect.stringContaining('answers again'),
  ]);
});

test('a broker that goes away and comes back is survived, said once', async () => {
  const topic = await newTopic(2);
  const { lines, values, poller } = poll(topic);
  await poller.ready;
  await send(topic, [...numbered(0, 0, 10), ...numbered(1, 0, 10)]);
  await until(() => expect(values()).toHaveLength(20));
  await kafka.down();
  await until(() => expect(lines).toHaveLength(1), 40_000);
  await kafka.up();
  await vi.waitFor(() => send(topic, [...numbered(0, 10, 20), ...numbered(1, 10, 20)]), {
    timeout: 30_000,
    interval: 500,
  });
  await until(() => expect(new Set(values()).size).toBe(40), 30_000);
  expect(lines).toEqual([expect.stringContaining('is not being fed'), expect.stringContaining('answers again')]);
}, 120_000);

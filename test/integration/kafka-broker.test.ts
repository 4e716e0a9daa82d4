import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { build } from 'esbuild';
import { type Admin, CompressionTypes, type Kafka, type Producer } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { systemClock } from '../../lib/runtime/clock.ts';
import { TidemarkError } from '../../lib/runtime/error.ts';
import type { ReadResult } from '../../lib/source/broker.ts';
import { kafkaBroker } from '../../lib/source/kafka-broker.ts';
import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { kafkaProducer } from '../../lib/source/producer.ts';
import { kafkaBroker as startKafka, type KafkaBroker } from '../support/kafka-broker.ts';

const group = 'broker-test-group';
const bound = 1_000;
let kafka: KafkaBroker;
let client: Kafka;
let admin: Admin;
let broker: ReturnType<typeof kafkaBroker>;

beforeAll(async () => {
  kafka = await startKafka();
  client = kafkaClient(kafka.brokers, 'broker-test');
  admin = client.admin();
  await admin.connect();
  broker = kafkaBroker(kafka.brokers, 'broker-test');
});
afterAll(async () => {
  await broker.close();
  await admin.disconnect();
  await kafka.close();
});

const createTopic = (topic: string, numPartitions = 1, config: Readonly<Record<string, string>> = {}) =>
  admin.createTopics({
    topics: [{ topic, numPartitions, configEntries: Object.entries(config).map(([name, value]) => ({ name, value })) }],
    waitForLeaders: true,
  });

const produce = async (topic: string, values: readonly string[]): Promise<void> => {
  const producer = kafkaProducer(kafka.brokers, 'broker-test');
  await producer.connect();
  await producer.send(
    topic,
    values.map((value, i) => ({ key: `k${i}`, value, timestamp: 1_000 + i })),
  );
  await producer.close();
};

const valuesOf = ({ records }: ReadResult) => records.map(({ value }) => atob(value ?? ''));
const read = async (topic: string, from: number, limit = bound) => {
  const result = await broker.read(topic, 0, from, limit);
  return { values: valuesOf(result), reached: result.reached };
};
const codeOf = (error: unknown) => (error instanceof TidemarkError ? error.code : error);

test('a fresh cluster, where no group has ever committed, answers within the bound', async () => {
  await createTopic('fresh', 3);
  const before = systemClock.monotonic();
  const none = { start: 0, end: 0, committed: undefined };
  expect(await broker.offsets('fresh', group)).toEqual(
    new Map([
      [0, none],
      [1, none],
      [2, none],
    ]),
  );
  expect(systemClock.monotonic() - before).toBeLessThan(5_000);
  expect((await admin.listGroups()).groups).toEqual([]); // and makes no group
});

test('a missing topic has no partitions, and is not created by the question', async () => {
  expect(await broker.offsets('missing', group)).toEqual(new Map());
  expect(await admin.listTopics()).not.toContain('missing');
  await expect(broker.read('missing', 0, 0, bound)).rejects.toSatisfy((e) => codeOf(e) === 'BROKER_UNREACHABLE');
});

test('records are read as Lambda would deliver them, from any offset, up to the limit', async () => {
  await createTopic('plain');
  await produce('plain', ['a', 'b', 'ж', 'd']);
  expect((await broker.read('plain', 0, 2, 1)).records).toEqual([
    { offset: 2, timestamp: 1_002, key: btoa('k2'), value: '0LY=' },
  ]);
  expect(await read('plain', 0, 2)).toEqual({ values: ['a', 'b'], reached: 2 });
  expect(await read('plain', 3)).toEqual({ values: ['d'], reached: 4 });
  expect(await read('plain', 4)).toEqual({ values: [], reached: 4 });
  expect(await read('plain', 9)).toEqual({ values: [], reached: 9 });
});

test("a group's commits are seen per partition; undefined where there is none", async () => {
  await createTopic('committed', 2);
  await produce(
    'committed',
    Array.from({ length: 20 }, (_, i) => `v${i}`),
  );
  await admin.setOffsets({ groupId: group, topic: 'committed', partitions: [{ partition: 1, offset: '3' }] });
  const offsets = await broker.offsets('committed', group);
  expect([...offsets.values()].reduce((sum, { end }) => sum + end, 0)).toBe(20);
  expect(offsets.get(0)?.committed).toBeUndefined();
  expect(offsets.get(1)?.committed).toBe(3);
});

test('a compressed batch is read; one of a codec kafkajs lacks is not passed over', async () => {
  await createTopic('gzip');
  const producer = client.producer();
  await producer.connect();
  const messages = Array.from({ length: 50 }, (_, i) => ({ value: `v${i}`.repeat(20) }));
  await producer.send({ topic: 'gzip', compression: CompressionTypes.GZIP, messages });
  await producer.disconnect();
  expect((await broker.read('gzip', 0, 48, bound)).records).toHaveLength(2);

  await createTopic('lz4', 1, { 'compression.type': 'lz4' }); // the broker compresses what it is sent
  await produce('lz4', ['a'.repeat(1_000), 'b']);
  expect(await read('lz4', 0)).toEqual({ values: [], reached: 0 });
  expect(await read('lz4', 2)).toEqual({ values: [], reached: 2 });
});

test('more than one fetch holds is read to the limit', async () => {
  await createTopic('large');
  for (let i = 0; i < 4; i++) await produce('large', [`${i}`.repeat(700_000)]);
  const { values, reached } = await read('large', 0, 3);
  expect(values.map((value) => value[0])).toEqual(['0', '1', '2']);
  expect(reached).toBe(3);
});

test('a log that begins later is read from its start', async () => {
  await createTopic('deleted');
  await produce('deleted', ['a', 'b', 'c', 'd']);
  await admin.fetchTopicOffsets('deleted'); // else kafkajs does not know the partition's leader
  await admin.deleteTopicRecords({ topic: 'deleted', partitions: [{ partition: 0, offset: '2' }] });
  expect((await broker.offsets('deleted', group)).get(0)).toEqual({ start: 2, end: 4, committed: undefined });
  expect(await read('deleted', 0)).toEqual({ values: ['c', 'd'], reached: 4 });
  await admin.deleteTopicRecords({ topic: 'deleted', partitions: [{ partition: 0, offset: '-1' }] });
  expect(await read('deleted', 0)).toEqual({ values: [], reached: 4 });
});

test('transactions: committed records are read, markers and aborted ones passed over, an open one is a stop', async () => {
  await createTopic('transactional');
  const [first, second] = await Promise.all([transactional('first'), transactional('second')]);
  const messages = (value: string) => ({ topic: 'transactional', messages: [{ value }] });

  // A coordinator answers before the partition has its marker, hence the polling.
  // oxlint-disable-next-line vitest/require-awaited-expect-poll -- every call of `reads` is awaited
  const reads = (from: number, expected: object) => expect.poll(() => read('transactional', from)).toEqual(expected);
  //        0  1  2:commit  3  4  5:abort  6:abort  7  8:commit  9:open
  // first  a  b     .      x                 .     e     .
  // second                    y     .                           z
  const one = await first.transaction();
  await one.send(messages('a'));
  await one.send(messages('b'));
  await one.commit();
  await reads(0, { values: ['a', 'b'], reached: 3 });
  await reads(2, { values: [], reached: 3 }); // a marker at the tail

  const [two, three] = [await first.transaction(), await second.transaction()];
  await two.send(messages('x'));
  await three.send(messages('y'));
  await three.abort();
  await expect.poll(async () => (await broker.offsets('transactional', group)).get(0)?.end).toBe(6);
  expect(await read('transactional', 3)).toEqual({ values: [], reached: 3 }); // the first one is still open
  await two.abort();
  await reads(0, { values: ['a', 'b'], reached: 7 });
  await reads(4, { values: [], reached: 7 }); // from within both

  const four = await first.transaction();
  await four.send(messages('e'));
  await four.commit();
  await reads(0, { values: ['a', 'b', 'e'], reached: 9 });
  const five = await second.transaction();
  await five.send(messages('z'));
  expect(await read('transactional', 0)).toEqual({ values: ['a', 'b', 'e'], reached: 9 });
  expect((await broker.offsets('transactional', group)).get(0)?.end).toBe(10); // the high watermark
  await five.abort();
  await reads(9, { values: [], reached: 11 });
  await Promise.all([first.disconnect(), second.disconnect()]);
});

async function transactional(transactionalId: string): Promise<Producer> {
  const producer = client.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  return producer;
}

test('between questions nothing is open and nothing runs', async () => {
  const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length;
  await admin.disconnect();
  await systemClock.sleep(300);
  const before = resources();
  await broker.offsets('plain', group);
  await broker.read('plain', 0, 0, bound);
  await systemClock.sleep(100);
  expect(resources()).toBeLessThanOrEqual(before);
  const cpu = process.cpuUsage();
  await systemClock.sleep(2_000);
  const { user, system } = process.cpuUsage(cpu);
  expect((user + system) / 1_000).toBeLessThan(60); // ms of 2 s
  await admin.connect();
});

test('a broker that is down is said to be, within the bound, and is found again when it is back', async () => {
  await admin.disconnect();
  await kafka.down();
  const before = systemClock.monotonic();
  const error = await broker.offsets('plain', group).catch((error: unknown) => error);
  expect(systemClock.monotonic() - before).toBeLessThan(5_000);
  expect(codeOf(error)).toBe('BROKER_UNREACHABLE');
  expect(String(error)).toContain(`asking ${kafka.brokers.join()} for the offsets of topic 'plain'`);
  expect((error as Error).cause).toBeInstanceOf(Error);

  const waiting = broker.read('plain', 0, 0, bound);
  await Promise.all([expect(broker.close().then(() => waiting)).rejects.toThrow(/ECONNREFUSED|closed/), kafka.up()]);
  expect((await broker.read('plain', 0, 0, bound)).records).toHaveLength(4);
  await admin.connect();
});

test('a named broker that accepts and never answers costs a part of the bound; alone, all of it', async () => {
  const { server, address, sockets } = await silentServer();
  const withReal = kafkaBroker([address, ...kafka.brokers], 'broker-test');
  expect((await withReal.read('plain', 0, 0, bound)).records).toHaveLength(4);

  const before = systemClock.monotonic();
  const error = await kafkaBroker([address], 'broker-test')
    .offsets('plain', group)
    .catch((error: unknown) => error);
  expect(systemClock.monotonic() - before).toBeLessThan(5_000);
  expect(codeOf(error)).toBe('BROKER_UNREACHABLE');
  await systemClock.sleep(100);
  expect([...sockets].filter((socket) => !socket.destroyed)).toEqual([]);
  server.close();
});

async function silentServer(): Promise<{ server: Server; address: string; sockets: ReadonlySet<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined).resume()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found = server.address();
  return { server, address: `127.0.0.1:${typeof found === 'object' ? found?.port : found}`, sockets };
}

test('it runs bundled, from a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bundle-'));
  const outfile = join(folder, 'index.mjs');
  const contents = `
    import { kafkaBroker } from './lib/source/kafka-broker.ts';
    const broker = kafkaBroker(process.argv.slice(2), 'bundled');
    const missing = await broker.read('missing', 0, 0, 1).catch(({ code }) => code);
    console.log(JSON.stringify([[...(await broker.offsets('plain', 'g'))], await broker.read('plain', 0, 3, 1), missing]));
  `;
  await build({
    stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: true,
    mainFields: ['module', 'main'],
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  });
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [outfile, ...kafka.brokers]);
  expect(JSON.parse(stdout)).toEqual([
    [[0, { start: 0, end: 4 }]],
    { records: [{ offset: 3, timestamp: 1_003, key: btoa('k3'), value: btoa('d') }], reached: 4 },
    'BROKER_UNREACHABLE',
  ]);
  expect(stderr).toBe('');
  await rm(folder, { recursive: true });
});

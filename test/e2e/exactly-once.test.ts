import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, Producer } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seeded } from '../../lib/pipelines/random.ts';
import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';
import { fiveLogs, type KnownLog } from '../support/five-logs.ts';
import { freePort, kafkaBroker, type KafkaBroker } from '../support/kafka-broker.ts';
import { startOfflineHost, type OfflineHost } from '../support/offline-host.ts';
import { parquetRows, stored, type Stored } from '../support/stored.ts';

const MESSAGES = 20_000;
const KILLS = 5;
/** How long the logs take to be produced: long enough for every kill to fall into it. */
const PRODUCE_MS = 45_000;
const HOUR_MS = 3_600_000;

const logs = fiveLogs(Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS, MESSAGES);

let kafka: KafkaBroker;
let dynamodb: Dynoxide;
let folder: string;
let tables: Stored;
let admin: Admin;

/** All five pipelines in one host, which is killed again and again while their logs are produced. */
beforeAll(async () => {
  [kafka, dynamodb] = await Promise.all([kafkaBroker(), startDynoxide()]);
  folder = await mkdtemp(join(tmpdir(), 'tidemark-e2e-'));
  const names = {
    buckets: 'tidemark-dev-buckets',
    progress: 'tidemark-dev-progress',
    results: 'tidemark-dev-results',
  };
  tables = stored(dynamodbStore(dynamodb.client(), names));
  admin = kafkaClient(kafka.brokers, 'e2e').admin();
  await admin.connect();
  const env = {
    KAFKA_BROKERS: kafka.brokers.join(','),
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
    AWS_REGION: 'eu-central-1',
    LAMBDA_PORT: String(await freePort()),
    SINK_URL: `file:${folder}`,
    TIDEMARK_SCHEDULES: 'finalize', // no mock messages: the logs are ours
  };
  let host: OfflineHost = startOfflineHost(env);
  await until('every group has its position', async () => (await Promise.all(logs.map(hasPosition))).every(Boolean));

  const random = seeded(Date.now() % 1_000_000);
  const produced = Promise.all(logs.map(produce));
  for (let kill = 0; kill < KILLS; kill++) {
    const before = await countedSoFar();
    await until('something is counted after a kill', async () => (await countedSoFar()) > before);
    await sleep(random() * 1_500);
    await host.kill();
    host = startOfflineHost(env);
  }
  await produced;
  await until('everything is counted', async () => (await Promise.all(logs.map(isCounted))).every(Boolean)).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}\n${host.output().slice(-4_000)}`);
    },
  );
  await host.stop();

  // An hour later by the clock that a test may push: everything is idle, and the last windows close.
  Object.assign(process.env, env, {
    TIDEMARK_TEST_CLOCK: '1',
    LOG_LEVEL: 'ERROR',
    POWERTOOLS_METRICS_DISABLED: 'true',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  });
  const { handler } = (await import('../../functions/finalize.ts')) as {
    handler: (event: unknown, context: unknown) => Promise<void>;
  };
  for (const { pipeline } of logs) await handler({ pipeline, now: Date.now() + HOUR_MS }, {});
}, 240_000);

afterAll(async () => {
  await admin?.disconnect();
  await Promise.all([kafka?.close(), dynamodb?.stop(), rm(folder, { recursive: true, force: true })]);
});

describe.each(logs)('$pipeline, its functions killed again and again', (known) => {
  const { pipeline, partitions, expected } = known;

  test('every row is exact', async () => {
    const windows = await tables.windows(pipeline);
    expect([...windows.keys()].sort()).toEqual([...expected.windows.keys()].sort());
    for (const [id, rows] of expected.windows) expect(windows.get(id), id).toEqual(rows);
  });

  test('late and rejected records are kept, each once, and every record is accounted for', async () => {
    const kept = await tables.kept(pipeline, partitions);
    expect(kept.late.sort()).toEqual([...expected.late].sort());
    expect(kept.rejected.sort()).toEqual([...expected.rejected].sort());
    const counters = (await tables.checkpoints(pipeline, partitions)).map(
      ({ counters }) => counters as Record<string, number>,
    );
    const sum = (name: string): number => counters.reduce((total, counter) => total + (counter[name] ?? 0), 0);
    expect([sum('counted'), sum('records')]).toEqual([expected.counted, known.log.length]);
  });
});

test('the files of the side output hold each suspicious transaction once', async () => {
  const { sideOutput = [] } = logs.find(({ pipeline }) => pipeline === 'transactions') ?? {};
  expect(sideOutput.length).toBeGreaterThan(100);
  const rows = await parquetRows(join(folder, 'transactions@1', 'suspicious', '*.parquet'));
  expect(rows.sort()).toEqual([...sideOutput].sort());
});

test('the snapshot of running totals shows the first hundred of them', async () => {
  const [snapshot] = await tables.items('results', 'tweets@1/all/live');
  const all = logs.find(({ pipeline }) => pipeline === 'tweets')?.expected.windows.get('all') ?? [];
  const shown = (snapshot?.['rows'] ?? []) as { word: string; word_count: number }[];
  const rows = shown.map(({ word, word_count }) => [word, `${word_count}`]);
  expect(rows).toEqual(all.slice(0, 100));
  expect(snapshot?.['key_count']).toBe(all.length);
});

async function produce({ topic, log }: KnownLog): Promise<void> {
  const producer: Producer = kafkaClient(kafka.brokers, 'e2e').producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const step = log.length / 100;
  for (let i = 0; i < log.length; i += step) {
    const messages = log
      .slice(i, i + step)
      .map(({ partition, key, value, timestamp }) => ({ partition, key, value, timestamp: String(timestamp) }));
    await producer.send({ topic, acks: -1, messages });
    await sleep(PRODUCE_MS / 100);
  }
  await producer.disconnect();
}

/** Whether the consumer group knows where every partition begins: under LATEST, what is produced before is not counted. */
async function hasPosition({ pipeline, topic, partitions }: KnownLog): Promise<boolean> {
  const found = await admin.fetchOffsets({ groupId: `tidemark-dev-${pipeline}`, topics: [topic] }).catch(() => []);
  return found.flatMap((of) => of.partitions).filter(({ offset }) => Number(offset) >= 0).length === partitions;
}

/** Records whose commits are stored, of all pipelines. */
async function countedSoFar(): Promise<number> {
  const found = await Promise.all(logs.map(({ pipeline, partitions }) => tables.checkpoints(pipeline, partitions)));
  return found.flat().reduce((sum, { next }) => sum + Number(next ?? 0), 0);
}

async function isCounted({ pipeline, partitions, log }: KnownLog): Promise<boolean> {
  const checkpoints = await tables.checkpoints(pipeline, partitions);
  const ends = Array.from({ length: partitions }, (_, p) => log.filter(({ partition }) => partition === p).length);
  return ends.every((end, partition) => checkpoints[partition]?.['next'] === end);
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + 90_000;
  while (!(await isTrue())) {
    if (Date.now() > limit) throw new Error(`not within 90 s: ${what}`);
    await sleep(250);
  }
}

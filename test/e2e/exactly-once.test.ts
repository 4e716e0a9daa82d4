import { setTimeout as sleep } from 'node:timers/promises';
import type { Producer } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { seeded } from '../../lib/pipelines/random.ts';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import { pagesOf } from '../../lib/store/drain.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import type { Item, Store, Table } from '../../lib/store/store.ts';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';
import { freePort, kafkaBroker, type KafkaBroker } from '../support/kafka-broker.ts';
import { startOfflineHost, type OfflineHost } from '../support/offline-host.ts';
import { expectedOf, telegramLog, type LogMessage } from '../support/telegram-log.ts';

const TOPIC = 'telegram_messages';
const GROUP = 'tidemark-dev-telegram';
const MESSAGES = 20_000;
const KILLS = 5;
/** How long the log takes to be produced: long enough for every kill to fall into it. */
const PRODUCE_MS = 45_000;

let kafka: KafkaBroker;
let dynamodb: Dynoxide;
let store: Store;

beforeAll(async () => {
  [kafka, dynamodb] = await Promise.all([kafkaBroker(), startDynoxide()]);
  store = dynamodbStore(dynamodb.client(), {
    buckets: 'tidemark-dev-buckets',
    progress: 'tidemark-dev-progress',
    results: 'tidemark-dev-results',
  });
});

afterAll(async () => {
  await Promise.all([kafka?.close(), dynamodb?.stop()]);
});

test('20,000 messages, the functions killed again and again: every row is exact', async () => {
  const random = seeded(Date.now() % 1_000_000);
  const env = {
    KAFKA_BROKERS: kafka.brokers.join(','),
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
    AWS_REGION: 'eu-central-1',
    LAMBDA_PORT: String(await freePort()),
    PIPELINES: 'telegram',
    TIDEMARK_SCHEDULES: 'finalize', // no mock messages: the log is ours
  };
  const log = telegramLog(20_000, MESSAGES, Math.floor(Date.now() / 3_600_000) * 3_600_000 - 7_200_000, 2);
  let host: OfflineHost = startOfflineHost(env);
  await until('the group has a position', () => groupOffsets().then((offsets) => offsets.length === 2));

  const produced = produce(log);
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(2_000 + random() * 4_000);
    await host.kill();
    host = startOfflineHost(env);
  }
  await produced;
  const ends = [0, 1].map((partition) => log.filter((message) => message.partition === partition).length);
  await until('everything is counted', async () => {
    const counters = await checkpoints();
    return ends.every((end, partition) => counters[partition]?.['next'] === end);
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${host.output().slice(-4_000)}`);
  });
  await host.stop();

  // Twenty minutes later by the clock that a test may push: everything is idle, and the last windows close.
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
  await handler({ pipeline: 'telegram', now: Date.now() + 1_200_000 }, {});

  const expected = expectedOf(log);
  const windows = new Map<string, unknown>();
  for (const kind of ['1m', '10m']) {
    for (const directory of await items('results', `telegram@1/${kind}`)) {
      const start = String(directory['row_id']);
      const rows = await items('results', `telegram@1/${kind}/${start}`);
      windows.set(
        `${kind} ${start}`,
        rows.map(({ username = null, message_count }) => ({ username, message_count })),
      );
      expect(directory['key_count']).toBe(rows.length);
    }
  }
  expect([...windows.keys()].sort()).toEqual([...expected.windows.keys()].sort());
  for (const [id, rows] of expected.windows) expect(windows.get(id), id).toEqual(rows);

  const kept = { late: [] as string[], rejected: [] as string[] };
  for (const partition of [0, 1]) {
    for (const item of await items('buckets', `telegram@1#p${partition}`)) {
      const kind = String(item['sk']).startsWith('late#')
        ? 'late'
        : String(item['sk']).startsWith('rejected#')
          ? 'rejected'
          : undefined;
      if (kind)
        for (const { offset } of item['entries'] as { offset: number }[]) kept[kind].push(`${partition}:${offset}`);
    }
  }
  expect(kept.late.sort()).toEqual([...expected.late].sort());
  expect(kept.rejected.sort()).toEqual([...expected.rejected].sort());
  const counters = (await checkpoints()).map(({ counters }) => counters as Record<string, number>);
  expect(counters.reduce((sum, { counted = 0 }) => sum + counted, 0)).toBe(expected.counted);
}, 240_000);

async function produce(log: readonly LogMessage[]): Promise<void> {
  const producer: Producer = kafkaClient(kafka.brokers, 'e2e').producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const step = 200;
  for (let i = 0; i < log.length; i += step) {
    const messages = log
      .slice(i, i + step)
      .map(({ partition, key, value, timestamp }) => ({ partition, key, value, timestamp: String(timestamp) }));
    await producer.send({ topic: TOPIC, acks: -1, messages });
    await sleep((PRODUCE_MS * step) / log.length);
  }
  await producer.disconnect();
}

async function groupOffsets(): Promise<number[]> {
  const admin = kafkaClient(kafka.brokers, 'e2e').admin();
  try {
    await admin.connect();
    const [topic] = await admin.fetchOffsets({ groupId: GROUP, topics: [TOPIC] });
    return (topic?.partitions ?? []).map(({ offset }) => Number(offset)).filter((offset) => offset >= 0);
  } catch {
    return [];
  } finally {
    await admin.disconnect();
  }
}

async function checkpoints(): Promise<Item[]> {
  const found = await Promise.all([0, 1].map((partition) => items('progress', `telegram@1#p${partition}`)));
  return found.flat();
}

async function items(table: Table, partition: string): Promise<Item[]> {
  const all: Item[] = [];
  const retry = { clock: systemClock, random: () => 0, deadline: Number.POSITIVE_INFINITY };
  for await (const page of pagesOf(store, { table, partition }, retry)) all.push(...page);
  return all;
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + 90_000;
  while (!(await isTrue())) {
    if (Date.now() > limit) throw new Error(`not within 90 s: ${what}`);
    await sleep(250);
  }
}

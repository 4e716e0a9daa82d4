import { ConfigResourceTypes, type Kafka, type KafkaMessage } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emit } from '../../lib/emit.ts';
import { seeded } from '../../lib/pipelines/random.ts';
import { telegramMock } from '../../lib/pipelines/telegram-mock.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { kafkaProducer } from '../../lib/source/producer.ts';
import { kafkaBroker, type KafkaBroker } from '../support/kafka-broker.ts';

const topic = telegramMock.topic.name;
let broker: KafkaBroker;
let client: Kafka;

beforeAll(async () => {
  broker = await kafkaBroker();
  client = kafkaClient(broker.brokers, 'emit-test');
});
afterAll(() => broker.close());

/** What emitting needs, and the warnings it logs. */
function runtime() {
  const warnings: string[] = [];
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: quiet, warn: (message: string) => void warnings.push(message), error: quiet };
  const producer = () => kafkaProducer(broker.brokers, 'emit-test');
  return { warnings, clock: systemClock, random: seeded(7), log, producer };
}

const withAdmin = async <T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> => {
  const admin = client.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
};

/** Every message of the topic, with its partition. */
async function readAll(count: number): Promise<{ partition: number; message: KafkaMessage }[]> {
  const found: { partition: number; message: KafkaMessage }[] = [];
  const consumer = client.consumer({ groupId: 'emit-test-reader' });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          if (found.push({ partition, message }) === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return found;
}

test('the missing topic is created, and messages arrive with their keys', async () => {
  const fast = { ...telegramMock, everyMs: 20 };
  const [emitted] = await emit({ pipeline: 'telegram', seconds: 2 }, [fast], runtime());
  expect(emitted?.messages).toBeGreaterThan(100);

  const { topics, entries } = await withAdmin(async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    return { topics, entries: resources[0]?.configEntries ?? [] };
  });
  expect(topics[0]?.partitions).toHaveLength(2);
  expect(entries.find(({ configName }) => configName === 'message.timestamp.after.max.ms')?.configValue).toBe('300000');

  const found = await readAll(emitted?.messages ?? 0);
  const keyed = found.map(({ partition, message }) => ({ partition, key: message.key?.toString() }));
  const places = new Set(
    keyed.filter(({ key }) => key !== undefined).map(({ key, partition }) => `${key} in ${partition}`),
  );
  expect(places.size).toBe(10); // ten users, each in one partition
  expect(keyed.some(({ key }) => key === undefined)).toBe(true); // and some whom nobody knows
  const alice = found.find(({ message }) => message.key?.toString() === '100001' && message.value !== null);
  expect(alice?.message.value?.toString()).toContain('"username":"alice"');
});

test('a broker that is absent for the first seconds costs a few retries', async () => {
  await broker.down();
  const world = runtime();
  const emitting = emit({ seconds: 1 }, [telegramMock], world);
  const starting = systemClock.sleep(2_500).then(() => broker.up());
  const [emitted] = await Promise.all([emitting, starting]);
  expect(emitted).toEqual([{ pipeline: 'telegram', messages: 6 }]);
  expect(world.warnings.length).toBeGreaterThanOrEqual(2);
  expect(world.warnings.length).toBeLessThanOrEqual(5);
  expect(new Set(world.warnings)).toEqual(new Set(['Kafka not reachable, trying again']));
});

test('a broker that restarts on the way loses nothing that was acknowledged', async () => {
  const before = await logEnd();
  const emitting = emit({ seconds: 10 }, [telegramMock], runtime());
  const restarting = systemClock
    .sleep(2_000)
    .then(() => broker.down())
    .then(() => broker.up());
  const [[emitted]] = await Promise.all([emitting, restarting]);
  expect(emitted?.messages).toBeGreaterThan(15); // what was sent before
  // At least once: a batch whose acknowledgement was lost is sent again.
  expect((await logEnd()) - before).toBeGreaterThanOrEqual(emitted?.messages ?? Infinity);
});

/** Records in the topic. */
async function logEnd(): Promise<number> {
  const ends = await withAdmin((admin) => admin.fetchTopicOffsets(topic));
  return ends.reduce((sum, { high }) => sum + Number(high), 0);
}

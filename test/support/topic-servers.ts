import { readFile } from 'node:fs/promises';
import type { Admin, IHeaders, Kafka, Message, RecordMetadata } from 'kafkajs';
import { vi } from 'vitest';
import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import type { Store, Table } from '../../lib/store/store.ts';
import { createTables, tableDefinitions } from '../../lib/store/tables.ts';
import type { LogMessage } from './brute-force.ts';
import { startDynoxide } from './dynoxide.ts';
import { kafkaBroker, type KafkaBroker } from './kafka-broker.ts';

/** A real Kafka and a real DynamoDB engine with its three tables. */
export interface TopicServers {
  readonly kafka: KafkaBroker;
  readonly client: Kafka;
  readonly admin: Admin;
  readonly store: Store;
  close(): Promise<void>;
}

/** Compaction looks around every 15 s otherwise. */
const QUICK_CLEANER = 'log.cleaner.backoff.ms=200\n';

export async function startServers(): Promise<TopicServers> {
  const [kafka, dynoxide] = await Promise.all([kafkaBroker(QUICK_CLEANER), startDynoxide()]);
  const definitions = tableDefinitions(await readFile('serverless.yml', 'utf8'), {});
  await createTables(dynoxide.client(), definitions);
  const names = Object.fromEntries(definitions.map(({ table, name }) => [table, name])) as Record<Table, string>;
  const client = kafkaClient(kafka.brokers, 'hostile');
  const admin = client.admin();
  await admin.connect();
  return {
    kafka,
    client,
    admin,
    store: dynamodbStore(dynoxide.client(), names),
    close: async () => {
      await admin.disconnect();
      await Promise.all([kafka.close(), dynoxide.stop()]);
    },
  };
}

export async function createTopic(
  { admin }: TopicServers,
  topic: string,
  partitions = 1,
  config: Readonly<Record<string, string>> = {},
): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: true });
}

/** What is sent: a message of a known log, and what no count depends on. */
export type Sent = LogMessage & { readonly headers?: IHeaders };

/**
 * Sends once, as soon as the partitions are there, by a producer that knows the topic as it is now: kafkajs' memory of
 * partitions is minutes old.
 */
export async function sendTo(
  { admin, client }: TopicServers,
  topic: string,
  messages: readonly Sent[],
): Promise<RecordMetadata[]> {
  const needed = Math.max(...messages.map(({ partition }) => partition));
  await until(async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const led = topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0;
    if (led <= needed) throw new Error(`${topic} has ${led} partitions, ${needed + 1} are needed`);
  });
  const producer = client.producer();
  await producer.connect();
  const sent: RecordMetadata[] = [];
  // One by one: when one of several partitions refuses, kafkajs sends to all of them again.
  for (const part of Map.groupBy(messages, ({ partition }) => partition).values()) {
    sent.push(...(await producer.send({ topic, acks: -1, messages: part.map(toKafkajs) })));
  }
  await producer.disconnect();
  return sent;
}

export const toKafkajs = ({ partition, key, value, timestamp, headers }: Sent): Message => ({
  partition,
  key,
  value,
  timestamp: `${timestamp}`,
  ...(headers && { headers }),
});

export const until = (check: () => Promise<void> | void, timeout = 40_000): Promise<void> =>
  vi.waitFor(check, { timeout, interval: 100 });

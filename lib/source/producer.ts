import { Partitioners, type KafkaConfig } from 'kafkajs';
import { kafkaClient, type KafkaAuth } from './kafkajs.ts';

/** A record to produce. */
export interface Message {
  /** Decides the partition; null for any. */
  readonly key: string | null;
  /** Null is a tombstone. */
  readonly value: string | null;
  /** Kafka timestamp in ms; the time of sending when absent. */
  readonly timestamp?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One connection to Kafka that sends. */
export interface Producer {
  /** Connects, or rejects at once: how often to try again is the caller's to say. */
  connect(): Promise<void>;
  /** Creates the topic when it is missing; an existing one is left as it is. @returns whether it was created. */
  ensureTopic(name: string, partitions: number): Promise<boolean>;
  /** Resolves when every in-sync replica has the messages. */
  send(topic: string, messages: readonly Message[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * How far a producer's clock may run ahead of the broker's in topics we create, so that a record's timestamp bounds its
 * event time (semantics S6).
 */
const MAX_AHEAD_MS = 300_000;

/** A {@link Producer} by kafkajs. */
export function kafkaProducer(brokers: readonly string[], clientId: string, auth: KafkaAuth = {}): Producer {
  // kafkajs holds a failing connect for ten seconds. That is right on the way, where it lets a broker restart; the first
  // connect is the admin's, with one try per address, and says at once what is wrong.
  const once: KafkaAuth & Pick<KafkaConfig, 'retry'> = {
    ...auth,
    retry: { retries: brokers.length - 1, initialRetryTime: 50 },
  };
  const admin = kafkaClient(brokers, clientId, once).admin();
  const producer = kafkaClient(brokers, clientId, auth).producer({
    allowAutoTopicCreation: false, // a topic has the partitions its pipeline says
    createPartitioner: Partitioners.DefaultPartitioner, // as Java's clients: murmur2 of the key
  });
  return {
    async connect() {
      await admin.connect();
      await producer.connect();
    },
    async ensureTopic(name, partitions) {
      // Asked first, because a principal may use a topic that it may not create.
      if ((await admin.listTopics()).includes(name)) return false;
      const configEntries = [{ name: 'message.timestamp.after.max.ms', value: `${MAX_AHEAD_MS}` }];
      return admin.createTopics({ topics: [{ topic: name, numPartitions: partitions, configEntries }] });
    },
    async send(topic, messages) {
      await producer.send({ topic, acks: -1, messages: messages.map(toKafkajs) });
    },
    async close() {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

const toKafkajs = ({ key, value, timestamp, headers }: Message) => ({
  key,
  value,
  ...(timestamp === undefined ? {} : { timestamp: `${timestamp}` }),
  ...(headers === undefined ? {} : { headers: { ...headers } }),
});

import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../../lib/pipelines/random.ts';
import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { fiveStreams, messageOf, type Stream } from '../support/five-logs.ts';

/** Messages on their way. */
export interface Traffic {
  /** Messages Kafka acknowledged, by topic. */
  readonly acknowledged: ReadonlyMap<string, number>;
  /** Requests that failed for good: nobody knows whether their messages are in the topic. */
  failures(): number;
  /** Resolves when the last message is acknowledged. */
  readonly done: Promise<unknown>;
}

const STEP_MS = 200;
/** Messages of one request: what an outage held up follows in portions. */
const PORTION = 1_000;

/** Produces all topics evenly for a while, with event times around now; what an outage held up is made up for. */
export function startTraffic(brokers: readonly string[], perSecond: number, forMs: number): Traffic {
  const acknowledged = new Map<string, number>();
  let failures = 0;
  const begun = performance.now();
  const feed = async (stream: Stream, index: number): Promise<void> => {
    const { topic } = stream;
    const random = seeded(index + 1);
    const perMs = perSecond / fiveStreams.length / 1000;
    let producer = await connected(brokers);
    let made = 0;
    while (made < Math.floor(forMs * perMs)) {
      const due = Math.floor(Math.min(performance.now() - begun, forMs) * perMs) - made;
      const portion = Math.min(due, PORTION);
      const messages = Array.from({ length: portion }, () => {
        const { partition, key, value, timestamp } = messageOf(stream, random, Date.now(), made++);
        return { partition, key, value, timestamp: `${timestamp}` };
      });
      try {
        if (portion > 0) await producer.send({ topic, acks: -1, messages });
        acknowledged.set(topic, (acknowledged.get(topic) ?? 0) + portion);
      } catch {
        failures++;
        await producer.disconnect().catch(() => undefined);
        producer = await connected(brokers);
      }
      if (due < PORTION) await sleep(STEP_MS);
    }
    await producer.disconnect();
  };
  return { acknowledged, failures: () => failures, done: Promise.all(fiveStreams.map(feed)) };
}

/** An idempotent producer repeats a request by itself, for as long as a broker is away, without doubling it. */
async function connected(brokers: readonly string[]) {
  for (;;) {
    const producer = kafkaClient(brokers, 'soak').producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
    });
    try {
      await producer.connect();
      return producer;
    } catch {
      await producer.disconnect().catch(() => undefined);
      await sleep(1_000);
    }
  }
}

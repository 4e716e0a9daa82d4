import { kafkaClient } from '../../lib/source/kafkajs.ts';
import type { Stream } from '../support/five-logs.ts';
import type { Expected } from '../support/brute-force.ts';

/** What the topic of a stream must come to. */
export interface Answer {
  readonly stream: Stream;
  readonly expected: Expected;
  readonly sideOutput: readonly (readonly string[])[];
  /** Where each partition ends. */
  readonly ends: readonly number[];
}

/** Reads a whole topic back, message by message, into the oracle: what Kafka kept is what counts. */
export async function answerOf(brokers: readonly string[], stream: Stream, ends: readonly number[]): Promise<Answer> {
  const oracle = stream.oracle();
  const sideOutput: (readonly string[])[] = [];
  const left = new Set(ends.flatMap((end, partition) => (end > 0 ? [partition] : [])));
  const whole = Promise.withResolvers<void>();
  const consumer = kafkaClient(brokers, 'soak').consumer({ groupId: `soak-${stream.pipeline}` });
  consumer.on(consumer.events.CRASH, ({ payload }) => whole.reject(payload.error));
  await consumer.connect();
  await consumer.subscribe({ topic: stream.topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const value = message.value?.toString() ?? null;
      const name = `${partition}:${message.offset}`;
      const timestamp = Number(message.timestamp);
      const isRejected = oracle.add({ partition, key: message.key?.toString() ?? null, value, timestamp, name });
      const row = isRejected ? undefined : stream.sideRow?.(value);
      if (row) sideOutput.push([name, ...row]);
      if (Number(message.offset) + 1 === ends[partition]) left.delete(partition);
      if (left.size === 0) whole.resolve();
    },
  });
  try {
    await whole.promise;
  } finally {
    await consumer.disconnect();
  }
  return { stream, expected: oracle.expected(), sideOutput, ends };
}

import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { fiveStreams } from '../support/five-logs.ts';
import type { Stored } from '../support/stored.ts';

/** An offset for each partition, by topic. */
export type Offsets = ReadonlyMap<string, readonly number[]>;

/** Whether every pipeline's consumer group knows where each partition begins: LATEST counts from there. */
export async function arePositioned(brokers: readonly string[]): Promise<boolean> {
  const admin = kafkaClient(brokers, 'soak').admin();
  await admin.connect();
  const found = await Promise.all(
    fiveStreams.map(async ({ pipeline, topic, partitions }) => {
      const of = await admin.fetchOffsets({ groupId: `tidemark-dev-${pipeline}`, topics: [topic] }).catch(() => []);
      return of.flatMap((one) => one.partitions).filter(({ offset }) => Number(offset) >= 0).length === partitions;
    }),
  );
  await admin.disconnect();
  return found.every(Boolean);
}

/** Where every partition ends. */
export async function endsOf(brokers: readonly string[]): Promise<Offsets> {
  const admin = kafkaClient(brokers, 'soak').admin();
  await admin.connect();
  const found = await Promise.all(
    fiveStreams.map(async ({ topic }) => {
      const offsets = await admin.fetchTopicOffsets(topic);
      return [topic, offsets.toSorted((a, b) => a.partition - b.partition).map(({ high }) => Number(high))] as const;
    }),
  );
  await admin.disconnect();
  return new Map(found);
}

/** Up to where every partition is counted, by the stored checkpoints. */
export async function countedOffsets(tables: Stored): Promise<Offsets> {
  const found = await Promise.all(
    fiveStreams.map(async ({ pipeline, topic, partitions }) => {
      const checkpoints = await tables.checkpoints(pipeline, partitions);
      return [topic, checkpoints.map((checkpoint) => Number(checkpoint['next'] ?? 0))] as const;
    }),
  );
  return new Map(found);
}

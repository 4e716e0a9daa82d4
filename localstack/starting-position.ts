import type { Kafka } from 'kafkajs';

/** Where a consumer group begins that has committed nothing yet. */
export type StartingPosition =
  | { readonly kind: 'LATEST' }
  | { readonly kind: 'TRIM_HORIZON' }
  /** @property atMs epoch milliseconds. */
  | { readonly kind: 'AT_TIMESTAMP'; readonly atMs: number };

export interface Position {
  readonly partition: number;
  /** Kafka's 64-bit offset, as kafkajs passes it. */
  readonly offset: string;
}

const NEVER_COMMITTED = '-1';

/**
 * Where to begin in the assigned partitions whose group has committed nothing. Whoever gets these commits them at once:
 * otherwise a LATEST that restarts before its first delivery would skip what arrived in between.
 *
 * A partition the group does not know although it knows others was added to the topic later, so all of its records are
 * newer than the mapping: it begins at its first record, under LATEST too.
 */
export async function missingPositions(
  kafka: Kafka,
  mapping: { readonly topic: string; readonly consumerGroupId: string; readonly startingPosition: StartingPosition },
  assigned: readonly number[],
): Promise<readonly Position[]> {
  const { topic, consumerGroupId: groupId, startingPosition } = mapping;
  const admin = kafka.admin();
  await admin.connect();
  try {
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const known = new Map(committed?.partitions.map(({ partition, offset }) => [partition, offset]));
    const missing = assigned.filter((partition) => (known.get(partition) ?? NEVER_COMMITTED) === NEVER_COMMITTED);
    if (missing.length === 0) return [];

    const isNewGroup = [...known.values()].every((offset) => offset === NEVER_COMMITTED);
    const { kind } = startingPosition;
    const ends =
      kind === 'AT_TIMESTAMP' && isNewGroup
        ? await admin.fetchTopicOffsetsByTimestamp(topic, startingPosition.atMs)
        : (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => ({
            partition,
            offset: kind === 'LATEST' && isNewGroup ? high : low,
          }));
    return ends
      .filter(({ partition }) => missing.includes(partition))
      .map(({ partition, offset }) => ({ partition, offset }));
  } finally {
    await admin.disconnect();
  }
}

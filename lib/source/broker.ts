import type { KafkaRecord } from './delivery.ts';

/** What the broker says of one partition. */
export interface PartitionOffsets {
  /** First offset still there. */
  readonly start: number;
  /** The high watermark: one past the last record. */
  readonly end: number;
  /** Where the consumer group stands; undefined when it has never committed. */
  readonly committed: number | undefined;
}

export interface ReadResult {
  /** Committed records only: no transaction markers, nothing of aborted transactions. */
  readonly records: readonly KafkaRecord[];
  /** Everything before this offset has been looked at. An open transaction or the bound stops it short of the end. */
  readonly reached: number;
  /** Where looking began, when that is beyond the offset asked for: retention had removed what was there. */
  readonly start?: number;
}

/**
 * What `finalize` asks Kafka.
 *
 * Each method throws BROKER_UNREACHABLE when there is no answer: without evidence nothing is idle and nothing closes.
 */
export interface Broker {
  /** Every partition of the topic, from the brokers' own metadata; empty when the topic does not exist. */
  offsets(topic: string, group: string): Promise<ReadonlyMap<number, PartitionOffsets>>;
  /** Records from an offset on, at most `limit`, as a read_committed consumer sees them. */
  read(topic: string, partition: number, from: number, limit: number): Promise<ReadResult>;
}

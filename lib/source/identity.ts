import { createHash } from 'node:crypto';
import type { Checkpoint } from '../store/progress.ts';
import type { KafkaRecord } from './delivery.ts';

/** What tells the record at an offset from another record at the same offset of a recreated topic. */
export const identityOf = (record: KafkaRecord): string =>
  createHash('sha256').update(`${record.timestamp}\n${record.key}\n${record.value}`).digest('hex').slice(0, 16);

/**
 * Evidence that the topic was recreated: offsets began again, so what looks like a redelivery is another record.
 *
 * A true redelivery was processed before, so its Kafka timestamp is not greater than the greatest processed, and the
 * last record processed is still the same one. Records inside a gap were never processed and prove nothing. A recreated
 * topic whose first records are older, or whose offsets already passed `next`, cannot be told apart here.
 *
 * @returns what was found, for people; undefined when nothing speaks against it being the same log.
 */
export function foreignLog(checkpoint: Checkpoint, records: readonly KafkaRecord[]): string | undefined {
  const { next, from, maxTimestamp, last, gaps } = checkpoint;
  if (next === undefined || from === undefined) return undefined;
  for (const record of records) {
    if (record.offset >= next) break;
    if (record.offset < from || gaps.some((gap) => record.offset >= gap.from && record.offset < gap.to)) continue;
    if (record.timestamp > maxTimestamp) {
      return `offset ${record.offset} was processed, but now has a Kafka timestamp (${record.timestamp}) greater than any processed (${maxTimestamp})`;
    }
    if (record.offset === last?.offset && identityOf(record) !== last.hash) {
      return `offset ${record.offset}, the last one processed, now holds another record`;
    }
  }
  return undefined;
}

import { TidemarkError } from '../runtime/error.ts';

/** One record as Lambda delivers it: key and value in base64, null when absent. */
export interface KafkaRecord {
  readonly offset: number;
  /** Kafka timestamp in ms since the epoch; -1 when the record has none. */
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** Consecutive records of one topic-partition, in offset order. */
export interface Batch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly KafkaRecord[];
}

/** Most characters of anything foreign that a message of ours quotes. */
const QUOTED = 200;

/**
 * The batches of one delivery, by topic-partition.
 *
 * @throws TidemarkError BAD_EVENT when this is no event of a Kafka event source mapping.
 * @source https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html (the event's shape)
 */
export function parseDelivery(event: unknown): Batch[] {
  if (!isObject(event) || (event['eventSource'] !== 'aws:kafka' && event['eventSource'] !== 'SelfManagedKafka')) {
    throw notKafka("expected an event with eventSource 'aws:kafka' or 'SelfManagedKafka'", event);
  }
  const { records } = event;
  if (!isObject(records)) throw notKafka("expected 'records', lists keyed '<topic>-<partition>'", event);
  return Object.entries(records).flatMap(([name, list]) => {
    if (!Array.isArray(list)) throw notKafka(`expected a list under records['${name}']`, event);
    return list.length === 0 ? [] : [parseBatch(name, list)];
  });
}

function parseBatch(name: string, list: readonly unknown[]): Batch {
  const [first] = list;
  const topic = isObject(first) ? first['topic'] : undefined;
  const partition = isObject(first) ? first['partition'] : undefined;
  if (typeof topic !== 'string' || !isOffset(partition)) {
    throw notKafka(`expected 'topic' and 'partition' in records['${name}'][0]`, first);
  }
  const records = list.map((record: unknown, i) => {
    if (
      !isObject(record) ||
      record['topic'] !== topic ||
      record['partition'] !== partition ||
      !isOffset(record['offset']) ||
      typeof record['timestamp'] !== 'number'
    ) {
      throw notKafka(
        `expected topic '${topic}', partition ${partition}, an offset and a timestamp in records['${name}'][${i}]`,
        record,
      );
    }
    return {
      offset: record['offset'],
      timestamp: record['timestamp'],
      key: text(record['key']),
      value: text(record['value']),
    };
  });
  const isOrdered = records.every((record, i) => i === 0 || (records[i - 1]?.offset ?? 0) < record.offset);
  return { topic, partition, records: isOrdered ? records : inOrder(records) };
}

/** Sorted by offset, each offset once: what `count` relies on even if a caller builds its own event. */
const inOrder = (records: readonly KafkaRecord[]): KafkaRecord[] =>
  [...new Map(records.map((record) => [record.offset, record])).values()].sort((a, b) => a.offset - b.offset);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const notKafka = (what: string, found: unknown): TidemarkError =>
  new TidemarkError(
    'BAD_EVENT',
    `not a delivery of a Kafka event source mapping: ${what}; found ${(JSON.stringify(found) ?? 'nothing').slice(0, QUOTED)}`,
  );

/** A record of a delivery, as a test likes to write it. */
export interface TestRecord {
  readonly offset: number;
  readonly value: unknown;
  readonly key?: string;
  /** Kafka timestamp; when absent, the record's event_time. */
  readonly timestamp?: number;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A delivery as Lambda's Kafka event source mapping shapes it. Values that are not text become JSON. */
export function delivery(topic: string, partitions: Readonly<Record<number, readonly TestRecord[]>>): unknown {
  const lists = Object.entries(partitions).map(([partition, records]) => [
    `${topic}-${partition}`,
    records.map(({ offset, value, key, timestamp }) => ({
      topic,
      partition: Number(partition),
      offset,
      timestamp: timestamp ?? timeOf(value),
      timestampType: 'CREATE_TIME',
      ...(key !== undefined && { key: base64(key) }),
      value: value === null ? null : base64(typeof value === 'string' ? value : JSON.stringify(value)),
      headers: [],
    })),
  ]);
  return {
    eventSource: 'aws:kafka',
    eventSourceArn: 'arn:aws:kafka:eu-central-1:123456789012:cluster/test/0-0',
    bootstrapServers: 'localhost:9092',
    records: Object.fromEntries(lists),
  };
}

const timeOf = (value: unknown): number =>
  Date.parse((value as { event_time?: string } | null)?.event_time ?? '') || Date.parse('2026-01-08T19:00:00Z');

/** A valid message of the telegram pipeline. */
export const message = (username: string | null, time: string, more: object = {}): object => ({
  event_time: time,
  channel_id: 1050820672,
  message_id: 1,
  user_id: 7,
  username,
  text: 'привет',
  text_length: 6,
  ...more,
});

import type { KafkaMessage } from 'kafkajs';

/** One record as Lambda's Kafka event source mapping shapes it. */
export interface MskRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Epoch milliseconds; the broker's own under LOG_APPEND_TIME. */
  readonly timestamp: number;
  readonly timestampType: 'CREATE_TIME' | 'LOG_APPEND_TIME';
  /** Base64; null when the record has none. An empty key or value is the empty string. */
  readonly key: string | null;
  readonly value: string | null;
  /** One object per header, in order; its bytes signed, as Java writes them. */
  readonly headers: readonly Readonly<Record<string, readonly number[]>>[];
}

/** @source docs.aws.amazon.com/lambda/latest/dg/with-msk.html, example event. */
export interface MskEvent {
  readonly eventSource: 'aws:kafka';
  readonly eventSourceArn: string;
  /** `host:port`, comma separated. */
  readonly bootstrapServers: string;
  /** Keyed `<topic>-<partition>`, each in offset order. */
  readonly records: Readonly<Record<string, readonly MskRecord[]>>;
}

/** What Lambda takes in one synchronous invocation: the most bytes an event may have as JSON. */
export const PAYLOAD_LIMIT_BYTES = 6_291_556;

/** The key of a topic-partition in an event's `records`. */
export const partitionKey = (topic: string, partition: number): string => `${topic}-${partition}`;

/** kafkajs keeps the timestamp type on the batch a record came in, and its types do not mention it. */
interface BatchContext {
  readonly batchContext?: { readonly timestampType?: number };
}
const LOG_APPEND_TIME = 1;

/** What kafkajs fetched, as Lambda delivers it. */
export function mskRecord(topic: string, partition: number, message: KafkaMessage): MskRecord {
  const { batchContext } = message as BatchContext;
  return {
    topic,
    partition,
    offset: Number(message.offset),
    timestamp: Number(message.timestamp),
    timestampType: batchContext?.timestampType === LOG_APPEND_TIME ? 'LOG_APPEND_TIME' : 'CREATE_TIME',
    key: message.key?.toString('base64') ?? null,
    value: message.value?.toString('base64') ?? null,
    headers: Object.entries(message.headers ?? {}).flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).map((one) => ({ [name]: signedBytes(one) })),
    ),
  };
}

/**
 * Java's bytes are signed, and whether Lambda's poller lets that through is not documented: a reader that survives
 * signed bytes (`Buffer.from(bytes)` does) survives both, so the local world sends those.
 */
const signedBytes = (value: Buffer | string | null | undefined): readonly number[] => [
  ...new Int8Array(Buffer.from(value ?? '')),
];

/** The event of one delivery. */
export function mskEvent(
  source: { readonly eventSourceArn: string; readonly bootstrapServers: string },
  partitions: Iterable<readonly MskRecord[]>,
): MskEvent {
  const records: Record<string, readonly MskRecord[]> = {};
  for (const run of partitions) {
    const [first] = run;
    if (first) records[partitionKey(first.topic, first.partition)] = run;
  }
  return { eventSource: 'aws:kafka', ...source, records };
}

/** The widest a record's JSON can be without its topic, key, value and headers: every number at its longest. */
const FRAME_BYTES =
  JSON.stringify({
    topic: '',
    partition: 2 ** 31 - 1,
    offset: Number.MAX_SAFE_INTEGER,
    timestamp: Number.MIN_SAFE_INTEGER,
    timestampType: 'LOG_APPEND_TIME',
    key: '',
    value: '',
    headers: [],
  }).length + ','.length;

/**
 * An upper bound of the bytes a record takes in the event's JSON, at most 60 above the true number, without writing
 * the JSON: this runs for every record.
 */
export function jsonBytes({ topic, key, value, headers }: MskRecord): number {
  // Base64, topic names and numbers are ASCII and need no escapes: their length is their bytes.
  const bytes = FRAME_BYTES + topic.length + (key?.length ?? 2) + (value?.length ?? 2);
  return headers.length === 0 ? bytes : bytes + Buffer.byteLength(JSON.stringify(headers));
}

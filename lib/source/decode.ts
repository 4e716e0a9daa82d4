import type { Pipeline } from '../pipeline.ts';
import { rowsOf } from '../sink/side-output.ts';
import { encodeKey, type States } from '../store/segment.ts';
import { instantOf } from '../time/event-time.ts';
import { formatInstant } from '../time/instant.ts';
import type { KafkaRecord } from './delivery.ts';
import { validate } from './source.ts';

/** What one event adds to its group. */
export interface Output {
  /** Encoded group key. */
  readonly key: string;
  readonly states: States;
}

/** What a record says, whatever the state it meets. */
export interface Decoded {
  readonly record: KafkaRecord;
  /** Its event time; undefined when the record was refused before it had one: such a record does not move the clock. */
  readonly instant: number | undefined;
  /** Why the record is a rejection; undefined for an event. */
  readonly reason: string | undefined;
  /** The events to aggregate; none when a step filtered the record. */
  readonly outputs: readonly Output[];
  /** Rows for the side output, encoded, should the record count or be late. */
  readonly rows?: readonly string[];
}

/** Most bytes of UTF-8 in a group key, all columns together. */
const MAX_KEY_BYTES = 512;

/**
 * Reads one record: decode, schema, instant, future guard, steps, key and values, in this order.
 *
 * Pure but for `now`, which only the opt-in wall clock guard looks at. Bad input is a value, never an exception.
 */
export function decode(pipeline: Pipeline, record: KafkaRecord, now: number): Decoded {
  const rejected = (reason: string, instant?: number): Decoded => ({ record, instant, reason, outputs: NONE });
  const { source } = pipeline;

  if (record.value === null || record.value === '') return rejected('tombstone: the record has no value');
  const text = decodeText(record.value);
  if (text === undefined) return rejected('base64: the value is not base64');
  let value: unknown = text;
  if (source.format === 'json') {
    try {
      value = JSON.parse(text);
    } catch {
      return rejected('json: the value is not JSON');
    }
  }
  const validated = validate(source.schema, value);
  if ('reason' in validated) return rejected(validated.reason);

  const instant = instantOf(source.eventTime, validated.event, record.timestamp);
  // A running total counts an event whenever it happened; it needs no event time.
  if (instant === undefined && !pipeline.running)
    return rejected('instant: the event time is not a time from year 1 to 9999');
  const latest = latestCredible(pipeline, record, now);
  if (instant !== undefined && instant > latest)
    return rejected(`future: the event time is later than ${formatInstant(latest)}`);

  let events: readonly unknown[] = [validated.event];
  const outputs: Output[] = [];
  try {
    for (const step of source.steps) events = events.flatMap((event) => step.run(event as never)); // typed by the chain
  } catch (error) {
    return rejected(`step: ${error instanceof Error ? error.message : String(error)}`, instant);
  }
  for (const event of events) {
    const output = outputOf(pipeline, event as Readonly<Record<string, unknown>>); // typed by the chain
    if (typeof output === 'string') return rejected(output, instant);
    outputs.push(output);
  }
  if (!pipeline.sideOutput) return { record, instant, reason: undefined, outputs };
  const rows: string[] = [];
  for (const event of events) {
    const found = rowsOf(pipeline.sideOutput, event as Readonly<Record<string, unknown>>, record.offset);
    if (typeof found === 'string') return rejected(found, instant);
    rows.push(...found);
  }
  return { record, instant, reason: undefined, outputs, rows };
}

const NONE: readonly Output[] = [];

/** The greatest event time this record can have: one bad clock must not make everybody late. */
function latestCredible(pipeline: Pipeline, record: KafkaRecord, now: number): number {
  const { timestamps, wallClockGuard } = pipeline.source;
  if (timestamps === 'trusted' && record.timestamp >= 0) return record.timestamp + pipeline.maxFutureMs;
  return wallClockGuard ? now + pipeline.maxFutureMs : Number.POSITIVE_INFINITY;
}

/** Base64 to text; undefined when it is not base64. Bytes that are not UTF-8 become U+FFFD. */
export function decodeText(base64: string): string | undefined {
  let latin1: string;
  try {
    latin1 = atob(base64); // faster than Buffer, and refuses what is not base64
  } catch {
    return undefined;
  }
  return NOT_ASCII.test(latin1) ? Buffer.from(latin1, 'latin1').toString('utf8') : latin1;
}

const NOT_ASCII = /[^\0-\x7f]/;

/** One event's group key and states, or the reason it cannot be aggregated. */
function outputOf(pipeline: Pipeline, event: Readonly<Record<string, unknown>>): Output | string {
  const columns: (string | null)[] = [];
  let units = 0;
  for (const field of pipeline.groupBy) {
    const column = event[field] ?? null;
    if (column !== null && typeof column !== 'string') return `key: ${field} is not text`;
    // Lone surrogates have no UTF-8: two keys that differ only there would be one once stored.
    columns.push(column === null || column.isWellFormed() ? column : column.toWellFormed());
    units += column?.length ?? 0;
  }
  // A UTF-16 unit takes at most three bytes of UTF-8, so short keys need no exact measure.
  if (units * 3 > MAX_KEY_BYTES) {
    const bytes = columns.reduce((sum, column) => sum + Buffer.byteLength(column ?? ''), 0);
    if (bytes > MAX_KEY_BYTES) return `key: ${bytes} bytes of UTF-8; at most ${MAX_KEY_BYTES} are allowed`;
  }
  const states = [];
  for (const { field, of } of pipeline.accumulators) {
    const state = of(field === undefined ? undefined : event[field]);
    if (state === undefined) return `value: ${field} is no number at the declared scale`;
    states.push(state);
  }
  return { key: encodeKey(columns), states };
}

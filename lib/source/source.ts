import type { StandardSchemaV1 } from '@standard-schema/spec';
import { iso, type EventTime } from '../time/event-time.ts';

/** The names of a type's fields whose values all fit `T`. */
export type FieldsOf<Event, T> = { [K in keyof Event & string]: Event[K] extends T ? K : never }[keyof Event & string];

/** A named step between schema and grouping. Its name, not its code, is part of the pipeline's fingerprint. */
export interface Step {
  readonly kind: 'filter' | 'map' | 'flatMap' | 'enrich';
  readonly name: string;
  /** The events one event becomes; none means filtered. Pure: no clock, no network, no randomness. */
  readonly run: (event: never) => readonly unknown[];
}

/** Where events come from and how a record becomes one. */
export interface Source {
  readonly topic: string;
  readonly startAt: 'latest' | 'earliest';
  readonly maxBatch: number;
  readonly format: 'json' | 'text';
  readonly schema: StandardSchemaV1;
  readonly eventTime: EventTime;
  /** `trusted`: the Kafka timestamp bounds event times from the future. */
  readonly timestamps: 'trusted' | 'untrusted';
  /** With untrusted timestamps: refuse event times too far beyond the wall clock, and store that decision. */
  readonly wallClockGuard: boolean;
  readonly steps: readonly Step[];
}

/** A source whose events have type `Event`; a frozen value that pipelines can share. */
export interface SourceOf<Event> extends Source {
  /** Keeps the events the predicate accepts. Filtered events still move the clock. */
  filter(name: string, keep: (event: Event) => boolean): SourceOf<Event>;
  map<Next extends object>(name: string, map: (event: Event) => Next): SourceOf<Next>;
  /** Zero, one or many events of one record; the record is counted once. */
  flatMap<Next extends object>(name: string, map: (event: Event) => readonly Next[]): SourceOf<Next>;
  /** Adds fields, keeping all others. */
  enrich<More extends object>(name: string, more: (event: Event) => More): SourceOf<Omit<Event, keyof More> & More>;
}

export interface KafkaOptions<Schema extends StandardSchemaV1> {
  readonly topic: string;
  /** Where a pipeline that has never run begins. No default: it decides what is counted. */
  readonly startAt: 'latest' | 'earliest';
  /** Most records in one delivery, 1 to 10,000; 1,000 unless said. */
  readonly maxBatch?: number;
  /** What a record's value is before the schema sees it: parsed JSON, or the text itself. */
  readonly format?: 'json' | 'text';
  /** Any Standard Schema, synchronous. */
  readonly value: Schema;
  /** A field with an ISO 8601 time, `unixSeconds('ts')`, `unixMillis('ts')`, or `kafkaTimestamp`. */
  readonly eventTime:
    | FieldsOf<StandardSchemaV1.InferOutput<Schema>, string>
    | EventTime<keyof StandardSchemaV1.InferOutput<Schema> & string>;
  readonly timestamps?: 'trusted' | 'untrusted';
  readonly wallClockGuard?: boolean;
}

/**
 * A Kafka topic as a source.
 *
 * @example
 * kafka({ topic: 'clicks', startAt: 'earliest', value: Click, eventTime: 'at' }).filter('humans', (click) => !click.bot)
 */
export function kafka<Schema extends StandardSchemaV1>(
  options: KafkaOptions<Schema>,
): SourceOf<StandardSchemaV1.InferOutput<Schema>> {
  return chain({
    topic: options.topic,
    startAt: options.startAt,
    maxBatch: options.maxBatch ?? 1000,
    format: options.format ?? 'json',
    schema: options.value,
    eventTime: typeof options.eventTime === 'string' ? iso(options.eventTime) : options.eventTime,
    timestamps: options.timestamps ?? 'trusted',
    wallClockGuard: options.wallClockGuard ?? false,
    steps: [],
  });
}

function chain<Event>(source: Source): SourceOf<Event> {
  const add = <Next>(kind: Step['kind'], name: string, run: (event: Event) => readonly unknown[]): SourceOf<Next> =>
    chain<Next>({ ...source, steps: [...source.steps, { kind, name, run }] });
  return Object.freeze({
    ...source,
    filter: (name: string, keep: (event: Event) => boolean) =>
      add<Event>('filter', name, (event) => (keep(event) ? [event] : [])),
    map: <Next extends object>(name: string, map: (event: Event) => Next) =>
      add<Next>('map', name, (event) => [map(event)]),
    flatMap: <Next extends object>(name: string, map: (event: Event) => readonly Next[]) =>
      add<Next>('flatMap', name, map),
    enrich: <More extends object>(name: string, more: (event: Event) => More) =>
      add<Omit<Event, keyof More> & More>('enrich', name, (event) => [{ ...event, ...more(event) }]),
  });
}

/** What a schema made of a value: the event, or the reason it was refused. */
export type Validated = { readonly event: unknown } | { readonly reason: string };

/**
 * Applies a Standard Schema.
 *
 * One whose own code throws refuses the value. Some answer that with a promise, as an asynchronous schema does, which
 * cannot serve a stream; so a promise is a refusal, too.
 */
export function validate(schema: StandardSchemaV1, value: unknown): Validated {
  let result;
  try {
    result = schema['~standard'].validate(value);
  } catch (error) {
    return { reason: `schema: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (result instanceof Promise) {
    result.catch(() => undefined); // nobody waits for it
    return { reason: 'schema: no answer at once; its code threw, or it is asynchronous' };
  }
  if (!result.issues) return { event: result.value };
  const [issue] = result.issues;
  const path = issue?.path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return { reason: `schema: ${path ? `${path}: ` : ''}${issue?.message ?? 'refused'}` };
}

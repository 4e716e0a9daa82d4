import { isInstant, parseInstant } from './instant.ts';

/** ISO 8601 text in field `F`. */
export interface IsoTime<F extends string = string> {
  readonly kind: 'iso';
  readonly field: F;
}

/** A number in field `F`: seconds or milliseconds since the epoch. */
export interface UnixTime<F extends string = string> {
  readonly kind: 'unixSeconds' | 'unixMillis';
  readonly field: F;
}

/** The timestamp of the Kafka record itself. */
export interface KafkaTime {
  readonly kind: 'kafkaTimestamp';
}

/** Where a source's events say when they happened: plain data, printed and hashed as it stands. */
export type EventTime<F extends string = string> = IsoTime<F> | UnixTime<F> | KafkaTime;

/** ISO 8601 text; without a zone it is UTC. The same as the bare name of the field. */
export const iso = <const F extends string>(field: F): IsoTime<F> => Object.freeze({ kind: 'iso', field });

/** Seconds since the epoch; what is finer than a millisecond is cut off toward the past. */
export const unixSeconds = <const F extends string>(field: F): UnixTime<F> =>
  Object.freeze({ kind: 'unixSeconds', field });

/** Milliseconds since the epoch; what is finer is cut off toward the past. */
export const unixMillis = <const F extends string>(field: F): UnixTime<F> =>
  Object.freeze({ kind: 'unixMillis', field });

/** The Kafka record's own timestamp; -1 is none. */
export const kafkaTimestamp: KafkaTime = Object.freeze({ kind: 'kafkaTimestamp' });

/**
 * When an event happened.
 *
 * @param event a value the source's schema accepted.
 * @param timestamp the Kafka record's, ms; -1 when it has none.
 * @returns undefined when the event does not say so, or says a time that is no instant.
 */
export function instantOf(eventTime: EventTime, event: unknown, timestamp: number): number | undefined {
  if (eventTime.kind === 'kafkaTimestamp') return timestamp === -1 || !isInstant(timestamp) ? undefined : timestamp;
  const value = (event as Readonly<Record<string, unknown>>)[eventTime.field]; // the declaration is checked against it
  if (eventTime.kind === 'iso') return typeof value === 'string' ? parseInstant(value) : undefined;
  if (typeof value !== 'number') return undefined;
  const ms = eventTime.kind === 'unixMillis' ? Math.floor(value) : msOfSeconds(value);
  return isInstant(ms) ? ms : undefined;
}

/** The last whole ms at or before a time in seconds. 1.001 * 1000 is 1000.9999999999999, so the product alone errs. */
function msOfSeconds(seconds: number): number {
  const nearest = Math.round(seconds * 1000);
  return nearest / 1000 <= seconds ? nearest : nearest - 1;
}

import type { KafkaRecord } from '../../lib/source/delivery.ts';

/** What one event adds to its group: `amount` in whole units at the scale of the pipeline's aggregates. */
export interface Add {
  readonly keys: readonly (string | null)[];
  readonly amount: number;
}

/** What a record truly is, whatever the code makes of it. `instant` is when the clock hears of it, if at all. */
export type Truth =
  | {
      readonly kind: 'event';
      /** Undefined only where totals are running: they need none. */
      readonly instant: number | undefined;
      /** One for each event that steps make of the record. */
      readonly adds: readonly Add[];
      /** Cells of the rows that go to the side output. */
      readonly rows: readonly (readonly (string | null)[])[];
    }
  /** `reason` as it is said, up to the colon. */
  | { readonly kind: 'rejected'; readonly reason: string; readonly instant?: number }
  | { readonly kind: 'filtered'; readonly instant: number | undefined };

export interface Entry extends KafkaRecord {
  readonly truth: Truth;
  readonly appendedAt: number;
  /** `open` belongs to a transaction that has not ended; a `hole` is a marker, or aborted, or compacted away. */
  state: 'visible' | 'open' | 'hole';
  /** Nobody ever gets it: such a record cannot count. */
  isDoomed: boolean;
}

/** A topic-partition: what was appended, where retention begins, and where the consumer group stands. */
export interface Log {
  readonly partition: number;
  readonly createdAt: number;
  readonly entries: Entry[];
  start: number;
  /** When retention last moved it. */
  startMovedAt: number;
  committed: number | undefined;
  /** One past the greatest offset that ever left the broker for a delivery; compaction in this world stays above it. */
  fetched: number;
}

export const newLog = (partition: number, createdAt: number): Log => ({
  partition,
  createdAt,
  entries: [],
  start: 0,
  startMovedAt: createdAt,
  committed: undefined,
  fetched: 0,
});

export const endOf = (log: Log): number => log.entries.length;

/** The last stable offset: where a read_committed consumer has to stop. */
export function stableEnd(log: Log): number {
  for (let offset = log.start; offset < log.entries.length; offset++) {
    if (log.entries[offset]?.state === 'open') return offset;
  }
  return log.entries.length;
}

/** What a read_committed consumer gets from an offset on. */
export function fetchFrom(
  log: Log,
  from: number,
  limit: number,
): { records: Entry[]; reached: number; start?: number } {
  const records: Entry[] = [];
  const start = Math.max(from, log.start);
  let reached = start;
  for (const end = stableEnd(log); reached < end && records.length < limit; reached++) {
    const entry = log.entries[reached];
    if (entry?.state === 'visible') records.push(entry);
  }
  return start > from ? { records, reached, start } : { records, reached };
}

/** Records in `[from, to)` that were meant to be read, whether or not retention has removed them since. */
export const recordsIn = (log: Log, from: number, to: number): Entry[] =>
  log.entries.slice(from, to).filter((entry) => entry.state === 'visible');

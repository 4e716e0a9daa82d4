import { PAYLOAD_LIMIT_BYTES, type MskRecord, jsonBytes, partitionKey } from './msk-event.ts';
import type { Verdict } from './partial-response.ts';

/** What one invocation gets: per partition, consecutive records in offset order. */
export interface Delivery {
  readonly records: ReadonlyMap<number, readonly MskRecord[]>;
  /** 1 for the first try. */
  readonly attempt: number;
  /** When it may be tried, in the caller's milliseconds. */
  readonly dueMs: number;
}

interface Waiting {
  records: MskRecord[];
  bytes: number;
  /** When the first of them arrived, or the last delivery took some. */
  sinceMs: number;
}

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;
/** The event's own frame: ARN, brokers, partition keys. */
const ENVELOPE_BYTES = 4_096;

/**
 * Cuts what was fetched into deliveries, and knows which of them must be tried again.
 *
 * A partition is in at most one delivery at a time, so its order holds. A delivery that failed is kept and repeated with
 * exactly its records; until it succeeds its partitions are *held*, and the others go on. Pure: the caller brings
 * records and the time.
 */
export class Deliveries {
  private readonly waiting = new Map<number, Waiting>();
  private retries: Delivery[] = [];
  private readonly batchSize: number;
  private readonly batchingWindowMs: number;

  constructor(limits: { readonly batchSize: number; readonly batchingWindowMs: number }) {
    this.batchSize = limits.batchSize;
    this.batchingWindowMs = limits.batchingWindowMs;
  }

  /** Takes fetched records of a partition, in offset order. */
  add(partition: number, records: readonly MskRecord[], nowMs: number): void {
    const known = this.waiting.get(partition);
    const waiting = known ?? { records: [], bytes: 0, sinceMs: nowMs };
    if (!known) this.waiting.set(partition, waiting);
    if (waiting.records.length === 0) waiting.sinceMs = nowMs;
    for (const record of records) {
      waiting.records.push(record);
      waiting.bytes += jsonBytes(record);
    }
  }

  /** Whether a whole batch of this partition waits: nothing more need be fetched. */
  isFull(partition: number): boolean {
    const { records, bytes } = this.waiting.get(partition) ?? { records: [], bytes: 0 };
    return records.length >= this.batchSize || bytes >= PAYLOAD_LIMIT_BYTES;
  }

  /** Whether the partition waits for a failed delivery to succeed. */
  isHeld(partition: number): boolean {
    return this.retries.some(({ records }) => records.has(partition));
  }

  /** When `next` may have something, if nothing more arrives. */
  dueMs(): number | undefined {
    const due = this.retries.map(({ dueMs }) => dueMs);
    for (const [, { sinceMs }] of this.free()) due.push(sinceMs + this.batchingWindowMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** The delivery to make now: a repetition that is due, a full batch, or what waited for the batching window. */
  next(nowMs: number): Delivery | undefined {
    const retry = this.retries.find(({ dueMs }) => dueMs <= nowMs);
    if (retry) return retry;
    const free = this.free();
    const records = free.reduce((sum, [, waiting]) => sum + waiting.records.length, 0);
    const bytes = free.reduce((sum, [, waiting]) => sum + waiting.bytes, ENVELOPE_BYTES);
    const waited = free.some(([, { sinceMs }]) => sinceMs + this.batchingWindowMs <= nowMs);
    if (records < this.batchSize && bytes < PAYLOAD_LIMIT_BYTES && !waited) return undefined;
    return { records: this.take(free, nowMs), attempt: 1, dueMs: nowMs };
  }

  /**
   * Books the outcome of a delivery made by `next`.
   *
   * @returns per partition, the offset to commit: the first one not yet processed.
   */
  settle(delivery: Delivery, verdict: Verdict, nowMs: number): ReadonlyMap<number, number> {
    this.retries = this.retries.filter((retry) => retry !== delivery);
    const commits = new Map<number, number>();
    if (verdict.kind === 'failed') {
      this.retry(delivery.records, delivery.attempt + 1, nowMs);
      return commits;
    }
    for (const [partition, records] of delivery.records) {
      const [first] = records;
      const last = records.at(-1);
      if (!first || !last) continue;
      const from = verdict.kind === 'partial' ? verdict.from.get(partitionKey(first.topic, partition)) : undefined;
      const rest = from === undefined ? [] : records.filter(({ offset }) => offset >= from);
      const processed = records.length - rest.length;
      if (processed > 0) commits.set(partition, rest[0]?.offset ?? last.offset + 1);
      if (rest.length > 0) this.retry(new Map([[partition, rest]]), processed > 0 ? 2 : delivery.attempt + 1, nowMs);
    }
    return commits;
  }

  /** Forgets everything: the group was joined anew, and fetching begins at the committed offsets. */
  clear(): void {
    this.waiting.clear();
    this.retries = [];
  }

  private retry(records: Delivery['records'], attempt: number, nowMs: number): void {
    const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 2, 16));
    this.retries.push({ records, attempt, dueMs: nowMs + delayMs });
  }

  /** Partitions that may give records, the one that waited longest first. */
  private free(): [number, Waiting][] {
    return [...this.waiting]
      .filter(([partition, { records }]) => records.length > 0 && !this.isHeld(partition))
      .sort(([, a], [, b]) => a.sinceMs - b.sinceMs);
  }

  /** Fills one delivery, sharing its room evenly; what one partition leaves free the others use. */
  private take(free: readonly [number, Waiting][], nowMs: number): Delivery['records'] {
    const taken = new Map<number, MskRecord[]>();
    let room = this.batchSize;
    let roomBytes = PAYLOAD_LIMIT_BYTES - ENVELOPE_BYTES;
    for (let found = true; found && room > 0;) {
      found = false;
      const share = Math.ceil(room / free.length);
      const shareBytes = roomBytes / free.length;
      for (const [partition, waiting] of free) {
        // A record too large for any payload is delivered alone: losing it, or waiting for ever, would be worse.
        const alone = taken.size === 0;
        const part = cut(waiting, Math.min(share, room), Math.min(shareBytes, roomBytes), alone);
        if (part.records.length === 0) continue;
        found = true;
        waiting.sinceMs = nowMs;
        room -= part.records.length;
        roomBytes -= part.bytes;
        const before = taken.get(partition);
        if (before) before.push(...part.records);
        else taken.set(partition, part.records);
      }
    }
    return new Map([...taken].sort(([a], [b]) => a - b));
  }
}

/** Takes records from the front, as many as fit; at least one where `atLeastOne`. */
function cut(
  waiting: Waiting,
  most: number,
  mostBytes: number,
  atLeastOne: boolean,
): { readonly records: MskRecord[]; readonly bytes: number } {
  let bytes = 0;
  let count = 0;
  while (count < most) {
    const record = waiting.records[count];
    if (!record) break;
    const size = jsonBytes(record);
    if (bytes + size > mostBytes && !(atLeastOne && count === 0)) break;
    bytes += size;
    count += 1;
  }
  waiting.bytes -= bytes;
  return { records: waiting.records.splice(0, count), bytes };
}

import { setTimeout as sleep } from 'node:timers/promises';

import type { Consumer, EachBatchPayload } from 'kafkajs';

import type { Deliveries } from './deliveries.ts';
import { mskRecord } from './msk-event.ts';

/** How often a batch that waits for room looks after its heartbeat; well below any session timeout. */
const WAKE_MS = 1_000;

/** Between kafkajs, which hands over fetched batches, and the loop that delivers them. */
export class Feed {
  /** Grows with every join: an outcome from before belongs to a forgotten past. */
  epoch = 0;
  private readonly consumer: Consumer;
  private readonly topic: string;
  readonly deliveries: Deliveries;
  private readonly over: AbortSignal;
  private positioned: Promise<void> = Promise.resolve();
  private paused = new Set<number>();
  private change = Promise.withResolvers<void>();

  constructor(consumer: Consumer, topic: string, deliveries: Deliveries, over: AbortSignal) {
    this.consumer = consumer;
    this.topic = topic;
    this.deliveries = deliveries;
    this.over = over;
  }

  begin(positioned: Promise<void>): void {
    this.epoch += 1;
    this.positioned = positioned;
    this.deliveries.clear();
    this.resume();
    this.wake();
  }

  /** Resolves at the next change, or after the time given. */
  async changed(withinMs: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([
      this.change.promise,
      sleep(withinMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
  }

  wake(): void {
    const { resolve } = this.change;
    this.change = Promise.withResolvers();
    resolve();
  }

  /**
   * Takes a fetched batch and returns when its partition can use more. While kafkajs waits here it fetches nothing and
   * sends no heartbeat, so this sends them; a partition that may wait long, for a failed delivery, is paused instead.
   */
  async take(fetched: EachBatchPayload): Promise<void> {
    await this.positioned;
    if (!fetched.isRunning() || fetched.isStale() || this.over.aborted) return;
    const { topic, partition, messages } = fetched.batch;
    this.deliveries.add(
      partition,
      messages.map((message) => mskRecord(topic, partition, message)),
      Date.now(),
    );
    this.wake();
    while (this.deliveries.isFull(partition) && fetched.isRunning() && !this.over.aborted) {
      if (this.deliveries.isHeld(partition)) {
        this.consumer.pause([{ topic, partitions: [partition] }]);
        this.paused.add(partition);
        return;
      }
      await this.changed(WAKE_MS);
      await fetched.heartbeat();
    }
  }

  /** Fetches again what is paused and has room. */
  resume(): void {
    for (const partition of this.paused) {
      if (this.deliveries.isHeld(partition)) continue;
      this.consumer.resume([{ topic: this.topic, partitions: [partition] }]);
      this.paused.delete(partition);
    }
  }

  async commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    if (offsets.size === 0) return;
    await this.consumer.commitOffsets(
      [...offsets].map(([partition, offset]) => ({ topic: this.topic, partition, offset: String(offset) })),
    );
  }
}

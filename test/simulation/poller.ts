import { endOf, fetchFrom, stableEnd, type Entry, type Log } from './kafka.ts';
import type { World } from './world.ts';

/** Partitions whose records were not counted; what a delivery ends with. */
export type Ended = (failed: ReadonlySet<number>) => void;

/** Invokes `count`. `ended` is called at most once: never when the invocation goes on for ever. */
export type Deliver = (delivered: ReadonlyMap<number, readonly Entry[]>, ended: Ended) => void;

/** An event source mapping: fetches, delivers, commits what succeeded, and delivers again what did not. */
export interface Poller {
  start(): void;
  /** Whether everything there is has been delivered, or dropped, and committed. */
  readonly isDrained: () => boolean;
}

interface Position {
  next: number;
  /** Which delivery is awaited; answers of others are ignored. */
  awaited: number | undefined;
  failures: number;
}

export function poller(world: World, deliver: Deliver): Poller {
  const { plan, logs, dice, time, has, mark } = world;
  const { startAt } = plan.deployments[0].source;
  const positions = new Map<Log, Position>();
  let deliveries = 0;

  const reset = (log: Log) => (startAt === 'latest' ? stableEnd(log) : log.start);

  function known(log: Log): Position | undefined {
    const position = positions.get(log);
    if (position) return position;
    if (time.time() - log.createdAt < plan.pollMs * 3 && log.createdAt > plan.start) return undefined;
    const created = { next: log.committed ?? reset(log), awaited: undefined, failures: 0 };
    positions.set(log, created);
    return created;
  }

  function batchOf(log: Log, from: number): Entry[] {
    return fetchFrom(log, from, dice.int(1, plan.maxBatch)).records;
  }

  function poll(): void {
    if (has('restart') && dice.chance(0.07)) {
      time.trace(() => 'the poller restarts', 21);
      mark('poller restarted');
      positions.clear();
    }
    if (has('overlap') && dice.chance(0.4)) overlap();
    const ready: [Log, Position, Entry[]][] = [];
    for (const log of logs) {
      const position = known(log);
      if (!position || position.awaited !== undefined) continue;
      if (position.next < log.start) position.next = reset(log);
      const batch = batchOf(log, position.next);
      if (batch.length > 0) ready.push([log, position, batch]);
    }
    if (has('combined') && ready.length > 1 && dice.chance(0.5)) send(ready);
    else for (const one of ready) send([one]);
  }

  /** A second poller that thinks these partitions its own; what becomes of its delivery concerns nobody. */
  function overlap(): void {
    const log = logs[dice.int(0, logs.length - 1)];
    const position = log && positions.get(log);
    if (!position) return;
    const batch = batchOf(log, log.committed ?? position.next);
    if (batch.length === 0) return;
    mark('overlapping delivery');
    fetched(log, batch);
    deliver(new Map([[log.partition, batch]]), () => {});
  }

  function fetched(log: Log, batch: readonly Entry[]): void {
    log.fetched = Math.max(log.fetched, (batch.at(-1)?.offset ?? 0) + 1);
  }

  function send(parts: readonly [Log, Position, Entry[]][]): void {
    const id = deliveries++;
    const delivered = new Map<number, readonly Entry[]>();
    for (const [log, position, batch] of parts) {
      if (position.failures > 0) mark('redelivered');
      fetched(log, batch);
      const after = (batch.at(-1)?.offset ?? 0) + 1;
      if (has('discard') && dice.chance(0.06)) {
        time.trace(() => `the poller drops ${log.partition}: ${batch[0]?.offset} to ${after - 1}`, 22);
        Object.assign(position, { next: after, failures: 0 });
        log.committed = after;
        continue;
      }
      position.awaited = id;
      delivered.set(log.partition, batch);
    }
    if (delivered.size === 0) return;
    const ended: Ended = (failed) => {
      for (const [log, position, batch] of parts) {
        if (position.awaited !== id || positions.get(log) !== position) continue;
        position.awaited = undefined;
        if (failed.has(log.partition)) {
          position.failures++;
          continue;
        }
        position.failures = 0;
        position.next = (batch.at(-1)?.offset ?? 0) + 1;
        log.committed = position.next;
      }
    };
    deliver(delivered, ended);
    const everything = new Set(delivered.keys());
    if (has('timeout') && dice.chance(0.3)) {
      time.after(dice.int(1, 4) * plan.latencyMs, () => ended(everything));
    }
    // Whatever became of it, Lambda ends an invocation some time.
    time.after(70_000, () => ended(everything));
  }

  return {
    start() {
      const cycle = () => {
        poll();
        time.after(plan.pollMs * (0.5 + dice.next()), cycle);
      };
      time.after(dice.next() * plan.pollMs * 3, cycle);
    },
    isDrained: () =>
      logs.every((log) => {
        const position = positions.get(log);
        if (!position || position.awaited !== undefined || position.next < log.start) return false;
        return fetchFrom(log, position.next, 1).records.length === 0 && stableEnd(log) === endOf(log);
      }),
  };
}

import { endOf, newLog, stableEnd, type Log } from './kafka.ts';
import type { Fault } from './plan.ts';
import { producer } from './records.ts';
import type { World } from './world.ts';

/** What producers still do when told to. */
export interface Producers {
  /** Appends a record of the usual mix. */
  produce(this: void, log: Log | undefined): void;
  produceLast(this: void, log: Log): void;
  produceInert(this: void, log: Log, below: number): void;
  endTransaction(this: void, log: Log): void;
}

/** What producers, brokers and operators do over a world's span, planned ahead but for the dice. */
export function live(world: World): Producers {
  const { plan, dice, time, logs, mark } = world;
  const made = producer(plan, dice);

  function produce(log: Log | undefined): void {
    if (!log) return;
    made.produce(log, time.time());
    time.trace(
      () => `produced ${log.partition}: up to ${endOf(log) - 1} ${JSON.stringify(log.entries.at(-1)?.truth)}`,
      51,
    );
    if (stableEnd(log) < endOf(log)) {
      time.after(dice.int(1, 20_000), () => stableEnd(log) < endOf(log) && made.endTransaction(log));
    }
  }

  const silent = new Set(plan.faults.has('lull') ? logs.filter(() => dice.chance(0.4)) : []);
  for (let i = 0; i < plan.records; i++) {
    const partition = dice.int(0, 2);
    const isBacklog = plan.ageMs > 0 && dice.chance(0.7);
    time.after(isBacklog ? 1 : dice.next() * plan.spanMs, () => {
      const log = logs[partition % logs.length];
      if (log && silent.has(log) && dice.chance(0.9)) return;
      produce(log);
    });
  }

  const sometime = (fault: Fault, times: number, happen: () => void) => {
    if (!plan.faults.has(fault)) return;
    for (let i = 0; i < times; i++) time.after(dice.next() * plan.spanMs, () => !world.isCalm && happen());
  };
  sometime('deploy', 2, () => {
    world.deployed = Math.min(world.deployed + 1, plan.deployments.length - 1);
    mark('delay changed');
    time.trace(() => `deployed with a delay of ${plan.deployments[world.deployed]?.delayMs}`, 52);
  });
  sometime('grow', 1, () => {
    logs.push(newLog(logs.length, time.time()));
    mark('partition added');
    time.trace(() => `partition ${logs.length - 1} is added`, 53);
    for (let i = dice.int(0, 5); i > 0; i--) produce(logs.at(-1));
  });
  sometime('retention', 2, () => {
    const log = logs[dice.int(0, logs.length - 1)];
    if (!log) return;
    const greatest = dice.chance(0.5) ? (log.committed ?? 0) : stableEnd(log);
    log.start = Math.max(log.start, dice.int(0, greatest));
    log.startMovedAt = time.time();
    time.trace(() => `retention moves the start of ${log.partition} to ${log.start}`, 54);
  });
  sometime('holes', 3, () => {
    for (const log of logs) {
      for (const entry of log.entries.slice(log.fetched)) {
        if (entry.state !== 'visible' || !dice.chance(0.3)) continue;
        entry.state = 'hole';
        entry.isDoomed = true;
      }
    }
  });

  return {
    produce,
    produceLast: (log) => made.produceLast(log, time.time()),
    produceInert: (log, below) => made.produceInert(log, time.time(), below),
    endTransaction: (log) => made.endTransaction(log),
  };
}

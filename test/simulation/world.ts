import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts';
import { dice, type Dice } from './dice.ts';
import { newLog, type Log } from './kafka.ts';
import { planOf, type Fault, type Plan } from './plan.ts';
import { scheduler, type Scheduler } from './scheduler.ts';

/** What all parts of one world share. */
export interface World {
  readonly plan: Plan;
  readonly dice: Dice;
  readonly time: Scheduler;
  readonly logs: Log[];
  readonly store: MemoryStore;
  /** Files of the side output, by name. */
  readonly files: Map<string, Uint8Array>;
  /** When true, all trouble is over. */
  isCalm: boolean;
  /** Which of the plan's deployments is in force. */
  deployed: number;
  /** What was wrong; the first ones say it all. */
  readonly discrepancies: string[];
  /** Named situations that happened. */
  readonly marks: Set<string>;
  /** Whether a fault may strike now. */
  has(this: void, fault: Fault): boolean;
  /** Greatest usual latency of a call now. */
  latencyMs(this: void): number;
  mark(this: void, situation: string): void;
  wrong(this: void, what: string): void;
}

const MAX_DISCREPANCIES = 10;
const CALM_LATENCY_MS = 2;

export function newWorld(seed: number, print: ((line: string) => void) | undefined): World {
  const plan = planOf(seed);
  const rolled = dice(seed ^ 0x5eed);
  const time = scheduler(plan.start, rolled, print);
  const world: World = {
    plan,
    dice: rolled,
    time,
    logs: Array.from({ length: plan.partitions }, (_, partition) => newLog(partition, plan.start)),
    store: memoryStore(),
    files: new Map(),
    isCalm: false,
    deployed: 0,
    discrepancies: [],
    marks: new Set(),
    has: (fault) => !world.isCalm && plan.faults.has(fault),
    latencyMs: () => (world.isCalm ? CALM_LATENCY_MS : plan.latencyMs),
    mark: (situation) => void world.marks.add(situation),
    wrong(what) {
      if (world.discrepancies.length < MAX_DISCREPANCIES) world.discrepancies.push(what);
      time.trace(() => `WRONG: ${what}`, 99);
    },
  };
  return world;
}

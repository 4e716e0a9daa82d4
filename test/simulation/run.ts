import { triggersOf } from '../../lib/pipeline.ts';
import { checkEnd } from './check.ts';
import { endOf, stableEnd } from './kafka.ts';
import { lambda } from './lambda.ts';
import { live } from './life.ts';
import type { Plan } from './plan.ts';
import { poller } from './poller.ts';
import { watch } from './watch.ts';
import { newWorld } from './world.ts';

/** What became of a world. */
export interface Outcome {
  readonly plan: Plan;
  /** What was wrong; empty when all was well. */
  readonly discrepancies: readonly string[];
  /** Named situations that happened. */
  readonly marks: ReadonlySet<string>;
  /** Hash of the whole trace. */
  readonly hash: number;
  readonly events: number;
}

/** How often `finalize` runs when all trouble is over. */
const CALM_MS = 5_000;
/** Everything there is must have been delivered so long after. */
const DRAINED_MS = 5 * 60_000;
/** Who was held up when the calm came: a stall on the way there and one on the way back. */
const HELD_MS = 130_000;

/** Runs one world to its end, and compares it with the oracle. One seed, one outcome. */
export async function runWorld(seed: number, print?: (line: string) => void): Promise<Outcome> {
  const world = newWorld(seed, print);
  const { plan, dice, time, logs, discrepancies, marks } = world;
  world.mark(`pipeline ${plan.app?.pipeline.name ?? 'made up'}`);
  const isWrong = () => discrepancies.length > 0;
  const watched = watch(world);
  const producers = live(world);
  const functions = lambda(world, watched, producers);
  const poll = poller(world, functions.count);

  poll.start();
  const schedule = () => {
    functions.finalize();
    if (world.has('crowd') && dice.chance(0.5)) time.after(dice.next() * plan.latencyMs * 3, functions.finalize);
    time.after(Math.max(plan.finalizeMs, world.isCalm ? CALM_MS : 0) * (0.5 + dice.next()), schedule);
  };
  time.after(dice.next() * plan.finalizeMs, schedule);
  const readers = () => {
    functions.read();
    time.after(plan.finalizeMs * (0.5 + dice.next()), readers);
  };
  if (plan.deployments[0].running) readers();
  await time.run(plan.start + plan.spanMs, isWrong);

  // The calm: faults stop, transactions end, and everything is delivered.
  time.trace(() => 'calm', 61);
  world.isCalm = true;
  world.deployed = plan.deployments.length - 1;
  const held = functions.running();
  const drained = async () => {
    await time.run(time.time() + DRAINED_MS, () => isWrong() || poll.isDrained());
    if (!isWrong() && !poll.isDrained()) world.wrong('not everything was delivered when all faults had ended');
  };
  for (const log of logs) if (stableEnd(log) < endOf(log)) producers.endTransaction(log);
  await drained();
  for (const log of logs) producers.produceLast(log); // what the poller passed by is noticed with the next record
  await drained();

  // Time passes until all is closed, whatever goes on arriving that cannot count.
  if (plan.faults.has('tail')) {
    const tail = () => {
      for (const log of logs) producers.produceInert(log, watched.inertBelow(log.partition));
      time.after(Math.max(CALM_MS, 3 * plan.pollMs), tail);
    };
    tail();
  }
  await time.run(watched.boundOfLiveness(time.time()), () => isWrong() || watched.isSettled());
  // Who was held up ends too, and what the last ones left is tidied by the next finalize.
  const isHeld = () => [...held].some((invocation) => functions.running().has(invocation));
  await time.run(time.time() + HELD_MS, () => isWrong() || !isHeld());
  const [pipeline] = plan.deployments;
  const triggers = triggersOf(pipeline).map(([, triggerMs]) => triggerMs);
  const rollMs = pipeline.sideOutput ? pipeline.sideOutput.rollAgeMs + 2 * plan.skewMs : 0;
  await time.run(time.time() + 4 * CALM_MS + 2 * plan.finalizeMs + Math.max(rollMs, ...triggers), isWrong);
  if (!isWrong()) await checkEnd(world, watched);
  return { plan, discrepancies, marks, hash: time.hash(), events: time.events() };
}

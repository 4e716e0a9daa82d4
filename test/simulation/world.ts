import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { TidemarkError, isError } from '../../lib/runtime/error.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import type { Broker } from '../../lib/source/broker.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { checkEnd } from './check.ts';
import { dice } from './dice.ts';
import { faultyStore } from './faulty-store.ts';
import { port, type Invocation, type Weather } from './invocation.ts';
import { endOf, fetchFrom, newLog, stableEnd, type Entry, type Log } from './kafka.ts';
import { planOf, type Fault, type Plan } from './plan.ts';
import { poller, type Ended } from './poller.ts';
import { producer } from './records.ts';
import { scheduler } from './scheduler.ts';
import { watch } from './watch.ts';

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

/** More than this and the first ones say it all. */
const MAX_DISCREPANCIES = 10;
const CROWD = 4;
/** How often `finalize` runs when all trouble is over. */
const CALM_MS = 5_000;

/** Runs one world to its end, and compares. */
export async function runWorld(seed: number, print?: (line: string) => void): Promise<Outcome> {
  const plan = planOf(seed);
  const d = dice(seed ^ 0x5eed);
  const marks = new Set<string>();
  const discrepancies: string[] = [];
  const mark = (situation: string) => void marks.add(situation);
  const wrong = (what: string) => {
    if (discrepancies.length < MAX_DISCREPANCIES) discrepancies.push(what);
    time.trace(() => `WRONG: ${what}`, 99);
  };
  const time = scheduler(plan.start, d, print);

  let isCalm = false;
  const outage = plan.start + d.next() * plan.spanMs;
  const weather: Weather = {
    has: (fault) => !isCalm && plan.faults.has(fault),
    latencyMs: () => (isCalm ? 2 : plan.latencyMs),
  };
  const isOut = () =>
    (weather.has('unreachable') && d.chance(0.15)) ||
    (weather.has('outage') && time.time() > outage && time.time() < outage + 15 * 60_000);

  const store = memoryStore();
  const calls = port(time, d, weather, mark);
  const logs: Log[] = Array.from({ length: plan.partitions }, (_, partition) => newLog(partition, plan.start));
  const triggerMs = Math.max(0, ...[...plan.deployments[0].geometry.kinds.values()].map((kind) => kind.triggerMs ?? 0));
  const watched = watch(plan, logs, time, wrong, mark);
  const containers = [new Map<string, number>(), new Map<string, number>()];
  let deployed = 0;
  let invocations = 0;
  let finalizing = 0;
  const running = new Set<Invocation>();

  function runtimeOf(invocation: Invocation): Runtime {
    const random = d.next;
    const { name } = invocation;
    const log =
      (level: string) =>
      (message: string, fields: object = {}) => {
        watched.logged(message);
        time.trace(() => `${name} ${level}: ${message} ${JSON.stringify(fields)}`, message.length);
      };
    return {
      store: faultyStore(store, invocation, calls, d, weather, time, watched.applied, mark),
      clock: {
        now: () => Math.floor(time.time()) + invocation.skewMs,
        monotonic: () => time.time() - plan.start,
        sleep: (ms) => calls.sleep(invocation, ms),
      },
      random,
      log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      metrics: () => {},
      report: watched.reported,
      hint: plan.faults.has('hints') ? async () => hint() : undefined,
      hintedAt: d.pick([containers[0], containers[1]]) ?? new Map(),
      broker: brokerFor(invocation),
      groupOf: (pipeline) => pipeline,
      partialBatchResponses: plan.faults.has('partial'),
    };
  }

  function brokerFor(invocation: Invocation): Broker {
    const unreachable = () => new TidemarkError('BROKER_UNREACHABLE', 'simulated');
    return {
      offsets: () => {
        invocation.askedAt = time.time();
        invocation.listedAt = undefined;
        return calls.call(invocation, 'offsets', false, async () => {
          if (isOut()) throw unreachable();
          invocation.listedAt = time.time();
          time.trace(
            () =>
              `${invocation.name} lists ${logs.map((log) => `${log.start}-${endOf(log)} (${log.committed})`).join(', ')}`,
            31,
          );
          if (weather.has('sneak') && d.chance(0.3)) time.after(1, () => produce(logs[d.int(0, logs.length - 1)]));
          return new Map(
            logs.map((log) => [log.partition, { start: log.start, end: endOf(log), committed: log.committed }]),
          );
        });
      },
      read: (_, partition, from, limit) =>
        calls.call(invocation, 'fetch', false, async () => {
          const log = logs[partition];
          if (isOut() || !log) throw unreachable();
          time.trace(() => `${invocation.name} fetches ${partition} from ${from}`, 32);
          return fetchFrom(log, from, limit);
        }),
    };
  }

  function invoke(kind: string, delivered: Invocation['delivered'], onDeath: () => void): Invocation {
    const isOld = deployed > 0 && !isCalm && d.chance(0.3);
    const invocation: Invocation = {
      name: `${kind}${invocations++}`,
      pipeline: plan.deployments[isOld ? deployed - 1 : deployed] ?? plan.deployments[0],
      startedAt: time.time(),
      skewMs: d.int(-plan.skewMs, plan.skewMs),
      delivered,
      isDead: false,
      checkpointsReadAt: Number.NEGATIVE_INFINITY,
      askedAt: Number.NEGATIVE_INFINITY,
      listedAt: undefined,
      onDeath() {
        running.delete(invocation);
        onDeath();
      },
    };
    running.add(invocation);
    return invocation;
  }

  function contextOf(invocation: Invocation) {
    if (!plan.faults.has('deadline')) return {};
    const endsAt = invocation.startedAt + (isCalm ? 120_000 : d.int(3_000, 60_000));
    return { getRemainingTimeInMillis: () => endsAt - time.time() };
  }

  function deliver(delivered: ReadonlyMap<number, readonly Entry[]>, ended: Ended): void {
    const everything = new Set(delivered.keys());
    const invocation = invoke('count', delivered, () => time.after(d.int(1, 3_000), () => ended(everything)));
    const { pipeline } = invocation;
    const { topic } = pipeline.source;
    time.trace(
      () =>
        `${invocation.name} (delay ${pipeline.delayMs}, skew ${invocation.skewMs}) gets ` +
        [...delivered].map(([p, batch]) => `p${p}: ${batch.map(({ offset }) => offset).join(' ')}`).join('; '),
      41,
    );
    const records = Object.fromEntries(
      [...delivered].map(([partition, batch]) => [
        `${topic}-${partition}`,
        batch.map(({ offset, timestamp, key, value }) => ({ topic, partition, offset, timestamp, key, value })),
      ]),
    );
    void count({ eventSource: 'aws:kafka', records }, [pipeline], runtimeOf(invocation), contextOf(invocation)).then(
      ({ batchItemFailures }) => {
        running.delete(invocation);
        ended(
          new Set(batchItemFailures.map(({ itemIdentifier }) => Number(itemIdentifier.partition.split('-').at(-1)))),
        );
      },
      (error: unknown) => {
        failed(invocation, error);
        ended(everything);
      },
    );
  }

  function startFinalize(): void {
    if (finalizing >= CROWD) return;
    finalizing++;
    const invocation = invoke('finalize', new Map(), () => finalizing--);
    time.trace(() => `${invocation.name} begins (skew ${invocation.skewMs})`, 42);
    void finalize({}, [invocation.pipeline], runtimeOf(invocation), contextOf(invocation)).then(
      () => {
        running.delete(invocation);
        finalizing--;
      },
      (error: unknown) => {
        finalizing--;
        failed(invocation, error);
      },
    );
  }

  function hint(): void {
    mark('finalize hinted');
    time.after(d.next() * plan.latencyMs, startFinalize);
  }

  /** What fails on purpose is tried again; anything else is a discrepancy. */
  function failed(invocation: Invocation, error: unknown): void {
    running.delete(invocation);
    time.trace(() => `${invocation.name} fails: ${String(error)}`, 43);
    if (isError(error, 'GAVE_UP') || isError(error, 'STORE_BUSY')) return mark('gave up');
    const details = error instanceof TidemarkError ? JSON.stringify(error.details) : String((error as Error).stack);
    wrong(`${invocation.name} failed: ${String(error)} ${details}`);
  }

  // What producers, operators and brokers do, all of it known beforehand but for the dice.
  const made = producer(plan, d);
  const produce = (log: Log | undefined) => {
    if (!log) return;
    made.produce(log, time.time());
    time.trace(
      () => `produced ${log.partition}: up to ${endOf(log) - 1} ${JSON.stringify(log.entries.at(-1)?.truth)}`,
      51,
    );
    if (log.entries.at(-1)?.state === 'open' || stableEnd(log) < endOf(log)) {
      time.after(d.int(1, 20_000), () => stableEnd(log) < endOf(log) && made.endTransaction(log));
    }
  };
  const silent = new Set(plan.faults.has('lull') ? logs.filter(() => d.chance(0.4)) : []);
  for (let i = 0; i < plan.records; i++) {
    const log = d.int(0, 2);
    time.after(d.next() * (plan.ageMs > 0 && d.chance(0.7) ? 1 : plan.spanMs), () => {
      const chosen = logs[log % logs.length];
      if (chosen && silent.has(chosen) && d.chance(0.9)) return;
      produce(chosen);
    });
  }
  const sometime = (fault: Fault, times: number, happen: () => void) => {
    if (!plan.faults.has(fault)) return;
    for (let i = 0; i < times; i++) time.after(d.next() * plan.spanMs, happen);
  };
  sometime('deploy', 2, () => {
    deployed = Math.min(deployed + 1, plan.deployments.length - 1);
    mark('delay changed');
    time.trace(() => `deployed with a delay of ${plan.deployments[deployed]?.delayMs}`, 52);
  });
  sometime('grow', 1, () => {
    logs.push(newLog(logs.length, time.time()));
    mark('partition added');
    time.trace(() => `partition ${logs.length - 1} is added`, 53);
    for (let i = d.int(0, 5); i > 0; i--) produce(logs.at(-1));
  });
  sometime('retention', 2, () => {
    const log = logs[d.int(0, logs.length - 1)];
    if (!log) return;
    const greatest = d.chance(0.5) ? (log.committed ?? 0) : stableEnd(log);
    log.start = Math.max(log.start, d.int(0, greatest));
    log.startMovedAt = time.time();
    time.trace(() => `retention moves the start of ${log.partition} to ${log.start}`, 54);
  });
  sometime('holes', 3, () => {
    for (const log of logs) {
      for (const entry of log.entries.slice(log.fetched)) {
        if (entry.state !== 'visible' || !d.chance(0.3)) continue;
        entry.state = 'hole';
        entry.isDoomed = true;
      }
    }
  });

  const poll = poller(plan, logs, deliver, time, d, weather, mark);
  poll.start();
  const schedule = () => {
    startFinalize();
    if (weather.has('crowd') && d.chance(0.5)) time.after(d.next() * plan.latencyMs * 3, startFinalize);
    time.after(Math.max(plan.finalizeMs, isCalm ? CALM_MS : 0) * (0.5 + d.next()), schedule);
  };
  time.after(d.next() * plan.finalizeMs, schedule);
  await time.run(plan.start + plan.spanMs, () => discrepancies.length > 0);

  // The calm: faults stop, transactions end, everything is delivered, and time passes until all is closed.
  isCalm = true;
  deployed = plan.deployments.length - 1;
  time.trace(() => 'calm', 61);
  const isWrong = () => discrepancies.length > 0;
  for (const log of logs) if (stableEnd(log) < endOf(log)) made.endTransaction(log);
  const drain = async () => {
    await time.run(time.time() + 5 * 60_000, () => isWrong() || poll.isDrained());
    if (!isWrong() && !poll.isDrained()) wrong('not everything was delivered five minutes after all faults had ended');
  };
  await drain();
  for (const log of logs) made.produceLast(log, time.time()); // what the poller passed by is noticed with the next record
  await drain();
  if (plan.faults.has('tail')) {
    const tail = () => {
      for (const log of logs) {
        const below = watched.inertBelow(log.partition);
        if (below !== undefined) made.produceInert(log, time.time(), below);
      }
      time.after(Math.max(CALM_MS, 3 * plan.pollMs), tail);
    };
    tail();
  }
  await time.run(watched.boundOfLiveness(time.time()), () => isWrong() || watched.isSettled());
  // Who was held up in the storm ends too; what the last ones left is tidied by the next.
  const held = new Set(running);
  await time.run(time.time() + 130_000, () => isWrong() || [...held].every((one) => !running.has(one)));
  await time.run(time.time() + 4 * CALM_MS + triggerMs, isWrong);
  if (!isWrong()) checkEnd(plan, logs, store, watched, time.time(), wrong, mark);
  return { plan, discrepancies, marks, hash: time.hash(), events: time.events() };
}

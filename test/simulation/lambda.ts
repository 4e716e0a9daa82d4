import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { runningTotals } from '../../lib/running-query.ts';
import { TidemarkError, isError } from '../../lib/runtime/error.ts';
import type { Context, Runtime } from '../../lib/runtime/runtime.ts';
import { simulatedBroker } from './broker.ts';
import { faultyStore } from './faulty-store.ts';
import { port, type Invocation } from './invocation.ts';
import type { Entry } from './kafka.ts';
import type { Producers } from './life.ts';
import type { Ended } from './poller.ts';
import { anyKey } from './running-watch.ts';
import { simulatedSink } from './side-files.ts';
import type { Watch } from './watch.ts';
import type { World } from './world.ts';

/** The functions, as Lambda invokes them: any number at once, some running the code of the deployment before. */
export interface Lambda {
  count(this: void, delivered: ReadonlyMap<number, readonly Entry[]>, ended: Ended): void;
  finalize(this: void): void;
  /** Somebody reads running totals, exactly. */
  read(this: void): void;
  /** Invocations under way; those that crashed are not. */
  running(): ReadonlySet<Invocation>;
}

/** `finalize` at once, at most. */
const CROWD = 4;

export function lambda(world: World, watched: Watch, producers: Producers): Lambda {
  const { plan, dice, time, mark } = world;
  const calls = port(world);
  const outageAt = plan.start + dice.next() * plan.spanMs;
  const containers = [new Map<string, number>(), new Map<string, number>()] as const;
  const running = new Set<Invocation>();
  let invocations = 0;
  let finalizing = 0;

  function invoke(kind: string, delivered: Invocation['delivered'], onDeath: () => void): Invocation {
    const isOld = world.deployed > 0 && !world.isCalm && dice.chance(0.3);
    const invocation: Invocation = {
      name: `${kind}${invocations++}`,
      pipeline: plan.deployments[isOld ? world.deployed - 1 : world.deployed] ?? plan.deployments[0],
      startedAt: time.time(),
      skewMs: dice.int(-plan.skewMs, plan.skewMs),
      delivered,
      isDead: false,
      registryReadAt: Number.NEGATIVE_INFINITY,
      checkpointsReadAt: Number.NEGATIVE_INFINITY,
      askedAt: Number.NEGATIVE_INFINITY,
      listedAt: undefined,
      commits: new Map(),
      onDeath() {
        running.delete(invocation);
        onDeath();
      },
    };
    running.add(invocation);
    return invocation;
  }

  function runtimeOf(invocation: Invocation): Runtime {
    const log =
      (level: string) =>
      (message: string, fields: object = {}) => {
        mark(`log: ${message}`);
        time.trace(() => `${invocation.name} ${level}: ${message} ${JSON.stringify(fields)}`, message.length);
      };
    return {
      store: faultyStore(world, calls, invocation, watched.applied),
      clock: {
        now: () => Math.floor(time.time()) + invocation.skewMs,
        monotonic: () => time.time() - plan.start,
        sleep: (ms) => calls.sleep(invocation, ms),
      },
      random: dice.next,
      log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      metrics: () => {},
      report: ({ status }) => mark(`reported ${status}`),
      sink: simulatedSink(world, calls, invocation),
      hint: plan.faults.has('hints') ? hint : undefined,
      hintedAt: dice.pick(containers),
      broker: simulatedBroker(world, calls, invocation, outageAt, producers),
      groupOf: (pipeline) => pipeline,
      partialBatchResponses: plan.faults.has('partial'),
    };
  }

  function contextOf({ startedAt }: Invocation): Context {
    if (!plan.faults.has('deadline')) return {};
    const endsAt = startedAt + (world.isCalm ? 120_000 : dice.int(3_000, 60_000));
    return { getRemainingTimeInMillis: () => endsAt - time.time() };
  }

  async function run<T>(invocation: Invocation, work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      time.trace(() => `${invocation.name} fails: ${String(error)}`, 43);
      if (isError(error, 'GAVE_UP') || isError(error, 'STORE_BUSY')) mark('gave up');
      else {
        // What fails on purpose is tried again; anything else is a discrepancy.
        const details = error instanceof TidemarkError ? JSON.stringify(error.details) : String((error as Error).stack);
        world.wrong(`${invocation.name} failed: ${String(error)} ${details}`);
      }
      return undefined;
    } finally {
      running.delete(invocation);
    }
  }

  async function runCount(delivered: Invocation['delivered'], ended: Ended): Promise<void> {
    const everything = new Set(delivered.keys());
    const invocation = invoke('count', delivered, () => time.after(dice.int(1, 3_000), () => ended(everything)));
    const { name, pipeline, skewMs } = invocation;
    const { topic } = pipeline.source;
    time.trace(() => {
      const batches = [...delivered].map(([p, batch]) => `p${p}: ${batch.map(({ offset }) => offset).join(' ')}`);
      return `${name} (delay ${pipeline.delayMs}, skew ${skewMs}) gets ${batches.join('; ')}`;
    }, 41);
    const records = Object.fromEntries(
      [...delivered].map(([partition, batch]) => [
        `${topic}-${partition}`,
        batch.map(({ offset, timestamp, key, value }) => ({ topic, partition, offset, timestamp, key, value })),
      ]),
    );
    const event = { eventSource: 'aws:kafka', records };
    const response = await run(invocation, count(event, [pipeline], runtimeOf(invocation), contextOf(invocation)));
    const failures = response?.batchItemFailures.map(({ itemIdentifier }) =>
      itemIdentifier.partition.split('-').at(-1),
    );
    ended(failures ? new Set(failures.map(Number)) : everything);
  }

  async function runFinalize(): Promise<void> {
    if (finalizing >= CROWD) return;
    finalizing++;
    const invocation = invoke('finalize', new Map(), () => finalizing--);
    time.trace(() => `${invocation.name} begins (skew ${invocation.skewMs})`, 42);
    await run(invocation, finalize({}, [invocation.pipeline], runtimeOf(invocation), contextOf(invocation)));
    finalizing--;
  }

  async function runReader(): Promise<void> {
    const [{ running }] = plan.deployments;
    if (!running) return;
    const invocation = invoke('reader', new Map(), () => {});
    const { pipeline } = invocation;
    const { store, clock, random } = runtimeOf(invocation);
    const key = plan.kind === 'running' && dice.chance(0.3) ? anyKey(pipeline, plan.keys, dice) : undefined;
    const retry = { clock, random, deadline: Number.POSITIVE_INFINITY };
    const answer = runningTotals({ store, retry }, pipeline, running, true, key ? { key } : {}).then((result) => ({
      result,
    }));
    const answered = await run(invocation, answer);
    if (answered) watched.totals.read(invocation, answered.result, key);
  }

  async function hint(): Promise<void> {
    mark('finalize hinted');
    time.after(dice.next() * plan.latencyMs, () => void runFinalize());
  }

  return {
    count: (delivered, ended) => void runCount(delivered, ended),
    finalize: () => void runFinalize(),
    read: () => void runReader(),
    running: () => new Set(running),
  };
}

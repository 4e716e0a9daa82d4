import { afterAll, afterEach, beforeAll } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import type { Pipeline } from '../../lib/index.ts';
import { finalWindows } from '../../lib/query.ts';
import { checkpointsOf, registryOf } from '../../lib/reader.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import { kafkaBroker as brokerOf } from '../../lib/source/kafka-broker.ts';
import type { Checkpoint } from '../../lib/store/progress.ts';
import { startPoller, type Mapping, type Poller } from '../../localstack/poller.ts';
import type { MskEvent } from '../../localstack/msk-event.ts';
import type { ExpectedRow } from './brute-force.ts';
import { testRuntime } from './runtime.ts';
import { clickSource, clicks } from './scene.ts';
import { createTopic, startServers, until, type TopicServers } from './topic-servers.ts';

/** What the poller and the functions of one pipeline have stored. */
export interface Outcome {
  /** `1m 2026-01-08T18:58:00.000Z` to rows in order of rank. */
  readonly windows: ReadonlyMap<string, readonly ExpectedRow[]>;
  /** Windows that may lack records, with the reason. */
  readonly incomplete: ReadonlyMap<string, string>;
}

/** One pipeline fed by the real poller from the real topic, with wall time that a test may push. */
export class TopicHost {
  readonly pipeline: Pipeline;
  readonly runtime: Runtime;
  /** What the poller says. */
  readonly lines: string[] = [];
  readonly logs: ReturnType<typeof testRuntime>['logs'];
  readonly metrics: Record<string, number>;
  /** Runs before each delivery is counted; what it throws is the function's failure. */
  before: (event: MskEvent) => Promise<void> | void = () => undefined;
  private readonly brokers: readonly string[];
  private readonly broker: ReturnType<typeof brokerOf>;
  private readonly hinted = new Set<Promise<unknown>>();
  private poller: Poller | undefined;
  private pushedMs = 0;

  constructor({ kafka, store }: TopicServers, pipeline: Pipeline) {
    this.pipeline = pipeline;
    this.brokers = kafka.brokers;
    this.broker = brokerOf(kafka.brokers, 'hostile');
    const made = testRuntime({
      store,
      clock: { ...systemClock, now: () => systemClock.now() + this.pushedMs },
      random: Math.random,
      broker: this.broker,
      hint: async () => {
        // As on AWS, nobody waits for it, and the schedule comes again when it fails.
        const run: Promise<unknown> = this.finalize().catch(() => undefined);
        this.hinted.add(run.finally(() => this.hinted.delete(run)));
      },
    });
    ({ runtime: this.runtime, logs: this.logs, metrics: this.metrics } = made);
  }

  /** Begins to deliver; resolves once the group has its position. */
  async poll(change: Partial<Mapping> = {}): Promise<void> {
    this.poller = startPoller({
      brokers: this.brokers,
      mapping: {
        functionName: `count-${this.pipeline.name}`,
        eventSourceArn: 'arn:aws:kafka:us-east-1:123456789012:cluster/c/1',
        topic: this.pipeline.source.topic,
        consumerGroupId: this.runtime.groupOf(this.pipeline.name),
        batchSize: 50,
        batchingWindowMs: 50,
        startingPosition: { kind: 'TRIM_HORIZON' },
        partialBatchResponses: false,
        ...change,
      },
      invoke: async (event) => {
        await this.before(event);
        return await count(event, [this.pipeline], this.runtime);
      },
      report: { line: (line) => void this.lines.push(line), debug: () => undefined },
    });
    await this.poller.ready;
  }

  async stop(): Promise<void> {
    await this.poller?.stop();
    this.poller = undefined;
    await Promise.all(this.hinted);
  }

  finalize(): Promise<void> {
    return finalize({}, [this.pipeline], this.runtime);
  }

  /** Lets wall time jump ahead. */
  push(ms: number): void {
    this.pushedMs += ms;
  }

  async checkpoints(): Promise<Checkpoint[]> {
    const registry = await registryOf(this.reader(), this.pipeline);
    return registry ? await checkpointsOf(this.reader(), this.pipeline, registry) : [];
  }

  /** Windows that end at or before this are final. */
  async closed(): Promise<number> {
    return (await registryOf(this.reader(), this.pipeline))?.closed ?? Number.NEGATIVE_INFINITY;
  }

  /** Waits until so many records have been accounted for, in all partitions together. */
  async counted(records: number): Promise<void> {
    await until(async () => {
      const checkpoints = await this.checkpoints();
      const sum = checkpoints.reduce((total, { counters }) => total + counters.records, 0);
      if (sum !== records) throw new Error(`${sum} of ${records} records; ${this.lines.slice(-3).join('\n')}`);
    });
  }

  /** A quarter of an hour later everything is idle, and the last window closes. */
  async settle(): Promise<Outcome> {
    await Promise.all(this.hinted);
    this.push(15 * 60_000);
    await this.finalize();
    return await this.outcome();
  }

  async outcome(): Promise<Outcome> {
    const windows = new Map<string, ExpectedRow[]>();
    const incomplete = new Map<string, string>();
    for (const name of this.pipeline.geometry.kinds.keys()) {
      for await (const found of finalWindows(this.reader(), this.pipeline, name)) {
        const id = `${name} ${new Date(found.window.start).toISOString()}`;
        const rows = found.rows.map(({ row: { username, n, total } }): ExpectedRow => [
          typeof username === 'string' ? username : null,
          String(n),
          String(total),
        ]);
        windows.set(id, rows);
        if (found.incomplete !== undefined) incomplete.set(id, found.incomplete);
      }
    }
    return { windows, incomplete };
  }

  private reader() {
    const { store, clock, random } = this.runtime;
    return { store, retry: { clock, random, deadline: Number.POSITIVE_INFINITY } };
  }
}

/** What a topic of a test is, and how its pipeline reads it. */
export interface TopicOptions {
  readonly partitions?: number;
  readonly config?: Readonly<Record<string, string>>;
  readonly startAt?: 'earliest' | 'latest';
}

/** Servers shared by the tests of a file; every host a test made is stopped after it. */
export function topicWorld() {
  const hosts: TopicHost[] = [];
  const world = {} as { servers: TopicServers };
  beforeAll(async () => {
    world.servers = await startServers();
  });
  afterEach(async () => {
    await Promise.all(hosts.splice(0).map((host) => host.stop()));
  });
  afterAll(() => world.servers.close());

  /** The host of a pipeline. */
  const host = (pipeline: Pipeline): TopicHost => {
    const made = new TopicHost(world.servers, pipeline);
    hosts.push(made);
    return made;
  };
  return {
    get servers(): TopicServers {
      return world.servers;
    },
    host,
    /** A new topic, and the host of a pipeline of its name that counts its clicks. */
    hostOf: async (topic: string, { partitions, config, startAt = 'earliest' }: TopicOptions = {}) => {
      await createTopic(world.servers, topic, partitions, config);
      return host(clicks({ name: topic, source: clickSource({ topic, startAt }) }));
    },
  };
}

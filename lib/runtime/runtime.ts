import type { Broker } from '../source/broker.ts';
import type { Report } from '../sink/report.ts';
import type { Sink } from '../sink/sink.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Everything the stories touch outside themselves. Built once per cold start; simulated in tests. */
export interface Runtime {
  readonly store: Store;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Adds to named counters of a pipeline. */
  readonly metrics: (pipeline: string, values: Readonly<Record<string, number>>) => void;
  /** Where `finalize` shows results. */
  readonly report: Report;
  /** Where files of side outputs go; undefined when SINK_URL is not set. */
  readonly sink?: Sink | undefined;
  /** Asks for `finalize` now, without waiting for it; undefined when no function is named. Only a hint. */
  readonly hint: ((pipeline: string) => Promise<void>) | undefined;
  /** When `count` last asked for `finalize`, wall time by pipeline, in this container. */
  readonly hintedAt: Map<string, number>;
  /** The broker of a pipeline's topic; undefined when tests run without one (`KAFKA_BROKERS=none`). */
  readonly broker: Broker | undefined;
  /** Name of a pipeline's consumer group. */
  readonly groupOf: (pipeline: string) => string;
  /** Whether the event source mapping reads which records failed (`ReportBatchItemFailures`). */
  readonly partialBatchResponses: boolean;
}

/** What the stories use of Lambda's context; absent in tests and in a bare call. */
export interface Context {
  readonly getRemainingTimeInMillis?: () => number;
}

/** A monotonic instant by which an invocation has to be done, `marginMs` before Lambda ends it. */
export const deadlineOf = (context: Context, clock: Clock, marginMs: number): number =>
  clock.monotonic() + (context.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY) - marginMs;

import { Logger } from '@aws-lambda-powertools/logger';
import { MetricUnit, Metrics } from '@aws-lambda-powertools/metrics';
import middy, { type MiddyfiedHandler } from '@middy/core';
import type { Context as LambdaContext } from 'aws-lambda';
import type { Mock, EmitRuntime } from '../emit.ts';
import type { Pipeline } from '../pipeline.ts';
import { kafkaBroker } from '../source/kafka-broker.ts';
import { kafkaProducer } from '../source/producer.ts';
import { jsonReport } from '../sink/json.ts';
import type { Sink, SinkPlace } from '../sink/sink.ts';
import { tableReport } from '../sink/table.ts';
import { createDynamodbClient, dynamodbStore } from '../store/dynamodb.ts';
import { kafkaAuth } from './auth.ts';
import { systemClock, type Clock } from './clock.ts';
import { configFrom, type Environment } from './config.ts';
import { lambdaHint } from './hint.ts';
import type { Log } from './log.ts';
import type { Runtime } from './runtime.ts';

/** A function's world, built once per cold start: the only place where DynamoDB, Kafka, the clock and chance meet. */
export interface Started {
  readonly runtime: Runtime;
  readonly emitRuntime: EmitRuntime;
  /** The pipelines and mocks this function serves: those in PIPELINES, or all. */
  readonly pipelines: readonly Pipeline[];
  readonly mocks: readonly Mock[];
  /** Wraps a story as a Lambda handler: logs with the request's id, metrics flushed, failures logged and thrown. */
  instrumented<Result>(story: Story<Result>): MiddyfiedHandler<unknown, Result>;
  /** The runtime of one invocation: with TIDEMARK_TEST_CLOCK=1, `{ now }` in the event is the time. */
  at(event: unknown): Runtime;
}

export type Story<Result> = (event: unknown, context: LambdaContext) => Promise<Result>;

/**
 * Builds a function's world from its environment.
 *
 * @param openSink only of a function that writes files: the client of S3 is a fifth of its bundle.
 * @throws TidemarkError BAD_ENVIRONMENT at cold start, with every problem at once.
 */
export function start(
  env: Environment,
  all: readonly Pipeline[],
  mocks: readonly Mock[] = [],
  openSink?: (place: SinkPlace) => Sink,
): Started {
  const config = configFrom(
    env,
    all.map(({ name }) => name),
  );
  const isServed = (name: string): boolean => config.pipelines?.includes(name) ?? true;
  const isForPeople = config.logFormat === 'table';
  const logger = new Logger({ serviceName: 'tidemark', logLevel: config.logLevel });
  const log = structuredLog(logger);
  const metrics = isForPeople ? NO_METRICS : embeddedMetrics();
  const auth = kafkaAuth(config);
  const runtime: Runtime = {
    store: dynamodbStore(createDynamodbClient(), config.tables),
    clock: systemClock,
    random: Math.random,
    log,
    metrics: metrics.add,
    report: isForPeople
      ? tableReport((text) => process.stdout.write(text), { colour: config.colour })
      : jsonReport(log),
    sink: config.sink && openSink?.(config.sink),
    hint: config.finalizeFunction === undefined ? undefined : lambdaHint(config.finalizeFunction),
    hintedAt: new Map(),
    broker: config.brokers && kafkaBroker(config.brokers, 'tidemark-finalize', auth),
    groupOf: config.consumerGroup,
    partialBatchResponses: config.partialBatchResponses,
  };
  return {
    runtime,
    emitRuntime: {
      clock: systemClock,
      random: Math.random,
      log,
      producer: () => kafkaProducer(config.brokers ?? [], 'tidemark-emit', auth),
    },
    pipelines: all.filter(({ name }) => isServed(name)),
    mocks: mocks.filter(({ pipeline }) => isServed(pipeline)),
    instrumented: (story) =>
      middy(story).use({
        before: ({ context }) => {
          if (context.awsRequestId) logger.appendKeys({ requestId: context.awsRequestId });
        },
        after: () => metrics.flush(),
        onError: ({ error }) => {
          metrics.flush();
          log.error('invocation failed', { error });
        },
      }),
    at: (event) => (config.testClock ? { ...runtime, clock: clockAt(event) } : runtime),
  };
}

const structuredLog = (logger: Logger): Log => ({
  debug: (message, fields = {}) => logger.debug(message, { ...fields }),
  info: (message, fields = {}) => logger.info(message, { ...fields }),
  warn: (message, fields = {}) => logger.warn(message, { ...fields }),
  error: (message, fields = {}) => logger.error(message, { ...fields }),
});

const NO_METRICS = { add: () => undefined, flush: () => undefined };

/** Embedded metrics in the log, one line per pipeline and invocation. */
function embeddedMetrics(): { add: Runtime['metrics']; flush: () => void } {
  const byPipeline = new Map<string, Metrics>();
  return {
    add: (pipeline, values) => {
      let metrics = byPipeline.get(pipeline);
      if (!metrics) {
        metrics = new Metrics({ namespace: 'Tidemark', serviceName: 'tidemark', defaultDimensions: { pipeline } });
        byPipeline.set(pipeline, metrics);
      }
      for (const [name, value] of Object.entries(values)) {
        if (value !== 0)
          metrics.addMetric(name, name.endsWith('Ms') ? MetricUnit.Milliseconds : MetricUnit.Count, value);
      }
    },
    flush: () => {
      for (const metrics of byPipeline.values()) if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    },
  };
}

/** Every use of wall time in an invocation, driven by a test. */
function clockAt(event: unknown): Clock {
  const now = (event as { readonly now?: unknown } | null)?.now;
  return typeof now === 'number' ? { ...systemClock, now: () => now } : systemClock;
}

import type { Table } from '../store/store.ts';
import { sinkPlace, type SinkPlace } from '../sink/sink.ts';
import { TidemarkError } from './error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment says, checked. The only module that knows the variables' names. */
export interface Config {
  readonly stage: string;
  readonly tables: Readonly<Record<Table, string>>;
  /** Undefined with `KAFKA_BROKERS=none`, for tests, and where none are named: functions without need of Kafka. */
  readonly brokers: readonly string[] | undefined;
  readonly kafkaAuth: 'none' | 'iam';
  readonly region: string;
  /** Names of the pipelines this function serves; undefined: all. */
  readonly pipelines: readonly string[] | undefined;
  readonly consumerGroup: (pipeline: string) => string;
  readonly finalizeFunction: string | undefined;
  /** Where files of side outputs go; undefined: their rows wait in the table. */
  readonly sink: SinkPlace | undefined;
  readonly partialBatchResponses: boolean;
  readonly logFormat: 'json' | 'table';
  readonly logLevel: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
  readonly colour: boolean;
  readonly testClock: boolean;
}

/**
 * Reads the environment.
 *
 * @param known names of the pipelines there are.
 * @throws TidemarkError BAD_ENVIRONMENT with every problem at once.
 */
export function configFrom(env: Environment, known: readonly string[]): Config {
  const problems: string[] = [];
  const stage = env['STAGE'] || 'dev';
  const oneOf = <const T extends string>(name: string, allowed: readonly T[], otherwise: T): T => {
    const value = env[name] || otherwise;
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) problems.push(`${name} is '${value}'; expected ${allowed.join(', ')}`);
    return found ?? otherwise;
  };
  const list = (name: string): string[] | undefined => {
    const items = env[name]
      ?.split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    return items && items.length > 0 ? items : undefined;
  };
  const table = (name: string, suffix: string): string => {
    const value = env[name] || `tidemark-${stage}-${suffix}`;
    if (!/^[A-Za-z0-9_.-]{3,255}$/.test(value))
      problems.push(`${name} is '${value}'; expected 3 to 255 letters, digits, '_', '.' or '-'`);
    return value;
  };

  const brokers = list('KAFKA_BROKERS');
  const isWithout = brokers?.length === 1 && brokers[0] === 'none';
  for (const broker of isWithout ? [] : (brokers ?? [])) {
    if (!/^[^\s:]+:\d{1,5}$/.test(broker))
      problems.push(`KAFKA_BROKERS names '${broker}'; expected host:port, separated by commas, or none`);
  }
  const kafkaAuth = oneOf('KAFKA_AUTH', ['none', 'iam'], 'none');
  if (kafkaAuth === 'iam' && !env['AWS_REGION']) problems.push('KAFKA_AUTH is iam, but AWS_REGION is not set');
  const logFormat = oneOf('LOG_FORMAT', ['json', 'table'], 'json');
  const pipelines = list('PIPELINES');
  for (const name of pipelines ?? []) {
    if (!known.includes(name)) problems.push(`PIPELINES names '${name}'; expected ${known.join(', ')}`);
  }
  const sinkUrl = env['SINK_URL'] || undefined;
  const sink = sinkUrl === undefined ? undefined : sinkPlace(sinkUrl);
  if (sinkUrl !== undefined && sink === undefined)
    problems.push(`SINK_URL is '${sinkUrl}'; expected file:folder, file:///folder or s3://bucket/prefix`);
  const group = env['CONSUMER_GROUP'];
  const config: Config = {
    stage,
    tables: {
      buckets: table('BUCKETS_TABLE', 'buckets'),
      progress: table('PROGRESS_TABLE', 'progress'),
      results: table('RESULTS_TABLE', 'results'),
    },
    brokers: isWithout ? undefined : brokers,
    kafkaAuth,
    region: env['AWS_REGION'] || '',
    pipelines,
    consumerGroup: (pipeline) => group || `tidemark-${stage}-${pipeline}`,
    finalizeFunction: env['FINALIZE_FUNCTION'] || undefined,
    sink,
    partialBatchResponses: oneOf('PARTIAL_BATCH_RESPONSES', ['true', 'false'], 'false') === 'true',
    logFormat,
    logLevel: oneOf('LOG_LEVEL', ['DEBUG', 'INFO', 'WARN', 'ERROR'], logFormat === 'table' ? 'WARN' : 'INFO'),
    colour: !env['NO_COLOR'] && Boolean(env['FORCE_COLOR']) && env['FORCE_COLOR'] !== '0',
    testClock: env['TIDEMARK_TEST_CLOCK'] === '1',
  };
  if (problems.length > 0) {
    const text = problems.map((problem) => `\n  - ${problem}`).join('');
    throw new TidemarkError('BAD_ENVIRONMENT', `the environment makes no sense:${text}`, { problems });
  }
  return config;
}

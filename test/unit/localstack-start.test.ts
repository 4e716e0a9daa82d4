import { describe, expect, test } from 'vitest';

import { isError } from '../../lib/runtime/error.ts';
import { readArguments } from '../../localstack/arguments.ts';
import { declared } from '../../localstack/declared.ts';
import { assertMayBeginAnew } from '../../localstack/fresh.ts';
import { javaMajor } from '../../localstack/java.ts';
import { offlineEnvironment } from '../../localstack/offline.ts';
import { readable } from '../../localstack/offline-output.ts';
import { readSettings } from '../../localstack/settings.ts';

const known = ['telegram', 'tweets'];

describe('the command line of npm start', () => {
  test('runs telegram when nothing is named, what is named otherwise', () => {
    expect(readArguments([], known)).toEqual({ pipelines: ['telegram'], isFresh: false, isHelp: false });
    expect(readArguments(['tweets', '--fresh'], known)).toEqual({
      pipelines: ['tweets'],
      isFresh: true,
      isHelp: false,
    });
    expect(readArguments(['--all'], known).pipelines).toEqual([]);
  });

  test.each([
    [['--frehs'], "Unknown option '--frehs'."],
    [['telegrm'], 'Unknown pipeline: telegrm. There are: telegram, tweets.'],
    [['tweets', '--all'], 'not both'],
  ])('refuses %j with the usage', (args, why) => {
    expect(() => readArguments(args, known)).toThrow(why);
    expect(() => readArguments(args, known)).toThrow('Usage: npm start');
  });
});

describe('settings', () => {
  test('have defaults, and relative folders start at the project', () => {
    expect(readSettings({ TIDEMARK_CACHE: '/c', TIDEMARK_DATA: 'state' }, '/clone')).toMatchObject({
      kafkaPort: 9092,
      controllerPort: 9093,
      dynamodbPort: 8000,
      lambdaPort: 3002,
      data: '/clone/state',
      cache: '/c',
    });
    expect(readSettings({ XDG_CACHE_HOME: '/x' }, '/clone')).toMatchObject({
      data: '/clone/.tidemark',
      cache: '/x/tidemark',
    });
  });

  test('name every problem at once', () => {
    const env = { KAFKA_PORT: 'x', DYNAMODB_PORT: '9093', KAFKA_BROKERS: 'broker', AWS_ENDPOINT_URL_DYNAMODB: 'here' };
    expect(() => readSettings(env, '/clone')).toThrow(
      expect.toSatisfy((error) => isError(error, 'BAD_ENVIRONMENT') && Object(error.details['problems']).length === 4),
    );
  });

  test('an empty one is not set', () => {
    expect(readSettings({ KAFKA_BROKERS: '', KAFKA_PORT: ' ' }, '/clone')).not.toHaveProperty('brokers');
  });

  test('a user’s own servers are never begun anew', () => {
    const settings = readSettings({ KAFKA_BROKERS: 'a:1,b:2' }, '/clone');
    expect(() => assertMayBeginAnew(settings)).toThrow('KAFKA_BROKERS=a:1,b:2 names yours');
    expect(() => assertMayBeginAnew(readSettings({}, '/clone'))).not.toThrow();
  });
});

describe('serverless.yml', () => {
  test('gives topics and pipelines, tags or not', () => {
    const text = `
custom: { topics: { a: { partitions: 2 }, b: { partitions: 1, config: { retention.ms: 1000 } } } }
functions:
  count: { handler: x, environment: { PIPELINES: 'telegram, tweets', ARN: !GetAtt Topic.Arn } }
  emit: { handler: y }`;
    expect(declared(text)).toEqual({
      topics: [
        { name: 'a', partitions: 2, config: { 'message.timestamp.after.max.ms': '300000' } },
        { name: 'b', partitions: 1, config: { 'message.timestamp.after.max.ms': '300000', 'retention.ms': '1000' } },
      ],
      pipelines: ['telegram', 'tweets'],
    });
  });

  test('says where it makes no sense', () => {
    expect(() => declared('custom: { topics: { a: { partitions: 0 } } }')).toThrow('custom.topics.a.partitions');
  });
});

describe('what npm start shows of serverless offline', () => {
  test.each([
    'Starting Offline at stage dev (us-east-1)',
    'Offline [http for lambda] listening on http://127.0.0.1:3002',
    '   * emit: tidemark-dev-emit',
    '\u001B[90m(λ: emit) RequestId: 3951ae22\u001B[39m',
    '(λ: emit) RequestId: 3951ae22  Duration: 100.02 ms  Billed Duration: 101 ms',
    '{"level":"INFO","message":"batch committed"}',
    '      at resolve (node:internal/modules/esm/resolve:272:11)',
    '{"_aws":{"Timestamp":1},"records":3}',
  ])('nothing of: %s', (line) => expect(readable(line)).toBeUndefined());

  test.each(['username | count', '', '{not JSON}', '× Unhandled exception in handler', '{"no":"level"'])(
    'all of: %s',
    (line) => expect(readable(line)).toBe(line),
  );

  test('a warning for machines as one for people', () => {
    const line =
      '{"level":"WARN","message":"late event","timestamp":"2026-01-08","function_name":"count","lateByMs":5}';
    expect(readable(line)).toBe('WARN late event lateByMs=5');
  });
});

test('the functions get colours only for a terminal, and never both settings', () => {
  const addresses = { brokers: 'b:1', dynamodbEndpoint: 'http://d' };
  const env = { FORCE_COLOR: '1', PIPELINES: 'old', OTHER: 'kept' };
  const common = {
    OTHER: 'kept',
    KAFKA_BROKERS: 'b:1',
    AWS_ENDPOINT_URL_DYNAMODB: 'http://d',
    LOG_FORMAT: 'table',
    NODE_OPTIONS: '--max-semi-space-size=4',
  };
  expect(offlineEnvironment(env, addresses, ['a', 'b'], true)).toEqual({
    ...common,
    PIPELINES: 'a,b',
    FORCE_COLOR: '1',
  });
  expect(offlineEnvironment(env, addresses, [], false)).toEqual({ ...common, NO_COLOR: '1' });
  expect(offlineEnvironment({ NO_COLOR: '1', ...env }, addresses, [], true)).toEqual({ ...common, NO_COLOR: '1' });
});

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['java version "1.8.0_402"', 8],
  ['openjdk version "25" 2025-09-16', 25],
  ['The operation could not be completed.', undefined],
])('java -version: %s', (text, major) => expect(javaMajor(text)).toBe(major));

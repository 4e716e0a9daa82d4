import { describe, expect, test } from 'vitest';
import { configFrom } from '../../lib/runtime/config.ts';

const known = ['telegram', 'sales'];

describe('the environment', () => {
  test('may say nothing', () => {
    const config = configFrom({}, known);
    expect(config).toMatchObject({
      stage: 'dev',
      tables: { buckets: 'tidemark-dev-buckets', progress: 'tidemark-dev-progress', results: 'tidemark-dev-results' },
      brokers: undefined,
      kafkaAuth: 'none',
      pipelines: undefined,
      finalizeFunction: undefined,
      partialBatchResponses: false,
      logFormat: 'json',
      logLevel: 'INFO',
      testClock: false,
    });
    expect(config.consumerGroup('telegram')).toBe('tidemark-dev-telegram');
  });

  test('names tables, brokers, pipelines and the group', () => {
    const config = configFrom(
      {
        STAGE: 'prod',
        RESULTS_TABLE: 'my.results',
        KAFKA_BROKERS: 'b-1.example:9098, b-2.example:9098,',
        PIPELINES: ' telegram ,',
        CONSUMER_GROUP: 'mine',
        FINALIZE_FUNCTION: 'tidemark-prod-finalize',
        PARTIAL_BATCH_RESPONSES: 'true',
        TIDEMARK_TEST_CLOCK: '1',
      },
      known,
    );
    expect(config).toMatchObject({
      tables: { buckets: 'tidemark-prod-buckets', results: 'my.results' },
      brokers: ['b-1.example:9098', 'b-2.example:9098'],
      pipelines: ['telegram'],
      finalizeFunction: 'tidemark-prod-finalize',
      partialBatchResponses: true,
      testClock: true,
    });
    expect(config.consumerGroup('telegram')).toBe('mine');
  });

  test('KAFKA_BROKERS=none is no broker, and empty values are absent ones', () => {
    expect(configFrom({ KAFKA_BROKERS: 'none', STAGE: '', PIPELINES: '', FINALIZE_FUNCTION: '' }, known)).toMatchObject(
      {
        brokers: undefined,
        stage: 'dev',
        pipelines: undefined,
        finalizeFunction: undefined,
      },
    );
  });

  test('that makes no sense is told every problem at once, with what was found and what is allowed', () => {
    const env = {
      BUCKETS_TABLE: 'a b',
      KAFKA_BROKERS: 'localhost,other:9092,none',
      KAFKA_AUTH: 'iam',
      PIPELINES: 'telegram,tweets',
      LOG_LEVEL: 'loud',
      PARTIAL_BATCH_RESPONSES: 'yes',
    };
    const problems = [
      expect.stringMatching(/^KAFKA_BROKERS names 'localhost'; expected host:port/),
      expect.stringMatching(/^KAFKA_BROKERS names 'none'/),
      'KAFKA_AUTH is iam, but AWS_REGION is not set',
      "PIPELINES names 'tweets'; expected telegram, sales",
      expect.stringMatching(/^BUCKETS_TABLE is 'a b'; expected 3 to 255/),
      "PARTIAL_BATCH_RESPONSES is 'yes'; expected true, false",
      "LOG_LEVEL is 'loud'; expected DEBUG, INFO, WARN, ERROR",
    ];
    const bad = { code: 'BAD_ENVIRONMENT', details: { problems } };
    expect(() => configFrom(env, known)).toThrow(expect.objectContaining(bad));
    expect(() => configFrom(env, known)).toThrow(
      /makes no sense:\n {2}- KAFKA_BROKERS names [^]*\n {2}- LOG_LEVEL is 'loud'/,
    );
  });
});

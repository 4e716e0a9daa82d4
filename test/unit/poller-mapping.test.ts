import { describe, expect, test } from 'vitest';

import { TidemarkError } from '../../lib/runtime/error.ts';
import { declaredMappings } from '../../localstack/mapping.ts';
import type { FunctionDeclaration, Serverless } from '../../localstack/serverless.ts';

const arn = 'arn:aws:kafka:us-east-1:123456789012:cluster/demo/uuid';
const id = 'CountEventSourceMappingMSKDemoClicks';

function serverless(msk: object, extension?: object): Serverless {
  const count: FunctionDeclaration = {
    handler: 'functions/count.handler',
    name: 'x-dev-count',
    events: [{ msk }, { other: 1 }],
  };
  return {
    service: {
      provider: {},
      package: {},
      resources: { extensions: extension ? { [id]: { Properties: { ...extension } } } : {} },
      getAllFunctions: () => ['count'],
      getFunction: () => count,
    },
    serviceDir: '.',
    pluginManager: { plugins: [] },
    getProvider: () => ({
      naming: {
        getMSKEventLogicalId: (key, cluster, topic) =>
          [key, cluster, topic].join('|') === 'count|demo|clicks' ? id : 'other',
      },
    }),
    classes: { Error },
  };
}
const mappings = (msk: object, extension?: object) => declaredMappings(serverless(msk, extension), () => true);
const problems = (msk: object, extension?: object): unknown => {
  try {
    return mappings(msk, extension);
  } catch (error) {
    return error instanceof TidemarkError ? error.details['problems'] : error;
  }
};

describe('a mapping', () => {
  test("has Lambda's defaults", () => {
    expect(mappings({ arn, topic: 'clicks' })).toEqual([
      {
        functionKey: 'count',
        functionName: 'count',
        eventSourceArn: arn,
        topic: 'clicks',
        consumerGroupId: 'local-count-clicks',
        batchSize: 100,
        batchingWindowMs: 500,
        startingPosition: { kind: 'TRIM_HORIZON' },
        partialBatchResponses: false,
      },
    ]);
  });

  test('says what the event says', () => {
    const event = {
      arn,
      topic: 'clicks',
      consumerGroupId: 'g',
      batchSize: 7,
      maximumBatchingWindow: 2,
      startingPosition: 'LATEST',
    };
    expect(mappings(event)).toMatchObject([
      { consumerGroupId: 'g', batchSize: 7, batchingWindowMs: 2_000, startingPosition: { kind: 'LATEST' } },
    ]);
  });

  test('a start in seconds is one in milliseconds', () => {
    const event = { arn, topic: 'clicks', startingPosition: 'AT_TIMESTAMP', startingPositionTimestamp: 12 };
    expect(mappings(event)).toMatchObject([{ startingPosition: { kind: 'AT_TIMESTAMP', atMs: 12_000 } }]);
  });

  test('an extension counts, a window of 0 too', () => {
    const extension = {
      MaximumBatchingWindowInSeconds: 0,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      MaximumRetryAttempts: -1,
    };
    expect(mappings({ arn, topic: 'clicks', maximumBatchingWindow: 0 })).toMatchObject([{ batchingWindowMs: 500 }]);
    expect(mappings({ arn, topic: 'clicks' }, extension)).toMatchObject([
      { batchingWindowMs: 0, partialBatchResponses: true },
    ]);
  });

  test('that is disabled, or not selected, is none', () => {
    expect(mappings({ arn, topic: 'clicks', enabled: false })).toEqual([]);
    expect(mappings({ arn, topic: 'clicks' }, { Enabled: false })).toEqual([]);
    expect(declaredMappings(serverless({ arn, topic: 'clicks' }), () => false)).toEqual([]);
  });

  test('may name its cluster by reference', () => {
    expect(mappings({ arn: { Ref: 'demo' }, topic: 'clicks' }, { MaximumBatchingWindowInSeconds: 3 })).toMatchObject([
      { batchingWindowMs: 3_000, eventSourceArn: '{"Ref":"demo"}' },
    ]);
  });
});

test('everything that is not known or not done is refused at once', () => {
  const extension = { MaximumRetryAttempts: 3, DestinationConfig: {}, FunctionResponseTypes: ['Other'] };
  expect(problems({ arn, topic: 'clicks', batchSize: 10_001, filterPatterns: [], surprise: 1 })).toEqual([
    expect.stringMatching(/^functions\.count\.events\.msk\.batchSize: .*10000/),
    expect.stringMatching(/^functions\.count\.events\.msk: Unrecognized keys: "filterPatterns", "surprise"/),
  ]);
  expect(problems({ arn, topic: 'clicks' }, extension)).toEqual([
    expect.stringContaining(`resources.extensions.${id}.Properties.FunctionResponseTypes`),
    expect.stringContaining(`resources.extensions.${id}.Properties.MaximumRetryAttempts`),
    expect.stringContaining('"DestinationConfig"'),
  ]);
});

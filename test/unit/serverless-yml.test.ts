import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { mocks, pipelines } from '../../lib/pipelines/index.ts';

const Events = z.array(
  z.looseObject({ msk: z.looseObject({ topic: z.string() }).optional(), schedule: z.unknown().optional() }),
);
const ServerlessYml = z.object({
  custom: z.object({ topics: z.record(z.string(), z.looseObject({ partitions: z.int() })) }),
  functions: z.record(
    z.string(),
    z.looseObject({ handler: z.string(), environment: z.record(z.string(), z.string()).optional(), events: Events }),
  ),
  resources: z.object({ Resources: z.record(z.string(), z.unknown()) }),
});
const text = readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8');
const { custom, functions, resources } = ServerlessYml.parse(parse(text, { logLevel: 'error', merge: true }));
const counts = Object.values(functions).filter(({ handler }) => handler === 'functions/count.handler');
const countOf = (name: string) => counts.filter(({ environment }) => environment?.['PIPELINES'] === name);

const POSITION = { latest: 'LATEST', earliest: 'TRIM_HORIZON' } as const;

describe.each(pipelines.map((pipeline) => ({ name: pipeline.name, source: pipeline.source })))(
  'the pipeline $name',
  ({ name, source }) => {
    test('has one count function, whose one mapping says what the declaration says', () => {
      const [count, ...others] = countOf(name);
      expect(others).toEqual([]);
      expect(count?.events).toEqual([
        {
          msk: {
            arn: '${self:custom.mskArn}',
            topic: source.topic,
            consumerGroupId: `tidemark-\${sls:stage}-${name}`,
            batchSize: source.maxBatch,
            startingPosition: POSITION[source.startAt],
          },
        },
      ]);
    });

    test('has a topic, created with the same partitions wherever that happens, and a mock that feeds it', () => {
      const mock = mocks.find(({ pipeline }) => pipeline === name);
      expect(mock?.topic).toEqual({ name: source.topic, ...custom.topics[source.topic] });
    });

    test('has a schedule of every minute for emit and finalize', () => {
      for (const key of ['emit', 'finalize']) {
        const schedules = functions[key]?.events.map(({ schedule }) => schedule);
        const ours = schedules?.filter((schedule) => Object(Object(schedule)['input'])['pipeline'] === name);
        expect(ours).toEqual([expect.objectContaining({ method: 'scheduler', rate: ['rate(1 minute)'] })]);
      }
    });

    test.each([
      ['CountRole', 'Poll'],
      ['EmitRole', 'Produce'],
      ['FinalizeRole', 'LookForLag'],
    ])('may be used under %s: %s names its topic', (role, sid) => {
      expect(topicsOf(role, sid).filter((topic) => topic === source.topic)).toHaveLength(1);
    });
  },
);

/** The topics that a statement allows; each resource is a template and its variables. */
function topicsOf(role: string, sid: string): unknown[] {
  const { Policies } = Object(Object(resources.Resources[role])['Properties']);
  const statement = Policies[0].PolicyDocument.Statement.find(({ Sid }: { Sid?: string }) => Sid === sid);
  return statement.Resource.map(([template, { topic }]: [string, { topic: string }]) => {
    expect(template).toBe(
      'arn:${AWS::Partition}:kafka:${AWS::Region}:${AWS::AccountId}:topic/${cluster}/${topic}', // oxlint-disable-line no-template-curly-in-string
    );
    return topic;
  });
}

test('serverless.yml names no pipeline that is not declared', () => {
  const declared = new Set(pipelines.map(({ name }) => name));
  expect(new Set(counts.map(({ environment }) => environment?.['PIPELINES']))).toEqual(declared);
  const ticked = ['emit', 'finalize'].flatMap((key) => functions[key]?.events ?? []);
  const names = ticked.map(({ schedule }) => String(Object(Object(schedule)['input'])['pipeline']));
  expect(new Set(names)).toEqual(declared);
});

test('serverless.yml names no topic that no pipeline reads', () => {
  const read = [...new Set(pipelines.map(({ source }) => source.topic))].sort();
  expect(Object.keys(custom.topics).sort()).toEqual(read);
  expect(topicsOf('CountRole', 'Poll').sort()).toEqual(read);
});

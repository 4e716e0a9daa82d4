import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { pipelines } from '../../lib/pipelines/index.ts';

const Events = z.array(
  z.looseObject({ msk: z.looseObject({ topic: z.string() }).optional(), schedule: z.unknown().optional() }),
);
const ServerlessYml = z.object({
  custom: z.object({ topics: z.record(z.string(), z.looseObject({ partitions: z.int() })) }),
  functions: z.record(
    z.string(),
    z.looseObject({ handler: z.string(), environment: z.record(z.string(), z.string()).optional(), events: Events }),
  ),
});
const text = readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8');
const { custom, functions } = ServerlessYml.parse(parse(text, { logLevel: 'error' }));
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

    test('has a topic, and a schedule for emit and finalize', () => {
      expect(Object.keys(custom.topics)).toContain(source.topic);
      for (const key of ['emit', 'finalize']) {
        const inputs = functions[key]?.events.map(({ schedule }) => Object(schedule)['input']);
        expect(inputs?.filter((input) => Object(input)['pipeline'] === name)).toHaveLength(1);
      }
    });

    test('is read, written and looked at under the roles: the topic is named once in each', () => {
      const grants = text.match(new RegExp(`:topic/\\$\\{cluster\\}/${source.topic}$`, 'gm'));
      expect(grants).toHaveLength(3);
    });
  },
);

test('serverless.yml names no pipeline that is not declared', () => {
  const declared = new Set(pipelines.map(({ name }) => name));
  expect(new Set(counts.map(({ environment }) => environment?.['PIPELINES']))).toEqual(declared);
  const ticked = ['emit', 'finalize'].flatMap((key) => functions[key]?.events ?? []);
  const names = ticked.map(({ schedule }) => String(Object(Object(schedule)['input'])['pipeline']));
  expect(new Set(names)).toEqual(declared);
});

import { parse } from 'yaml';
import { z } from 'zod';

import { TidemarkError } from '../lib/runtime/error.ts';

/** A topic as `custom.topics` of `serverless.yml` declares it. */
export interface Topic {
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

/** A producer's clock may run ahead of the broker's by this much; the future guard trusts timestamps for it. */
const trustedAheadMs = '300000';

const Declared = z.object({
  custom: z.object({
    topics: z.record(
      z.string(),
      z.object({
        partitions: z.int().positive(),
        config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)).default({}),
      }),
    ),
  }),
  functions: z
    .record(z.string(), z.object({ environment: z.object({ PIPELINES: z.string().optional() }).default({}) }))
    .default({}),
});

/**
 * What a `serverless.yml` declares that the local world makes or offers: topics, and the pipelines that have a function.
 *
 * @param text the file; tags such as `!Ref` are tolerated.
 * @throws TidemarkError `BAD_DECLARATION` saying what is wrong where.
 */
export function declared(text: string): { readonly topics: Topic[]; readonly pipelines: string[] } {
  const found = Declared.safeParse(parse(text, { logLevel: 'error' }));
  if (!found.success) throw new TidemarkError('BAD_DECLARATION', `serverless.yml:\n${z.prettifyError(found.error)}`);
  const { custom, functions } = found.data;
  const pipelines = Object.values(functions).flatMap(({ environment }) => environment.PIPELINES?.split(',') ?? []);
  return {
    topics: Object.entries(custom.topics).map(([name, { partitions, config }]) => ({
      name,
      partitions,
      config: { 'message.timestamp.after.max.ms': trustedAheadMs, ...config },
    })),
    pipelines: [...new Set(pipelines.map((name) => name.trim()))],
  };
}

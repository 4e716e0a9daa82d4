import { z } from 'zod';

import { TidemarkError } from '../lib/runtime/error.ts';
import type { Mapping } from './poller.ts';
import type { Serverless } from './serverless.ts';
import type { StartingPosition } from './starting-position.ts';

/** A mapping, and the function of `serverless.yml` it feeds. */
export interface DeclaredMapping extends Mapping {
  readonly functionKey: string;
}

/** Lambda's defaults. */
const BATCH_SIZE = 100;
const BATCHING_WINDOW_MS = 500;

const batchSize = z.int().min(1).max(10_000);
const windowSeconds = z.int().min(0).max(300);
/** Has a meaning on AWS alone: how many pollers there are, how they log in, where they log. */
const ignored = z.unknown().optional();

/**
 * What an `msk` event may say here. What would change the deliveries and is not done (`filterPatterns`) is refused, or the
 * local system would lie.
 */
const MskEvent = z.strictObject({
  arn: z.union([z.string(), z.strictObject({ Ref: z.string() }), z.strictObject({ 'Fn::ImportValue': z.string() })]),
  topic: z.string().min(1),
  batchSize: batchSize.optional(),
  maximumBatchingWindow: windowSeconds.optional(),
  enabled: z.boolean().optional(),
  startingPosition: z.enum(['LATEST', 'TRIM_HORIZON', 'AT_TIMESTAMP']).default('TRIM_HORIZON'),
  startingPositionTimestamp: z.number().default(0),
  consumerGroupId: z.string().min(1).optional(),
  provisionedPollerConfig: ignored,
  saslScram512: ignored,
});

/** Likewise what `resources.extensions` may say of the mapping. Retries without end are all there is here. */
const Extension = z.strictObject({
  BatchSize: batchSize.optional(),
  BisectBatchOnFunctionError: z.literal(false).optional(),
  Enabled: z.boolean().optional(),
  EventSourceArn: ignored,
  FunctionResponseTypes: z.array(z.literal('ReportBatchItemFailures')).default([]),
  LoggingConfig: ignored,
  MaximumBatchingWindowInSeconds: windowSeconds.optional(),
  MaximumRecordAgeInSeconds: z.literal(-1).optional(),
  MaximumRetryAttempts: z.literal(-1).optional(),
  MetricsConfig: ignored,
  ProvisionedPollerConfig: ignored,
  SourceAccessConfigurations: ignored,
  Tags: ignored,
});

/**
 * The Kafka event source mappings that `serverless.yml` declares, as a deployment would make them.
 *
 * @param isSelected whether a function takes part, by its key.
 * @throws TidemarkError `BAD_DECLARATION` listing everything the local poller does not know or cannot do.
 */
export function declaredMappings(
  serverless: Serverless,
  isSelected: (functionKey: string) => boolean,
): DeclaredMapping[] {
  const problems: string[] = [];
  const { service } = serverless;
  const read = <T extends z.ZodType>(shape: T, where: string, found: unknown): z.output<T> | undefined => {
    const { data, error } = shape.safeParse(found);
    problems.push(...(error?.issues ?? []).map(({ path, message }) => `${[where, ...path].join('.')}: ${message}`));
    return data;
  };
  const mappings = service
    .getAllFunctions()
    .filter(isSelected)
    .flatMap((functionKey) =>
      service.getFunction(functionKey).events.flatMap(({ msk }): DeclaredMapping[] => {
        if (msk === undefined) return [];
        const event = read(MskEvent, `functions.${functionKey}.events.msk`, msk);
        if (!event) return [];
        const id = logicalId(serverless, functionKey, event);
        const properties = service.resources?.extensions?.[id]?.Properties ?? {};
        const extension = read(Extension, `resources.extensions.${id}.Properties`, properties);
        if (!extension || !(extension.Enabled ?? event.enabled ?? true)) return [];
        return [mappingOf(functionKey, event, extension)];
      }),
    );
  if (problems.length === 0) return mappings;
  const message = `serverless.yml asks for what the local Kafka event source cannot do:\n  ${problems.join('\n  ')}`;
  throw new TidemarkError('BAD_DECLARATION', message, { problems });
}

function mappingOf(
  functionKey: string,
  event: z.output<typeof MskEvent>,
  extension: z.output<typeof Extension>,
): DeclaredMapping {
  // Serverless leaves out a window of 0 in the event; in an extension it counts.
  const seconds = extension.MaximumBatchingWindowInSeconds ?? (event.maximumBatchingWindow || undefined);
  return {
    functionKey,
    functionName: functionKey,
    eventSourceArn: typeof event.arn === 'string' ? event.arn : JSON.stringify(event.arn),
    topic: event.topic,
    // AWS makes up a new group for every mapping that names none; here it keeps its place over a restart.
    consumerGroupId: event.consumerGroupId ?? `local-${functionKey}-${event.topic}`,
    batchSize: extension.BatchSize ?? event.batchSize ?? BATCH_SIZE,
    batchingWindowMs: seconds === undefined ? BATCHING_WINDOW_MS : seconds * 1000,
    startingPosition: startingPosition(event),
    partialBatchResponses: extension.FunctionResponseTypes.length > 0,
  };
}

const startingPosition = (event: z.output<typeof MskEvent>): StartingPosition =>
  event.startingPosition === 'AT_TIMESTAMP'
    ? { kind: 'AT_TIMESTAMP', atMs: event.startingPositionTimestamp * 1000 }
    : { kind: event.startingPosition };

/** @source osls, lib/plugins/aws/package/compile/events/msk/get-msk-cluster-name-token.js */
function logicalId(serverless: Serverless, functionKey: string, { arn, topic }: z.output<typeof MskEvent>): string {
  const cluster = typeof arn === 'string' ? (arn.split('/')[1] ?? '') : Object.values(arn).join('');
  return serverless.getProvider('aws').naming.getMSKEventLogicalId(functionKey, cluster, topic);
}

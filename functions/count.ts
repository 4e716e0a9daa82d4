import { count } from '../lib/count.ts';
import { pipelines } from '../lib/pipelines/index.ts';
import { start } from '../lib/runtime/start.ts';

const tidemark = start(process.env, pipelines);

/** Kafka to buckets. Called by the MSK event source mappings in serverless.yml. */
export const handler = tidemark.instrumented((event, context) =>
  count(event, tidemark.pipelines, tidemark.runtime, context),
);

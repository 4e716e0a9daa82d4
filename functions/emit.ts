import { emit } from '../lib/emit.ts';
import { mocks, pipelines } from '../lib/pipelines/index.ts';
import { start } from '../lib/runtime/start.ts';

const tidemark = start(process.env, pipelines, mocks);

/** Mock messages to Kafka. Called every minute by the schedules in serverless.yml. */
export const handler = tidemark.instrumented((event, context) =>
  emit(event, tidemark.mocks, tidemark.emitRuntime, context),
);

import { finalize } from '../lib/finalize.ts';
import { pipelines } from '../lib/pipelines/index.ts';
import { start } from '../lib/runtime/start.ts';
import { sinkAt } from '../lib/sink/sink.ts';

const tidemark = start(process.env, pipelines, [], sinkAt);

/** Closed windows to results. Called every minute by the schedules in serverless.yml, and by `count` when one is due. */
export const handler = tidemark.instrumented((event, context) =>
  finalize(event, tidemark.pipelines, tidemark.at(event), context),
);

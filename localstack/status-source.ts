import { connect } from '../lib/cli/connection.ts';
import { pipelines } from '../lib/pipelines/index.ts';
import { checkpointsOf, registryOf, watermarkOf } from '../lib/reader.ts';
import { systemClock } from '../lib/runtime/clock.ts';
import { NEVER } from '../lib/store/progress.ts';
import { nextEndAfter } from '../lib/window/geometry.ts';
import { addressesOf, type WorldSettings } from './settings.ts';
import type { StatusSource } from './status-line.ts';

/**
 * How far the running pipelines are: records of all, and where the one stands whose watermark is least.
 *
 * Two requests a pipeline, of a few items; it can be asked every second.
 *
 * @param names the pipelines that run; none means all.
 */
export function statusSource(settings: WorldSettings, names: readonly string[]): StatusSource {
  const running = pipelines.filter(({ name }) => names.length === 0 || names.includes(name));
  const env = { ...settings.env, AWS_ENDPOINT_URL_DYNAMODB: addressesOf(settings).dynamodbEndpoint };
  const connection = connect(env, settings.project, pipelines, systemClock);
  return async () => {
    let recordsTotal = 0;
    let behind: { watermark: number; nextWindowEnd: number } | undefined;
    for (const pipeline of running) {
      const registry = await registryOf(connection.reader(), pipeline);
      const checkpoints = registry ? await checkpointsOf(connection.reader(), pipeline, registry) : [];
      for (const { counters } of checkpoints) recordsTotal += counters.records;
      const watermark = watermarkOf(checkpoints);
      if (watermark === NEVER || (behind && behind.watermark <= watermark)) continue;
      behind = { watermark, nextWindowEnd: nextEndAfter(pipeline.geometry, watermark) };
    }
    return recordsTotal === 0 ? undefined : { recordsTotal, ...behind };
  };
}

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { TidemarkError } from '../lib/runtime/error.ts';
import { databaseFile } from './dynamodb.ts';
import { removeDockerData } from './docker.ts';
import type { WorldSettings } from './settings.ts';

/**
 * Refuses to begin anew on servers of the user's own, whose data is not ours to delete.
 *
 * @throws TidemarkError `BAD_ARGUMENTS` naming the setting.
 */
export function assertMayBeginAnew(settings: WorldSettings): void {
  const theirs = [
    settings.brokers && `KAFKA_BROKERS=${settings.brokers}`,
    settings.dynamodbEndpoint && `AWS_ENDPOINT_URL_DYNAMODB=${settings.dynamodbEndpoint}`,
  ].filter(Boolean);
  if (theirs.length === 0) return;
  throw new TidemarkError(
    'BAD_ARGUMENTS',
    `--fresh deletes state that Tidemark's own servers keep, but ${theirs.join(' and ')} names yours, which it leaves ` +
      'alone. Unset that, or delete topics and tables there yourself and start without --fresh.',
  );
}

/** Deletes the stored state: only what we put into the data folder, whatever else may lie there. */
export function deleteState(data: string): void {
  const kafka = join(data, 'kafka');
  // A log that Docker keeps in a volume leaves no folder here.
  if (!existsSync(join(kafka, 'data'))) removeDockerData(data);
  rmSync(kafka, { recursive: true, force: true });
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${databaseFile(data)}${suffix}`, { force: true });
}

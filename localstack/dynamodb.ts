import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { TidemarkError } from '../lib/runtime/error.ts';
import { type Child, spawnToLog } from './child.ts';
import type { Part } from './crew.ts';
import { tail } from './log.ts';
import type { WorldSettings } from './settings.ts';

const require = createRequire(import.meta.url);
const startLimitMs = 10_000;
const graceMs = 1_500;

/**
 * Finds Dynoxide, the DynamoDB engine: `DYNOXIDE_BIN`, this platform's npm package, then `dynoxide` on PATH.
 *
 * @throws TidemarkError `LOCAL_WORLD` naming the ways to get one.
 */
function findDynoxide(env: NodeJS.ProcessEnv): string {
  const named = env['DYNOXIDE_BIN'];
  if (named) {
    if (isExecutable(named)) return named;
    throw new TidemarkError('LOCAL_WORLD', `DYNOXIDE_BIN=${named} is not a program that can be run.`);
  }
  const platform = `${process.platform}-${process.arch}`;
  try {
    return require.resolve(`@dynoxide/${platform}/dynoxide`);
  } catch {
    // not installed: npm skips optional packages that do not exist for a platform
  }
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, process.platform === 'win32' ? 'dynoxide.exe' : 'dynoxide');
    if (folder && isExecutable(candidate)) return candidate;
  }
  throw new TidemarkError(
    'LOCAL_WORLD',
    `Dynoxide, the local DynamoDB engine, was not found for ${platform}. Ways to get it:\n` +
      `  npm install --no-save @dynoxide/${platform}   (where that package exists)\n` +
      '  brew install nubo-db/tap/dynoxide, or cargo install dynoxide-rs, or a release from github.com/nubo-db/dynoxide,\n' +
      '  on PATH or named by DYNOXIDE_BIN.\n' +
      'With a DynamoDB of your own, none is needed: AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000.',
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Dynoxide on the loopback address; its tables are kept in one file of the data folder. */
export function dynamodbPart(settings: WorldSettings): Part {
  const command = findDynoxide(settings.env);
  const address = `http://127.0.0.1:${settings.dynamodbPort}`;
  const log = join(settings.data, 'logs', 'dynamodb.log');
  const args = [
    '--host',
    '127.0.0.1',
    '--port',
    String(settings.dynamodbPort),
    '--db-path',
    databaseFile(settings.data),
  ];
  return {
    name: 'DynamoDB',
    address,
    graceMs,
    spawn: () => spawnToLog(command, args, settings.project, log),
    ready: (child) => engineReady(child, address, log),
  };
}

/** The file that holds the tables. */
export const databaseFile = (data: string): string => join(data, 'dynamodb.db');

async function engineReady(child: Child, endpoint: string, log: string): Promise<void> {
  const until = performance.now() + startLimitMs;
  while (!(await answers(endpoint))) {
    if (child.hasEnded()) {
      throw new TidemarkError(
        'LOCAL_WORLD',
        `Dynoxide ended while starting (${await child.ended}). ${log} ends with:\n${tail(log)}`,
      );
    }
    if (performance.now() > until) {
      throw new TidemarkError(
        'LOCAL_WORLD',
        `Dynoxide did not answer on ${endpoint} within ${startLimitMs / 1000} s; see ${log}`,
      );
    }
    await sleep(10);
  }
}

/** Whether anything speaks HTTP there. */
export const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.body?.cancel();
      return true;
    },
    () => false,
  );

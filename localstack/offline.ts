import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

import { TidemarkError } from '../lib/runtime/error.ts';
import { type Child, watch } from './child.ts';
import type { Part } from './crew.ts';
import { createLog } from './log.ts';
import { readable } from './offline-output.ts';

const require = createRequire(import.meta.url);
const upLine = /^Offline \[http for lambda\] listening on (\S+)/;
// With Kafka's 2.6 s after it, everything is gone within 5 s.
const graceMs = 2_000;

/**
 * `serverless offline start` as a process of its own: the functions of `serverless.yml` and, through the companion
 * plugin, their Kafka events and schedules.
 *
 * @param show gets each line worth a person's attention; all of them go to the log.
 */
export function offlinePart(project: string, env: NodeJS.ProcessEnv, log: string, show: (line: string) => void): Part {
  const up = new WeakMap<Child, Promise<void>>();
  const cli = join(dirname(require.resolve('serverless/package.json')), 'bin', 'serverless.js');
  return {
    name: 'serverless offline',
    address: project,
    graceMs,
    isFront: true,
    spawn() {
      const args = [cli, 'offline', 'start'];
      const started = spawn(process.execPath, args, {
        cwd: project,
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const file = createLog(log);
      const { promise, resolve } = Promise.withResolvers<void>();
      let isUp = false;
      for (const stream of [started.stdout, started.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          file.write(line);
          if (upLine.test(stripVTControlCharacters(line))) {
            isUp = true;
            resolve();
          }
          const text = readable(line);
          if (text !== undefined && (isUp || text !== '')) show(text);
        });
      }
      started.once('close', () => file.close());
      const child = watch(started);
      up.set(child, promise);
      return child;
    },
    async ready(child) {
      await Promise.race([up.get(child), child.ended]);
      if (!child.hasEnded()) return;
      const how = await child.ended;
      throw new TidemarkError(
        'LOCAL_WORLD',
        `serverless offline ended while starting (${how}); its whole output is in ${log}`,
      );
    },
  };
}

/**
 * The environment of the functions: ours, with the addresses of the local world.
 *
 * @param isTerminal whether a person reads along; pipes get no colours.
 */
export function offlineEnvironment(
  env: NodeJS.ProcessEnv,
  addresses: { readonly brokers: string; readonly dynamodbEndpoint: string },
  pipelines: readonly string[],
  isTerminal: boolean,
): NodeJS.ProcessEnv {
  // Node warns when both colour settings are there.
  const { FORCE_COLOR: _force, NO_COLOR: noColor, PIPELINES: _pipelines, ...rest } = env;
  return {
    ...rest,
    KAFKA_BROKERS: addresses.brokers,
    AWS_ENDPOINT_URL_DYNAMODB: addresses.dynamodbEndpoint,
    LOG_FORMAT: 'table',
    // Batches are short-lived garbage: a small young generation keeps the host's memory a quarter lower.
    NODE_OPTIONS: [env['NODE_OPTIONS'], '--max-semi-space-size=4'].filter(Boolean).join(' '),
    ...(pipelines.length > 0 && { PIPELINES: pipelines.join(',') }),
    ...(isTerminal && !noColor ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }),
  };
}

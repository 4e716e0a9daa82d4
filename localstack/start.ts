import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { TidemarkError } from '../lib/runtime/error.ts';
import { readArguments, type StartArguments, usage } from './arguments.ts';
import { claimFolder } from './claim.ts';
import { createCrew, type Crew } from './crew.ts';
import { declared } from './declared.ts';
import { assertMayBeginAnew, deleteState } from './fresh.ts';
import { offlineEnvironment, offlinePart } from './offline.ts';
import { assertPortsFree } from './ports.ts';
import { prepareServers, startServers } from './servers.ts';
import { addressesOf, readSettings, type WorldSettings } from './settings.ts';
import { createScreen, type Screen, type StatusSample, type StatusSource, statusText } from './status-line.ts';
import { statusSource } from './status-source.ts';
import { stopWhenAsked } from './stop.ts';

const project = join(import.meta.dirname, '..');
const statusEveryMs = 1_000;
const rateOverMs = 10_000;
const monotonic = (): number => performance.now();

/** `npm start`: the local world and `serverless offline`, until Ctrl-C. @returns the exit code. */
async function start(args: readonly string[]): Promise<number> {
  const wanted = readArguments(args, declared(readFileSync(join(project, 'serverless.yml'), 'utf8')).pipelines);
  if (wanted.isHelp) {
    console.log(usage);
    return 0;
  }
  const settings = readSettings(process.env, project);
  if (wanted.isFresh) assertMayBeginAnew(settings);

  const screen = createScreen(process.stdout, monotonic);
  const crew = createCrew(await claimFolder(settings.data, addressesOf(settings), screen), screen, monotonic);
  stopWhenAsked(crew, screen, monotonic);
  const isAsked = new Promise<undefined>((resolve) => crew.signal.addEventListener('abort', () => resolve(undefined)));
  try {
    await launch(wanted, settings, screen, crew);
    const failure = await Promise.race([crew.failed, isAsked]);
    if (failure) throw failure;
  } catch (error) {
    if (!crew.signal.aborted) throw error; // else it was cut short by the stop
  } finally {
    screen.status('');
    await crew.stop();
  }
  screen.line('Stopped. npm start goes on from here; npm start -- --fresh begins anew.');
  return 0;
}

async function launch(wanted: StartArguments, settings: WorldSettings, screen: Screen, crew: Crew): Promise<void> {
  if (wanted.isFresh) {
    deleteState(settings.data);
    screen.line(`Deleted the stored state in ${settings.data}.`);
  }
  if (settings.brokers) screen.line(`Using your Kafka on ${settings.brokers}.`);
  if (settings.dynamodbEndpoint) screen.line(`Using your DynamoDB on ${settings.dynamodbEndpoint}.`);
  await assertPortsFree([{ port: settings.lambdaPort, user: 'serverless offline', setting: 'LAMBDA_PORT' }]);
  const servers = await prepareServers(settings, screen, crew.signal);
  // The functions load while Kafka starts; the companion plugin waits for it, then makes topics and tables.
  const env = offlineEnvironment(process.env, addressesOf(settings), wanted.pipelines, process.stdout.isTTY);
  const logs = join(settings.data, 'logs');
  const offline = offlinePart(project, env, join(logs, 'offline.log'), (line) => screen.line(line));
  screen.status('starting');
  await Promise.all([startServers(servers, screen, crew), crew.run(offline)]);
  const names = wanted.pipelines.length > 0 ? wanted.pipelines.join(', ') : 'all pipelines';
  screen.line(`Running ${names}. Ctrl-C stops; logs are in ${logs}.`);
  void showStatus(statusSource(settings, wanted.pipelines), screen, crew.signal);
}

async function showStatus(source: StatusSource, screen: Screen, signal: AbortSignal): Promise<void> {
  let samples: StatusSample[] = [];
  while (!signal.aborted) {
    const facts = await source().catch(() => undefined); // a restart of DynamoDB is reported by the crew
    const seenMs = monotonic();
    if (facts) samples = [...samples.filter((sample) => seenMs - sample.seenMs <= rateOverMs), { ...facts, seenMs }];
    if (!signal.aborted) screen.status(statusText(samples));
    await sleep(statusEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

try {
  process.exit(await start(process.argv.slice(2)));
} catch (error) {
  const isOurs = error instanceof TidemarkError;
  console.error(isOurs ? error.message : error);
  process.exit(isOurs && error.code === 'BAD_ARGUMENTS' ? 2 : 1);
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { DynamoDBClient } from '@aws-sdk/client-dynamodb';

import { createTables, tableDefinitions } from '../lib/store/tables.ts';
import { TidemarkError } from '../lib/runtime/error.ts';
import { claimFolder } from './claim.ts';
import { createCrew, type Crew } from './crew.ts';
import { declared } from './declared.ts';
import { answers } from './dynamodb.ts';
import { prepareServers, startServers } from './servers.ts';
import { addressesOf, type WorldSettings } from './settings.ts';
import type { Screen } from './status-line.ts';
import { createTopics, isBrokerUp } from './topics.ts';

/** Kafka and DynamoDB, running, with the topics and tables of `serverless.yml`. */
export interface World {
  /** `host:port,...` */
  readonly brokers: string;
  /** URL. */
  readonly dynamodbEndpoint: string;
  /** What we started; empty when the user brought both. */
  readonly processes: Crew['members'];
  /** Resolves when a process could not be kept running, with the sentence to print; then call `stop`. */
  readonly failed: Promise<TidemarkError>;
  /** Stops what we started; resolves when it is gone, within 3 s. */
  stop(): Promise<void>;
}

const reachLimitMs = 60_000;
const patienceMs = 3_000;

/**
 * Starts what the user did not bring, and creates the topics and tables that are missing.
 *
 * @throws TidemarkError `LOCAL_WORLD`: a port in use, no Java, no Dynoxide, no network, a server that does not answer.
 */
export async function startWorld(settings: WorldSettings, screen: Screen): Promise<World> {
  const isAllTheirs = settings.brokers !== undefined && settings.dynamodbEndpoint !== undefined;
  const claim = isAllTheirs ? undefined : await claimFolder(settings.data, addressesOf(settings), screen);
  const crew = createCrew(claim, screen, () => performance.now());
  try {
    await startServers(await prepareServers(settings, screen, crew.signal), screen, crew);
    await prepareWorld(settings, screen, crew.signal);
  } catch (error) {
    await crew.stop();
    throw error;
  }
  return {
    ...addressesOf(settings),
    get processes() {
      return crew.members;
    },
    failed: crew.failed,
    stop: () => crew.stop(),
  };
}

/** Waits for both servers, then creates the topics and tables that are missing. */
async function prepareWorld(settings: WorldSettings, screen: Screen, signal: AbortSignal): Promise<void> {
  const text = await readFile(join(settings.project, 'serverless.yml'), 'utf8');
  const { brokers, dynamodbEndpoint } = addressesOf(settings);
  const topics = async (): Promise<void> => {
    await reach(() => isBrokerUp(brokers), `Kafka on ${brokers}`, screen, signal);
    const created = await createTopics(brokers, declared(text).topics, screen);
    if (created.length > 0) screen.line(`Topics created: ${created.join(', ')}.`);
  };
  const tables = async (): Promise<void> => {
    await reach(() => answers(dynamodbEndpoint), `DynamoDB on ${dynamodbEndpoint}`, screen, signal);
    const client = dynamodbClient(dynamodbEndpoint, settings.env);
    const created = await createTables(client, tableDefinitions(text, settings.env));
    client.destroy();
    if (created.length > 0) screen.line(`Tables created: ${created.join(', ')}.`);
  };
  await Promise.all([topics(), tables()]);
}

async function reach(isUp: () => Promise<boolean>, what: string, screen: Screen, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  let isSaid = false;
  while (!(await isUp())) {
    const waitedMs = performance.now() - started;
    if (waitedMs > reachLimitMs) {
      throw new TidemarkError('LOCAL_WORLD', `${what} did not answer within ${reachLimitMs / 1000} s.`);
    }
    if (waitedMs > patienceMs && !isSaid) {
      screen.line(`Waiting for ${what}, which does not answer.`);
      isSaid = true;
    }
    await sleep(100, undefined, { signal });
  }
}

/** A local engine takes any credentials; the user's own are kept where they are set. */
function dynamodbClient(endpoint: string, env: NodeJS.ProcessEnv): DynamoDBClient {
  const hasCredentials = (env['AWS_ACCESS_KEY_ID'] && env['AWS_SECRET_ACCESS_KEY']) || env['AWS_PROFILE'];
  return new DynamoDBClient({
    endpoint,
    region: env['AWS_REGION'] ?? 'us-east-1',
    ...(!hasCredentials && { credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }),
  });
}

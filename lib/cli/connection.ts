import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import type { KafkaConfig } from 'kafkajs';
import type { Pipeline } from '../pipeline.ts';
import { kafkaAuth } from '../runtime/auth.ts';
import type { Clock } from '../runtime/clock.ts';
import { configFrom, type Environment } from '../runtime/config.ts';
import { TidemarkError, isError } from '../runtime/error.ts';
import { kafkaClient, type KafkaAuth } from '../source/kafkajs.ts';
import { createDynamodbClient, dynamodbStore } from '../store/dynamodb.ts';
import type { Page, Store } from '../store/store.ts';
import type { Connection } from './command.ts';

/** A look at the tables that takes longer gives up. */
const PATIENCE_MS = 60_000;
/** Tries of one request; the SDK makes three of each. */
const TRIES = 3;

/** Addresses of the local world that runs in this clone. */
export interface LocalWorld {
  readonly isRunning: boolean;
  readonly brokers: string;
  readonly dynamodbEndpoint: string;
}

/**
 * Connects to the tables the environment names; nothing is asked yet.
 *
 * @param project the folder of `serverless.yml`; the local world's own folder is looked for there.
 * @throws BAD_ENVIRONMENT with every problem at once.
 */
export function connect(env: Environment, project: string, pipelines: readonly Pipeline[], clock: Clock): Connection {
  const config = configFrom(
    env,
    pipelines.map(({ name }) => name),
  );
  const local = localWorld(env, project);
  const target = targetOf(env, local);
  const client = createDynamodbClient(target.settings);
  const store = explained(dynamodbStore(client, config.tables), target.where, target.isLocal);
  const brokers = config.brokers ?? (target.isLocal && env['KAFKA_BROKERS'] !== 'none' ? [local.brokers] : undefined);
  return {
    where: target.where,
    reader: () => {
      const deadline = clock.monotonic() + PATIENCE_MS;
      // One reader meets no other in step: waits need no jitter.
      return { store, retry: { clock, random: () => 0.5, deadline, tries: TRIES } };
    },
    endsOf: (topic) => endsOf(topic, brokers, kafkaAuth(config)),
    // Loaded only when it is needed, as the client of S3 is large.
    openSink: async () => config.sink && (await import('../sink/sink.ts')).sinkAt(config.sink),
    close: () => client.destroy(),
  };
}

interface Target {
  readonly where: string;
  readonly isLocal: boolean;
  readonly settings: DynamoDBClientConfig;
}

/** What says that somebody means AWS. */
const AWS_SETTINGS = ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID'];

/** Exported for tests. The endpoint that is named; else the local world that runs here; else AWS, where settings say so. */
export function targetOf(env: Environment, local: LocalWorld): Target {
  const named = env['AWS_ENDPOINT_URL_DYNAMODB'] || env['AWS_ENDPOINT_URL'];
  const isAws = AWS_SETTINGS.some((name) => env[name]);
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'];
  if (named === undefined && isAws && !local.isRunning) {
    return { where: `AWS${region ? `, ${region}` : ''}`, isLocal: false, settings: {} };
  }
  const endpoint = named ?? local.dynamodbEndpoint;
  // A local DynamoDB takes any credentials, but the SDK sends nothing without some.
  const hasCredentials = env['AWS_ACCESS_KEY_ID'] || env['AWS_PROFILE'] || /\.amazonaws\.com/.test(endpoint);
  return {
    where: endpoint,
    isLocal: named === undefined || endpoint === local.dynamodbEndpoint,
    settings: {
      endpoint,
      ...(region === undefined && { region: 'us-east-1' }),
      ...(!hasCredentials && { credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }),
    },
  };
}

/**
 * The local world of a clone. It names its process and addresses in `processes.json` while it runs.
 *
 * @returns default addresses when it does not run.
 */
export function localWorld(env: Environment, project: string): LocalWorld {
  const defaults = {
    isRunning: false,
    brokers: `127.0.0.1:${env['KAFKA_PORT'] || 9092}`,
    dynamodbEndpoint: `http://127.0.0.1:${env['DYNAMODB_PORT'] || 8000}`,
  };
  try {
    const text = readFileSync(join(resolve(project, env['TIDEMARK_DATA'] || '.tidemark'), 'processes.json'), 'utf8');
    const claim = JSON.parse(text) as Claim; // written by the local world alone
    process.kill(claim.owner.pid, 0);
    return { ...defaults, ...claim.addresses, isRunning: true };
  } catch {
    return defaults; // no such file, or no such process any more
  }
}

interface Claim {
  readonly owner: { readonly pid: number };
  readonly addresses: { readonly brokers: string; readonly dynamodbEndpoint: string };
}

const UNANSWERED = /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|TimeoutError/;

/** A store whose errors say where it is, and what to do when nobody answers. */
function explained(store: Store, where: string, isLocal: boolean): Store {
  const explain = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (isError(error, 'STORE_BUSY') && !UNANSWERED.test(message)) throw error;
      const advice = isLocal ? '; is npm start running?' : '';
      const said = UNANSWERED.test(message) ? `nothing answers at ${where}${advice}` : `${message}, at ${where}`;
      throw new TidemarkError('GAVE_UP', said, {}, error);
    }
  };
  return {
    ...store,
    read: (keys) => explain(() => store.read(keys)),
    query: (query): Promise<Page> => explain(() => store.query(query)),
    write: (write) => explain(() => store.write(write)),
    transact: (writes) => explain(() => store.transact(writes)),
  };
}

async function endsOf(
  topic: string,
  brokers: readonly string[] | undefined,
  auth: KafkaAuth,
): Promise<ReadonlyMap<number, number> | undefined> {
  if (brokers === undefined) return undefined;
  // One round over the brokers, and no patience: the lag is one number of many.
  const once: KafkaAuth & Pick<KafkaConfig, 'retry' | 'requestTimeout'> = {
    ...auth,
    retry: { retries: 0 },
    requestTimeout: 5_000,
  };
  const admin = kafkaClient(brokers, 'tidemark-status', once).admin();
  try {
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(topic);
    return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
  } catch {
    return undefined;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

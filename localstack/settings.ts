import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { TidemarkError } from '../lib/runtime/error.ts';

/** What the local world is asked to be; one parse of the environment. */
export interface WorldSettings {
  /** The folder of `serverless.yml`. */
  readonly project: string;
  /** `host:port,...` of the user's own Kafka: none is started. */
  readonly brokers?: string;
  /** URL of the user's own DynamoDB: none is started. */
  readonly dynamodbEndpoint?: string;
  readonly kafkaPort: number;
  readonly controllerPort: number;
  readonly dynamodbPort: number;
  /** Where `serverless offline` takes invocations; `serverless.yml` reads the same setting. */
  readonly lambdaPort: number;
  /** Where state, logs and the list of our processes live; `--fresh` clears it. */
  readonly data: string;
  /** Where files of side outputs go. */
  readonly sinkUrl: string;
  /** Where downloads live, shared by every clone. */
  readonly cache: string;
  /** Root of another Maven repository, for companies with a mirror. */
  readonly mavenRoot?: string;
  readonly env: NodeJS.ProcessEnv;
}

const brokerList = /^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$/;

/**
 * Reads the settings of the local world.
 *
 * @param project the folder of `serverless.yml`; relative paths start there.
 * @throws TidemarkError `BAD_ENVIRONMENT` naming every setting that makes no sense.
 */
export function readSettings(env: NodeJS.ProcessEnv, project: string): WorldSettings {
  const problems: string[] = [];
  const text = (name: string): string | undefined => env[name]?.trim() || undefined;

  const port = (name: string, otherwise: number): number => {
    const found = text(name) ?? String(otherwise);
    const number = Number(found);
    if (/^\d+$/.test(found) && number >= 1 && number <= 65_535) return number;
    problems.push(`${name}: a port from 1 to 65535 is wanted, found '${found}'`);
    return otherwise;
  };

  const brokers = text('KAFKA_BROKERS');
  if (brokers !== undefined && !brokerList.test(brokers)) {
    problems.push(`KAFKA_BROKERS: host:port[,host:port] is wanted, found '${brokers}'`);
  }
  const dynamodbEndpoint = text('AWS_ENDPOINT_URL_DYNAMODB');
  if (dynamodbEndpoint !== undefined && !URL.canParse(dynamodbEndpoint)) {
    problems.push(`AWS_ENDPOINT_URL_DYNAMODB: a URL is wanted, found '${dynamodbEndpoint}'`);
  }
  const mavenRoot = text('TIDEMARK_MAVEN_ROOT');
  if (mavenRoot !== undefined && !URL.canParse(mavenRoot)) {
    problems.push(`TIDEMARK_MAVEN_ROOT: a URL is wanted, found '${mavenRoot}'`);
  }

  const data = resolve(project, text('TIDEMARK_DATA') ?? '.tidemark');
  const settings = {
    project,
    ...(brokers && { brokers }),
    ...(dynamodbEndpoint && { dynamodbEndpoint }),
    kafkaPort: port('KAFKA_PORT', 9092),
    controllerPort: port('KAFKA_CONTROLLER_PORT', 9093),
    dynamodbPort: port('DYNAMODB_PORT', 8000),
    lambdaPort: port('LAMBDA_PORT', 3002),
    data,
    sinkUrl: text('SINK_URL') ?? `file:${join(data, 'sink')}`,
    cache: resolve(text('TIDEMARK_CACHE') ?? join(text('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'tidemark')),
    ...(mavenRoot && { mavenRoot }),
    env,
  };

  const users = new Map<number, string>();
  for (const [name, number] of [
    ['KAFKA_PORT', settings.kafkaPort],
    ['KAFKA_CONTROLLER_PORT', settings.controllerPort],
    ['DYNAMODB_PORT', settings.dynamodbPort],
    ['LAMBDA_PORT', settings.lambdaPort],
  ] as const) {
    const other = users.get(number);
    if (other) problems.push(`${name}: ${number} is also ${other}; each needs a port of its own`);
    users.set(number, name);
  }
  if (problems.length > 0) {
    throw new TidemarkError('BAD_ENVIRONMENT', `the environment makes no sense:\n  ${problems.join('\n  ')}`, {
      problems,
    });
  }
  return settings;
}

/** Where the servers of the local world are, or will be. */
export interface Addresses {
  readonly brokers: string;
  readonly dynamodbEndpoint: string;
}

export const addressesOf = (settings: WorldSettings): Addresses => ({
  brokers: settings.brokers ?? `127.0.0.1:${settings.kafkaPort}`,
  dynamodbEndpoint: settings.dynamodbEndpoint ?? `http://127.0.0.1:${settings.dynamodbPort}`,
});

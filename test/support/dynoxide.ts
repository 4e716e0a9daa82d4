import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { DynamoDBClient, DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { freePort } from './kafka-broker.ts';
import { createDynamodbClient } from '../../lib/store/dynamodb.ts';

export interface Dynoxide {
  readonly endpoint: string;
  client(settings?: DynamoDBClientConfig): DynamoDBClient;
  stop(): Promise<void>;
}

/** An empty Dynoxide in memory, on a free port of the loopback address. */
export async function startDynoxide(): Promise<Dynoxide> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const child = spawn(binary(), ['--port', String(port)], { stdio: 'ignore' });
  const failure = once(child, 'error').then(([error]) => Promise.reject(error));
  // Handled here too, so that an error after the start is no unhandled rejection.
  failure.catch(() => {});
  const clients: DynamoDBClient[] = [];
  const stop = async (): Promise<void> => {
    for (const client of clients) client.destroy();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill();
    await exited;
  };
  for (let attempt = 0; attempt < 300; attempt++) {
    const answers = fetch(endpoint).then(
      () => true,
      () => false,
    );
    if (await Promise.race([answers, failure])) {
      const client = (settings: DynamoDBClientConfig = {}): DynamoDBClient => {
        const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
        clients.push(createDynamodbClient({ endpoint, region: 'eu-central-1', credentials, ...settings }));
        return clients.at(-1) as DynamoDBClient;
      };
      return { endpoint, client, stop };
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await stop();
  throw new Error(`Dynoxide does not answer at ${endpoint}`);
}

function binary(): string {
  if (process.env['DYNOXIDE_BIN']) return process.env['DYNOXIDE_BIN'];
  try {
    return createRequire(import.meta.url).resolve(`@dynoxide/${process.platform}-${process.arch}/dynoxide`);
  } catch {
    return 'dynoxide';
  }
}

import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Child } from '../../localstack/child.ts';
import { prepareKafka } from '../../localstack/kafka.ts';
import { readSettings } from '../../localstack/settings.ts';

/** A real Kafka on ports of its own, with its data in a temporary folder. */
export interface KafkaBroker {
  readonly brokers: readonly string[];
  /** Ends the broker; its data stays. */
  down(): Promise<void>;
  /** Starts it, again with the same data. */
  up(): Promise<void>;
  /** Ends it and deletes its data. */
  close(): Promise<void>;
}

/** @param more lines of `server.properties` beside those of the local world. */
export async function kafkaBroker(more = ''): Promise<KafkaBroker> {
  const data = await mkdtemp(join(tmpdir(), 'tidemark-kafka-'));
  const [port, controller] = await Promise.all([freePort(), freePort()]);
  const settings = readSettings(
    { ...process.env, KAFKA_PORT: String(port), KAFKA_CONTROLLER_PORT: String(controller), TIDEMARK_DATA: data },
    process.cwd(),
  );
  const report = { line: () => undefined, status: () => undefined };
  let child: Child | undefined;
  const up = async (): Promise<void> => {
    const part = await prepareKafka(settings, report, new AbortController().signal);
    await appendFile(join(data, 'kafka', 'server.properties'), more);
    child = part.spawn();
    await part.ready(child);
  };
  const down = async (): Promise<void> => {
    await child?.stop(5_000);
  };
  await up();
  return {
    brokers: [`127.0.0.1:${port}`],
    up,
    down,
    close: async () => {
      await down();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** A port of 127.0.0.1 that nobody listens on now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });

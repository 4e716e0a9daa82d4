import { join } from 'node:path';
import { claimFolder } from '../../localstack/claim.ts';
import type { Child } from '../../localstack/child.ts';
import type { Part } from '../../localstack/crew.ts';
import { dynamodbPart } from '../../localstack/dynamodb.ts';
import { prepareKafka } from '../../localstack/kafka.ts';
import { offlineEnvironment, offlinePart } from '../../localstack/offline.ts';
import { isPortFree } from '../../localstack/ports.ts';
import { signalGroup } from '../../localstack/process-table.ts';
import { addressesOf, readSettings, type Addresses } from '../../localstack/settings.ts';

/** Kafka, DynamoDB and the functions' host, each a process that can be killed; what they store stays. */
export interface System {
  readonly addresses: Addresses;
  /** Where the files of side outputs are. */
  readonly sink: string;
  readonly members: readonly Member[];
  /** Ends the host alone: nothing is counted any more. */
  stopHost(): Promise<void>;
  stop(): Promise<void>;
}

export interface Member {
  readonly name: string;
  /** The process of now, and when it was up; undefined while there is none. */
  readonly running: () => { readonly pid: number; readonly sinceMs: number } | undefined;
  /** SIGKILL to the process and whatever it started; resolves when its successor serves. */
  kill(): Promise<void>;
}

/**
 * Starts the three on ports of their own, with their data in `folder`.
 *
 * @param died is told when one of them ends that nobody killed.
 */
export async function startSystem(folder: string, died: (what: string) => void): Promise<System> {
  const ports = await quietPorts(4);
  const [kafkaPort, controllerPort, dynamodbPort, lambdaPort] = ports.map(String);
  const sink = join(folder, 'sink');
  const env = {
    ...process.env,
    KAFKA_BROKERS: '',
    AWS_ENDPOINT_URL_DYNAMODB: '',
    KAFKA_PORT: kafkaPort,
    KAFKA_CONTROLLER_PORT: controllerPort,
    DYNAMODB_PORT: dynamodbPort,
    LAMBDA_PORT: lambdaPort,
    TIDEMARK_DATA: folder,
    SINK_URL: `file:${sink}`,
    AWS_REGION: 'us-east-1',
    TIDEMARK_SCHEDULES: 'finalize', // no mock messages
  };
  const settings = readSettings(env, process.cwd());
  const addresses = addressesOf(settings);
  const quiet = { line: () => undefined, status: () => undefined };
  const claim = await claimFolder(folder, addresses, quiet); // should this process die, its children do too
  const host = offlineEnvironment(env, addresses, [], false);
  const parts: readonly Part[] = [
    await prepareKafka(settings, quiet, new AbortController().signal),
    dynamodbPart(settings),
    offlinePart(settings.project, host, join(folder, 'logs', 'host.log'), () => undefined),
  ];

  const running = new Map<Part, Child & { readonly pid: number; readonly sinceMs: number }>();
  const launch = async (part: Part): Promise<void> => {
    const child = part.spawn();
    const { pid } = child;
    if (pid === undefined) throw new Error(`${part.name}: ${await child.ended}`);
    claim.add(part.name, pid);
    const process = { ...child, pid, sinceMs: Date.now() };
    running.set(part, process);
    await part.ready(child);
    void child.ended.then((how) => {
      claim.remove(pid);
      if (running.get(part) !== process) return undefined;
      died(`${part.name} ended by itself: ${how}`);
      return launch(part).catch((error: unknown) => died(`${part.name} did not come back: ${String(error)}`));
    });
  };
  const end = async (part: Part): Promise<void> => {
    const child = running.get(part);
    running.delete(part); // so that its end is no surprise
    await child?.stop(5_000);
  };
  for (const part of parts) await launch(part);

  const members = parts.map((part) => ({
    name: part.name,
    running: () => running.get(part),
    async kill() {
      const child = running.get(part);
      running.delete(part);
      if (child) signalGroup(child.pid, 'SIGKILL');
      await child?.ended;
      await launch(part);
    },
  }));
  return {
    addresses,
    sink,
    members,
    stopHost: async () => end(parts[2] as Part),
    stop: async () => {
      for (const part of parts.toReversed()) await end(part);
      claim.release();
    },
  };
}

/**
 * Free ports that the system gives to no outgoing connection. On one of those, a client that tries again and again while
 * the server is down may at last be connected to itself, and the server could not come back.
 */
async function quietPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (await isPortFree(port)) ports.add(port);
  }
  return [...ports];
}

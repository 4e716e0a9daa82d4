import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { TidemarkError } from '../lib/runtime/error.ts';
import { type Child, spawnToLog } from './child.ts';
import type { Part } from './crew.ts';
import { clusterId, dockerPart, isDockerRunning } from './docker.ts';
import { installKafka, kafkaVersion } from './install.ts';
import { findJava, wantedJava } from './java.ts';
import { tail } from './log.ts';
import type { WorldSettings } from './settings.ts';
import type { Screen } from './status-line.ts';
import { isBrokerUp } from './topics.ts';

const run = promisify(execFile);

const startLimitMs = 60_000;
// 2.1 s were measured for a clean stop.
const graceMs = 2_600;
const jvm = [
  '-Xms128m',
  '-Xmx384m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:-UsePerfData', // else the JVM writes a file of statistics to the shared temporary folder
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
];

/**
 * Makes Kafka ready to be started: by Java, with its jars in the cache and its data folder formatted, or by Docker.
 *
 * @throws TidemarkError `LOCAL_WORLD` when neither Java 17 nor Docker is there, naming both ways out.
 */
export async function prepareKafka(settings: WorldSettings, screen: Screen, signal: AbortSignal): Promise<Part> {
  const address = `127.0.0.1:${settings.kafkaPort}`;
  const log = join(settings.data, 'logs', 'kafka.log');
  const common = { name: 'Kafka', address, graceMs, ready: (child: Child) => brokerReady(child, address, log) };
  const found = await findJava(settings.env);
  const java = found.find(({ major }) => major >= wantedJava);
  if (!java) {
    const why = found[0] ? `the Java found (${found[0].command}) is version ${found[0].major}` : 'no Java was found';
    if (await isDockerRunning()) {
      screen.line(`Kafka needs Java ${wantedJava} or newer, and ${why}; using Docker.`);
      return dockerPart(settings, common);
    }
    throw new TidemarkError(
      'LOCAL_WORLD',
      `Kafka needs Java ${wantedJava} or newer, and ${why}. Two ways out:\n` +
        `  install a Java runtime (Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk), ` +
        `on PATH or in JAVA_HOME;\n  or start Docker, which is used when 'docker info' succeeds.\n` +
        'With a Kafka of your own, neither is needed: KAFKA_BROKERS=host:port.',
    );
  }

  const lock = await readFile(join(import.meta.dirname, 'kafka-jars.lock'), 'utf8');
  const jars = await installKafka(lock, settings, screen, signal);
  const folder = join(settings.data, 'kafka');
  const classes = [...jvm, '-cp', join(jars, '*')]; // Java expands the star itself
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'server.properties'), serverProperties(settings.kafkaPort, settings.controllerPort));

  const isFormatted = await readFile(join(folder, 'data', 'meta.properties')).catch(() => undefined);
  if (!isFormatted) {
    const format = ['format', '--standalone', '--ignore-formatted', '-t', clusterId, '-c', 'server.properties'];
    await run(java.command, [...classes, 'kafka.tools.StorageTool', ...format], { cwd: folder, signal });
  }
  return {
    ...common,
    spawn: () => spawnToLog(java.command, [...classes, 'kafka.Kafka', 'server.properties'], folder, log),
  };
}

/** One broker that is its own controller, on the loopback address alone. */
const serverProperties = (port: number, controllerPort: number): string => `# Apache Kafka ${kafkaVersion}
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
log.dirs=data
# After SIGKILL a broker may come back when its old session has expired: 9 s by default.
broker.session.timeout.ms=6000
num.partitions=3
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`;

/** Ready is a metadata request that answers; the log is not parsed. */
async function brokerReady(child: Child, address: string, log: string): Promise<void> {
  const until = performance.now() + startLimitMs;
  while (!(await isBrokerUp(address))) {
    if (child.hasEnded()) {
      throw new TidemarkError(
        'LOCAL_WORLD',
        `Kafka ended while starting (${await child.ended}). ${log} ends with:\n${tail(log)}`,
      );
    }
    if (performance.now() > until) {
      throw new TidemarkError(
        'LOCAL_WORLD',
        `Kafka did not answer on ${address} within ${startLimitMs / 1000} s; see ${log}`,
      );
    }
    await sleep(50);
  }
}

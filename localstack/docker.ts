import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { spawnToLog } from './child.ts';
import type { Part } from './crew.ts';
import type { WorldSettings } from './settings.ts';

const run = promisify(execFile);
/** Any 22 characters of base64url serve; a fixed id makes formatting repeatable. */
export const clusterId = 'TidemarkLocalCluster00';

const image = 'apache/kafka:4.3.0';
const dataFolder = '/var/lib/kafka/data';

/** Whether a Docker daemon answers. */
export const isDockerRunning = (): Promise<boolean> =>
  run('docker', ['info'], { timeout: 5_000 }).then(
    () => true,
    () => false,
  );

/**
 * Kafka in a container, published on the loopback address, its data in a named volume.
 *
 * The client stays attached and passes SIGTERM on; a container that a killed client left is removed before the next.
 */
export function dockerPart(settings: WorldSettings, common: Omit<Part, 'spawn'>): Part {
  const name = dockerName(settings.data);
  const { kafkaPort: port, controllerPort } = settings;
  const environment = {
    CLUSTER_ID: clusterId,
    KAFKA_NODE_ID: 1,
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_LISTENERS: `PLAINTEXT://:${port},CONTROLLER://:${controllerPort}`,
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    KAFKA_CONTROLLER_QUORUM_VOTERS: `1@localhost:${controllerPort}`,
    KAFKA_LOG_DIRS: dataFolder,
    KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: 1,
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 1,
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1,
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1,
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: 1,
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: 1,
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: 0,
  };
  const args = [
    'run',
    '--rm',
    `--name=${name}`,
    `--publish=127.0.0.1:${port}:${port}`,
    `--volume=${name}:${dataFolder}`,
    ...Object.entries(environment).map(([key, value]) => `--env=${key}=${value}`),
    image,
  ];
  return {
    ...common,
    spawn: () => {
      docker('rm', '--force', name);
      return spawnToLog('docker', args, settings.project, join(settings.data, 'logs', 'kafka.log'));
    },
  };
}

/** Removes the container and the stored log of a data folder, where Docker kept them. */
export function removeDockerData(data: string): void {
  docker('rm', '--force', dockerName(data));
  docker('volume', 'rm', '--force', dockerName(data));
}

/** One container and volume per data folder. */
const dockerName = (data: string): string => `tidemark-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`;

function docker(...args: readonly string[]): void {
  try {
    execFileSync('docker', args, { stdio: 'ignore' });
  } catch {
    // no Docker, or nothing to remove
  }
}

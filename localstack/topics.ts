import { connect } from 'node:net';

import type { Admin } from 'kafkajs';

import { kafkaClient } from '../lib/source/kafkajs.ts';
import type { Topic } from './declared.ts';
import type { Screen } from './status-line.ts';

/** Creates the topics that are missing; existing ones are left as they are. @returns the names of the created ones. */
export async function createTopics(brokers: string, topics: readonly Topic[], screen: Screen): Promise<string[]> {
  return withAdmin(brokers, 5, async (admin) => {
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length > 0) {
      await admin.createTopics({
        topics: missing.map(({ name, partitions, config }) => ({
          topic: name,
          numPartitions: partitions,
          configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
        })),
      });
    }
    const present = topics.filter(({ name }) => existing.has(name));
    // Asked for no names, kafkajs answers with every topic.
    const { topics: found } =
      present.length > 0 ? await admin.fetchTopicMetadata({ topics: present.map(({ name }) => name) }) : { topics: [] };
    for (const { name, partitions } of found) {
      const wanted = topics.find((topic) => topic.name === name)?.partitions ?? 0;
      if (partitions.length < wanted) {
        screen.line(
          `Topic ${name} has ${partitions.length} partitions, serverless.yml wants ${wanted}; it is left as it is.`,
        );
      }
    }
    return missing.map(({ name }) => name);
  });
}

/** Whether a broker answers a metadata request now. */
export async function isBrokerUp(brokers: string): Promise<boolean> {
  // A refused connection is cheaper to find out without the client, whose retries wait.
  const accepted = await Promise.all(brokers.split(',').map(accepts));
  if (!accepted.includes(true)) return false;
  return withAdmin(brokers, 0, async (admin) => (await admin.describeCluster()).brokers.length > 0).catch(() => false);
}

function accepts(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(':');
  return new Promise((resolve) => {
    const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), timeout: 2_000 });
    const answer = (isUp: boolean) => () => {
      socket.destroy();
      resolve(isUp);
    };
    socket.once('connect', answer(true)).once('error', answer(false)).once('timeout', answer(false));
  });
}

async function withAdmin<T>(brokers: string, retries: number, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkaClient(brokers.split(','), 'tidemark-local').admin({ retry: { retries, initialRetryTime: 100 } });
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

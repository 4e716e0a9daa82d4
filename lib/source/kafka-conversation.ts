import { addAbortSignal } from 'node:stream';

import type { Logger } from 'kafkajs';
import KafkaNode from 'kafkajs/src/broker/index.js';
import ConnectionPool from 'kafkajs/src/network/connectionPool.js';
import socketFactory from 'kafkajs/src/network/socketFactory.js';

import './kafkajs.ts'; // mends kafkajs' idle timer
import type { KafkaAuth } from './kafkajs.ts';

/** A connected broker, to be asked by kafkajs' protocol layer. */
export type { KafkaNode };

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a cluster is and who asks. */
export interface Caller {
  readonly seeds: readonly Address[];
  readonly clientId: string;
  readonly auth: KafkaAuth;
}

/** The brokers, as far as one conversation knows them. */
export interface Conversation {
  /** The first of the named brokers that answers. */
  readonly seed: KafkaNode;
  /** The broker at an address, connected once. */
  readonly dial: (address: Address) => Promise<KafkaNode>;
}

const CONNECT_WITHIN_MS = 1_500;
const ANSWER_WITHIN_MS = 2_000;

/**
 * One conversation with a Kafka cluster, on connections of its own that are gone when it ends, however it ends.
 *
 * Nothing is kept for the next one: a container frozen between invocations would find dead sockets, and an open
 * connection costs a timer. A new connection costs a few milliseconds. kafkajs' own cluster class is not used, because
 * it retries inside with pauses nobody can end, and swallows what a broker said of missing authorization.
 *
 * @param signal ends the conversation: every connection is cut, and what waits on one rejects.
 * @throws KafkaJSError of the last seed when none answers; whatever `work` throws.
 * @source kafkajs 2.2.4, src/broker and src/network; imported from its inside, which its exact pin in package.json and
 *   the absence of an exports map allow.
 */
export async function converse<T>(
  caller: Caller,
  signal: AbortSignal,
  work: (brokers: Conversation) => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const cut = AbortSignal.any([signal, done.signal]);
  const dialled = new Map<string, Promise<KafkaNode>>();
  const dial = (address: Address): Promise<KafkaNode> => {
    const key = `${address.host}:${address.port}`;
    const node = dialled.get(key) ?? connect(address, caller, cut);
    dialled.set(key, node);
    return node;
  };
  try {
    return await work({ seed: await firstToAnswer(caller.seeds, dial), dial });
  } finally {
    done.abort();
  }
}

async function firstToAnswer(seeds: readonly Address[], dial: Conversation['dial']): Promise<KafkaNode> {
  let latest: unknown;
  for (const seed of seeds) {
    try {
      return await dial(seed);
    } catch (error) {
      latest = error;
    }
  }
  throw latest;
}

async function connect({ host, port }: Address, { clientId, auth }: Caller, cut: AbortSignal): Promise<KafkaNode> {
  const open = socketFactory();
  const connectionPool = new ConnectionPool({
    ...auth,
    host,
    port,
    clientId,
    socketFactory: (to) => addAbortSignal(cut, open(to)),
    connectionTimeout: CONNECT_WITHIN_MS,
    requestTimeout: ANSWER_WITHIN_MS,
    logger: silent,
  });
  const node = new KafkaNode({ connectionPool, logger: silent, allowAutoTopicCreation: false });
  await node.connect();
  return node;
}

/** What matters also rejects a promise. */
const quiet = (): void => undefined;
const silent: Logger = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: quiet,
  namespace: () => silent,
  setLogLevel: quiet,
};

import { setTimeout as sleep } from 'node:timers/promises';

import errors from 'kafkajs/src/errors.js';

import type { Broker, PartitionOffsets, ReadResult } from './broker.ts';
import type { KafkaRecord } from './delivery.ts';
import { type Address, converse, type Conversation } from './kafka-conversation.ts';
import { explain, isPassing, typeOf } from './kafka-error.ts';
import { committedRecords, fetchFrom } from './kafka-fetch.ts';
import type { KafkaAuth } from './kafkajs.ts';

const { KafkaJSError } = errors;

/** A question is given up after this; what passes (an election, a restart) is waited for until then. */
const ASK_FOR_MS = 4_500;
const PAUSE_MS = 250;

/** Bounds what one `read` holds in memory, about a megabyte each. */
const MOST_FETCHES = 16;

const READ_UNCOMMITTED = 0; // asks for the high watermark; read_committed would give the last stable offset
const EARLIEST = -2;
const LATEST = -1;
const GROUP_COORDINATOR = 0;

/**
 * A {@link Broker} by kafkajs' protocol layer: it joins no consumer group and creates no topic.
 *
 * Each question connects, asks and disconnects within 5 s. Between questions nothing is open, no timer runs, and nothing
 * can go stale while a container is frozen.
 *
 * Batches compressed with snappy, lz4 or zstd cannot be read: `reached` stops before them, so they count as undelivered.
 *
 * Every method throws TidemarkError BROKER_UNREACHABLE when there is no answer, also for a partition without a leader,
 * and BAD_ENVIRONMENT, with the action needed, when the brokers refuse.
 *
 * @param brokers `host:port`, at least one.
 * @param clientId name in the brokers' logs and quotas.
 */
export function kafkaBroker(
  brokers: readonly string[],
  clientId: string,
  auth: KafkaAuth = {},
): Broker & {
  /** Ends the questions under way, which then throw; there is nothing else to close. */
  close(): Promise<void>;
} {
  const seeds = brokers.map((broker): Address => {
    const [host = '', port] = broker.split(':');
    return { host, port: Number(port) };
  });
  const underWay = new Set<AbortController>();
  const ask = async <T>(what: string, work: (brokers: Conversation) => Promise<T>): Promise<T> => {
    const question = new AbortController();
    underWay.add(question);
    const late = new KafkaJSError(`no answer within ${ASK_FOR_MS} ms`);
    const timer = setTimeout(() => question.abort(late), ASK_FOR_MS);
    try {
      return await untilAnswered(question.signal, () => converse({ seeds, clientId, auth }, question.signal, work));
    } catch (error) {
      throw explain(error, `asking ${brokers.join(', ')} for ${what}`);
    } finally {
      clearTimeout(timer);
      underWay.delete(question);
    }
  };
  return {
    offsets: (topic, group) =>
      ask(`the offsets of topic '${topic}' and group '${group}'`, (brokers) => offsetsOf(brokers, topic, group)),
    read: (topic, partition, from, limit) =>
      ask(`topic '${topic}', partition ${partition}, from offset ${from}`, (brokers) =>
        readFrom(brokers, topic, partition, from, limit),
      ),
    close: async () => underWay.forEach((question) => question.abort(new KafkaJSError('closed'))),
  };
}

/** Tries again after errors that pass, until the signal. @throws the latest thing a broker said, or the signal's reason. */
async function untilAnswered<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  let latest: unknown;
  for (;;) {
    try {
      return await Promise.race([work(), aborted]);
    } catch (error) {
      if (signal.aborted) throw latest ?? error;
      if (!isPassing(error)) throw error;
      latest = error;
    }
    await sleep(PAUSE_MS);
  }
}

async function offsetsOf(
  brokers: Conversation,
  topic: string,
  group: string,
): Promise<ReadonlyMap<number, PartitionOffsets>> {
  const leaders = await leadersOf(brokers, topic);
  if (leaders.size === 0) return new Map();
  const [starts, ends, committed] = await Promise.all([
    offsetsAt(brokers, topic, leaders, EARLIEST),
    offsetsAt(brokers, topic, leaders, LATEST),
    committedBy(brokers, group, topic, [...leaders.keys()]),
  ]);
  return new Map(
    [...leaders.keys()].map((partition) => {
      const [start, end] = [starts.get(partition), ends.get(partition)];
      if (start === undefined || end === undefined) throw new KafkaJSError(`no offsets of partition ${partition}`);
      return [partition, { start, end, committed: committed.get(partition) }];
    }),
  );
}

async function readFrom(
  brokers: Conversation,
  topic: string,
  partition: number,
  from: number,
  limit: number,
): Promise<ReadResult> {
  const leader = (await leadersOf(brokers, topic)).get(partition);
  if (!leader) throw new KafkaJSError('no such partition', { retriable: false });
  const node = await brokers.dial(leader);
  const records: KafkaRecord[] = [];
  let reached = from;
  let start = from;
  for (let fetches = 0; fetches < MOST_FETCHES && records.length < limit; fetches++) {
    const fetched = await fetchFrom(node, topic, partition, reached);
    if (!fetched) {
      const starts = await offsetsAt(brokers, topic, new Map([[partition, leader]]), EARLIEST);
      const first = starts.get(partition) ?? reached;
      if (first <= reached) break; // beyond the end
      if (reached === from) start = first;
      reached = first;
      continue;
    }
    const result = committedRecords(fetched, reached, limit - records.length);
    if (result.reached === reached) break;
    records.push(...result.records);
    reached = result.reached;
  }
  return start > from ? { records, reached, start } : { records, reached };
}

/** Where each partition's leader is; empty when there is no such topic. */
async function leadersOf({ seed }: Conversation, topic: string): Promise<ReadonlyMap<number, Address>> {
  const { brokers, topicMetadata } = await seed.metadata([topic]).catch((error: unknown) => {
    if (typeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return { brokers: [], topicMetadata: [] };
    throw error;
  });
  const partitions = topicMetadata.flatMap(({ partitionMetadata }) => partitionMetadata);
  return new Map(
    partitions.map(({ partitionId, leader }) => {
      const address = brokers.find(({ nodeId }) => nodeId === leader);
      if (!address) throw new KafkaJSError(`partition ${partitionId} has no leader`);
      return [partitionId, address];
    }),
  );
}

/** Each partition's first offset, or one past its last. */
async function offsetsAt(
  { dial }: Conversation,
  topic: string,
  leaders: ReadonlyMap<number, Address>,
  timestamp: typeof EARLIEST | typeof LATEST,
): Promise<ReadonlyMap<number, number>> {
  const answers = await Promise.all(
    [...Map.groupBy(leaders, ([, leader]) => leader)].map(async ([leader, led]) => {
      const partitions = led.map(([partition]) => ({ partition, timestamp }));
      const node = await dial(leader);
      return node.listOffsets({ isolationLevel: READ_UNCOMMITTED, topics: [{ topic, partitions }] });
    }),
  );
  return offsetsIn(answers);
}

/** What a consumer group has committed; partitions without a commit are absent. */
async function committedBy(
  { seed, dial }: Conversation,
  groupId: string,
  topic: string,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const { coordinator } = await seed.findGroupCoordinator({ groupId, coordinatorType: GROUP_COORDINATOR });
  const node = await dial(coordinator);
  const topics = [{ topic, partitions: partitions.map((partition) => ({ partition })) }];
  return offsetsIn([await node.offsetFetch({ groupId, topics })]);
}

const offsetsIn = (answers: readonly Awaited<ReturnType<Conversation['seed']['listOffsets']>>[]) =>
  new Map(
    answers
      .flatMap(({ responses }) => responses)
      .flatMap(({ partitions }) => partitions)
      .map(({ partition, offset }) => [partition, Number(offset)] as const)
      .filter(([, offset]) => offset >= 0), // -1 is none
  );

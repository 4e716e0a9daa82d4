import { setTimeout as sleep } from 'node:timers/promises';

import type { Consumer, Kafka } from 'kafkajs';

import { kafkaClient } from '../lib/source/kafkajs.ts';
import { Deliveries, type Delivery } from './deliveries.ts';
import { Feed } from './feed.ts';
import { PAYLOAD_LIMIT_BYTES, jsonBytes, mskEvent, partitionKey, type MskEvent } from './msk-event.ts';
import { readPartialResponse, type Verdict } from './partial-response.ts';
import { missingPositions, type StartingPosition } from './starting-position.ts';

/** One event source mapping: which topic feeds which function, and how. */
export interface Mapping {
  /** For the user's eyes: which function is fed. */
  readonly functionName: string;
  readonly eventSourceArn: string;
  readonly topic: string;
  readonly consumerGroupId: string;
  /** Most records in a delivery, 1 to 10,000; Lambda's default is 100. */
  readonly batchSize: number;
  /** How long a delivery that is not full waits for more; Lambda's default is 500. */
  readonly batchingWindowMs: number;
  readonly startingPosition: StartingPosition;
  /** Whether the function's answer may report a part of a delivery as failed. */
  readonly partialBatchResponses: boolean;
}

/** Where a poller tells what happens. */
export interface PollerReport {
  /** What the user should know, in one plain line. */
  line(text: string): void;
  /** What helps to find a fault: stacks. */
  debug(text: string): void;
}

export interface PollerOptions {
  readonly brokers: readonly string[];
  readonly mapping: Mapping;
  /** Runs the function; throws what its handler throws. */
  readonly invoke: (event: MskEvent) => Promise<unknown>;
  readonly report: PollerReport;
}

export interface Poller {
  /** Resolves once the group has been joined and its start is committed: whatever is sent from now on is delivered. */
  readonly ready: Promise<void>;
  /** Ends delivery, leaves the group, and returns within 2 s even if the function is still running. */
  stop(): Promise<void>;
}

const REJOIN_MS = 1_000;
const LAST_INVOCATION_MS = 800;
const STOP_MS = 1_800;
/** The least a broker accepts unless told otherwise: a killed host's partitions are free again after this. */
const SESSION_MS = 6_000;

/**
 * Does what Lambda's event source mapping for Kafka does: fetches, cuts deliveries, invokes, and commits what succeeded.
 *
 * One invocation at a time; it may carry several partitions. A delivery that fails is repeated with growing pauses (0.2
 * to 10 s) until it succeeds; meanwhile its partitions wait and the others go on. Delivery is at least once: whatever
 * was not committed when the group is joined anew comes again. Aborted transactions are never seen.
 */
export function startPoller(options: PollerOptions): Poller {
  const { mapping, report, brokers } = options;
  const stopping = new AbortController();
  const ready = Promise.withResolvers<void>();
  let away = false;

  const joined = (): void => {
    if (away) report.line(`${mapping.functionName}: Kafka at ${brokers.join(',')} answers again`);
    away = false;
    ready.resolve();
  };
  const supervise = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const lost = await session(options, stopping.signal, joined).catch(reasonOf);
      if (stopping.signal.aborted) return;
      if (!away) {
        report.line(
          `${mapping.functionName} is not being fed: topic ${mapping.topic} at ${brokers.join(',')} cannot be read ` +
            `(${lost}). Trying again until it can.`,
        );
      }
      away = true;
      await sleep(REJOIN_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const ended = supervise();
  return {
    ready: ready.promise,
    stop: async () => {
      stopping.abort();
      ready.resolve();
      await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
    },
  };
}

/**
 * One membership of the consumer group, from joining until it breaks or the poller stops.
 *
 * @returns why it broke.
 */
async function session(options: PollerOptions, stopping: AbortSignal, joined: () => void): Promise<string> {
  const { brokers, mapping } = options;
  const { topic, consumerGroupId: groupId } = mapping;
  const kafka = kafkaClient(brokers, `tidemark-poller-${mapping.functionName}`);
  const consumer = kafka.consumer({
    groupId,
    allowAutoTopicCreation: false,
    sessionTimeout: SESSION_MS,
    rebalanceTimeout: SESSION_MS,
    heartbeatInterval: SESSION_MS / 4,
    metadataMaxAge: 3_000, // how late a new partition may be noticed
    maxWaitTimeInMs: 500, // a fetch holds up leaving, and partitions that wait to be fetched again, this long
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3, restartOnFailure: () => Promise.resolve(false) },
  });
  const broken = Promise.withResolvers<string>();
  const over = new AbortController();
  const deliveries = new Deliveries(mapping);
  const feed = new Feed(consumer, topic, deliveries, over.signal);

  consumer.on(consumer.events.CRASH, ({ payload }) => broken.resolve(payload.error.message));
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // kafkajs fetches anew from the committed offsets, also for partitions it keeps.
    const positioned = pinStart(kafka, consumer, mapping, payload.memberAssignment[topic] ?? []);
    feed.begin(positioned);
    positioned.then(joined, (error: unknown) => broken.resolve(reasonOf(error)));
  });

  const stopped = (): void => broken.resolve('stopped');
  stopping.addEventListener('abort', stopped, { once: true });
  let delivering: Promise<void> = Promise.resolve();
  try {
    await Promise.race([connect(consumer, topic), broken.promise]);
    void consumer
      .run({
        autoCommit: false,
        partitionsConsumedConcurrently: 100,
        eachBatch: (payload) => feed.take(payload),
      })
      .catch((error: unknown) => broken.resolve(reasonOf(error)));
    delivering = deliver(options, feed, over.signal).catch((error: unknown) => broken.resolve(reasonOf(error)));
    return await broken.promise;
  } finally {
    stopping.removeEventListener('abort', stopped);
    over.abort();
    feed.wake();
    // The invocation under way ends first, so that no two ever overlap; the last one gets only this long.
    await (stopping.aborted
      ? Promise.race([delivering, sleep(LAST_INVOCATION_MS, undefined, { ref: false })])
      : delivering);
    await consumer.disconnect().catch(() => undefined);
  }
}

/** Gives every assigned partition a committed offset to begin at. */
async function pinStart(
  kafka: Kafka,
  consumer: Consumer,
  mapping: Mapping,
  assigned: readonly number[],
): Promise<void> {
  const missing = await missingPositions(kafka, mapping, assigned);
  const positions = missing.map((position) => ({ topic: mapping.topic, ...position }));
  for (const position of positions) consumer.seek(position);
  if (positions.length > 0) await consumer.commitOffsets(positions);
}

async function connect(consumer: Consumer, topic: string): Promise<void> {
  await consumer.connect();
  // Every start is pinned by `missingPositions`; what remains is a committed offset the log no longer has (a recreated
  // topic, expired records), and skipping to the end would lose what is there.
  await consumer.subscribe({ topic, fromBeginning: true });
}

/** Makes one delivery after the other until the session is over. */
async function deliver(options: PollerOptions, feed: Feed, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const { epoch, deliveries } = feed;
    const delivery = deliveries.next(Date.now());
    if (!delivery) {
      const dueMs = deliveries.dueMs();
      await feed.changed(dueMs === undefined ? 60_000 : Math.max(1, dueMs - Date.now()));
      continue;
    }
    const verdict = await attempt(options, delivery);
    if (epoch !== feed.epoch) continue; // the group was joined anew meanwhile: these records come again
    const commits = deliveries.settle(delivery, verdict, Date.now());
    feed.resume();
    feed.wake();
    await feed.commit(commits);
  }
}

/** Invokes the function with a delivery and reads its answer. */
async function attempt({ brokers, mapping, invoke, report }: PollerOptions, delivery: Delivery): Promise<Verdict> {
  const { functionName, eventSourceArn, topic, partialBatchResponses } = mapping;
  const event = mskEvent({ eventSourceArn, bootstrapServers: brokers.join(',') }, delivery.records.values());
  const [alone, ...others] = [...delivery.records.values()].flatMap((records) => records.slice(0, 2));
  if (alone && others.length === 0 && jsonBytes(alone) > PAYLOAD_LIMIT_BYTES && delivery.attempt === 1) {
    report.line(
      `${functionName}: the record at ${partitionKey(topic, alone.partition)} offset ${alone.offset} takes more than ` +
        `the ${PAYLOAD_LIMIT_BYTES} bytes Lambda accepts; it is delivered alone here, and could not be on AWS`,
    );
  }
  let verdict: Verdict;
  try {
    const response = await invoke(event);
    verdict = partialBatchResponses
      ? readPartialResponse(
          response,
          (partition, offset) => event.records[partition]?.some((record) => record.offset === offset) ?? false,
        )
      : { kind: 'success' };
  } catch (error) {
    report.debug(error instanceof Error ? (error.stack ?? error.message) : String(error));
    verdict = { kind: 'failed', reason: String(error) };
  }
  if (verdict.kind === 'failed') {
    const what = Object.entries(event.records).map(([partition, { length }]) => `${length} of ${partition}`);
    report.line(`${functionName} failed (try ${delivery.attempt}; ${what.join(', ')} come again): ${verdict.reason}`);
  }
  return verdict;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

import { randomUUID } from 'node:crypto';
import type { Producer } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { tumbling, type Pipeline } from '../../lib/index.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { startPoller, type Poller } from '../../localstack/poller.ts';
import { kafkaBroker, type KafkaBroker } from '../support/kafka-broker.ts';
import { testRuntime } from '../support/runtime.ts';
import { TOPIC, at, checkpointOf, clickSource, clicks, deliver, directory, isoOf } from '../support/scene.ts';

const PARTITIONS = [0, 1];
const RECORDS = 300;

let kafka: KafkaBroker;
let producer: Producer;
const pollers: Poller[] = [];

/** Three hundred clicks, three seconds apart, every third one paid; alternately in two partitions. */
beforeAll(async () => {
  kafka = await kafkaBroker();
  const client = kafkaClient(kafka.brokers, 'test');
  const admin = client.admin();
  producer = client.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS.length }] });
  await admin.disconnect();
  const messages = Array.from({ length: RECORDS }, (_, i) => {
    const time = at('18:00:00') + i * 3_000;
    const value = { event_time: isoOf(time), username: `user${i % 7}`, ...(i % 3 === 0 && { amount: 5 }) };
    return { partition: i % 2, timestamp: `${time}`, value: JSON.stringify(value) };
  });
  await producer.send({ topic: TOPIC, messages, acks: -1 });
});

afterEach(async () => {
  await Promise.all(pollers.splice(0).map((poller) => poller.stop()));
});

afterAll(async () => {
  await producer?.disconnect();
  await kafka?.close();
});

/** One store, and a function with its own mapping and consumer group for each pipeline. */
function world(partialBatchResponses: boolean) {
  const groups = randomUUID();
  const store = memoryStore();
  const { runtime } = testRuntime({ store, clock: systemClock, partialBatchResponses });
  const run = (pipeline: Pipeline) => {
    const lines: string[] = [];
    const poller = startPoller({
      brokers: kafka.brokers,
      mapping: {
        functionName: `count-${pipeline.name}`,
        eventSourceArn: 'arn:aws:kafka:us-east-1:123456789012:cluster/c/1',
        topic: TOPIC,
        consumerGroupId: `${groups}-${pipeline.name}`,
        batchSize: 20,
        batchingWindowMs: 50,
        startingPosition: { kind: 'TRIM_HORIZON' },
        partialBatchResponses,
      },
      invoke: (event) => count(event, [pipeline], runtime),
      report: { line: (line) => lines.push(line), debug: () => undefined },
    });
    pollers.push(poller);
    return { lines, stop: () => poller.stop() };
  };
  const stored = ({ id }: Pipeline) => PARTITIONS.map((partition) => checkpointOf(store, partition, id));
  return { store, runtime, run, stored };
}
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 30_000, interval: 50 });

const MINUTES = { '1m': tumbling('1 minute', { emit: 'final' }) };
const everyClick = clicks({ name: 'every-click', windows: MINUTES });
const paid = clickSource().filter('paid', ({ amount }) => (amount ?? 0) > 0);
const paidClicks = clicks({ name: 'paid-clicks', source: paid, windows: MINUTES });
/** The same name and revision, other windows: code that refuses to commit beside what `paidClicks` has stored. */
const paidClicksChanged = clicks({
  name: 'paid-clicks',
  source: paid,
  windows: { '5m': tumbling('5 minutes', { emit: 'final' }) },
});

test('two pipelines read one topic; the one that cannot commit does not hold the other, and loses nothing', async () => {
  const { store, runtime, run, stored } = world(false);
  await count(deliver(0, [0, 'user0', '18:00:00', 5]), [paidClicks], runtime);

  const broken = run(paidClicksChanged);
  run(everyClick);
  await until(() => {
    expect(stored(everyClick)).toMatchObject(PARTITIONS.map(() => ({ next: 150, counters: { counted: 150 } })));
    expect(broken.lines.join()).toContain('stored');
  });
  await finalize({ pipeline: 'every-click' }, [everyClick, paidClicks], runtime);
  expect(Object.keys(directory(store))).toHaveLength(14); // fifteen minutes of clicks, the watermark in the last one
  expect(stored(paidClicks)).toMatchObject([{ next: 1 }, {}]);

  await broken.stop();
  run(paidClicks);
  await until(() => {
    const counters = { counted: 50, filtered: 100 };
    expect(stored(paidClicks)).toMatchObject(PARTITIONS.map(() => ({ next: 150, counters })));
  });
});

test('a stopped partition holds its own pipeline, and in it not the other partition', async () => {
  const { store, runtime, run, stored } = world(true);
  // What was counted of partition 0 came from another log: the record at its last offset has another hash.
  await count(deliver(0, [0, 'somebody else', '17:59:00']), [paidClicks], runtime);
  run(paidClicks);
  run(everyClick);
  await until(() => {
    expect(stored(everyClick)).toMatchObject(PARTITIONS.map(() => ({ next: 150, counters: { counted: 150 } })));
    expect(stored(paidClicks)).toMatchObject([
      { next: 1, state: 'stopped' },
      { next: 150, counters: { counted: 50 } },
    ]);
  });
  await finalize({}, [everyClick, paidClicks], runtime);
  expect(new Set(store.dump('results').map((item) => String(item['window_id']).split('@')[0]))).toEqual(
    new Set(['every-click']),
  );
});

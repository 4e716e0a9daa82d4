import { describe, expect, test } from 'vitest';
import { kafkaTimestamp } from '../../../lib/index.ts';
import { skip } from '../../../lib/operate.ts';
import { clickSource, clicks } from '../../support/scene.ts';
import { click, clicksOf, endOf, expectedClicks } from '../../support/topic-clicks.ts';
import { topicWorld, type TopicHost } from '../../support/topic-host.ts';
import { createTopic, sendTo, until, type Sent } from '../../support/topic-servers.ts';

const world = topicWorld();

/** All of a log is delivered and settled: the same rows, and as many late and rejected, as an independent count has. */
async function expectExact(host: TopicHost, log: readonly Sent[]) {
  await host.counted(log.length);
  const expected = expectedClicks(log);
  const outcome = await host.settle();
  expect(outcome.windows).toEqual(expected.windows);
  const sums = { counted: 0, late: 0, rejected: 0 };
  for (const { counters } of await host.checkpoints()) {
    for (const name of ['counted', 'late', 'rejected'] as const) sums[name] += counters[name];
  }
  const { counted, late, rejected } = expected;
  expect(sums).toEqual({ counted, late: late.length, rejected: rejected.length });
  return outcome;
}

test('headers and keys change nothing, with a key or without, empty or binary', async () => {
  const host = await world.hostOf('headers', { partitions: 2 });
  const log = [
    ...clicksOf(0, 20, { key: null }),
    ...clicksOf(20, 40, { key: '', headers: { empty: '', bytes: Buffer.from([0, 255, 128]), many: ['x', 'y'] } }),
    ...clicksOf(40, 60, { key: 'ключ\u0000', partition: 1, headers: { 'no name': 'z'.repeat(10_000) } }),
    click(60, 0, { key: 'tombstone', value: null }),
    click(61, 0, { key: null, value: '', headers: { h: 'v' } }),
    click(62, 0, { key: null, value: null }),
    ...clicksOf(63, 80),
  ];
  await sendTo(world.servers, 'headers', log);
  await host.poll();
  expect((await expectExact(host, log)).incomplete.size).toBe(0);
});

test('records of 1 MB are counted, or kept as rejections, and hold nothing', async () => {
  const host = await world.hostOf('large', { config: { 'max.message.bytes': '1300000' } });
  const large = (i: number, filler: string): Sent => {
    const sent = click(i, i * 2_000);
    return { ...sent, value: sent.value?.replace('{', `{"text":${JSON.stringify(filler)},`) ?? null };
  };
  const log = Array.from({ length: 12 }, (_, i) =>
    large(i, (i % 2 === 0 ? 'x' : 'ж').repeat(i % 2 ? 520_000 : 1_040_000)),
  );
  log.push(click(12, 0, { value: 'x'.repeat(1_040_000) }), click(13, 0, { value: `"${'ж'.repeat(500_000)}` }));
  for (const sent of log) await sendTo(world.servers, 'large', [sent]);
  const deliveries: number[] = [];
  host.before = (event) => void deliveries.push(JSON.stringify(event).length);
  await host.poll({ batchSize: 10_000, batchingWindowMs: 500 });
  await expectExact(host, log);
  expect(deliveries.length).toBeGreaterThan(2); // 19 MB in base64
});

test("a topic with the broker's own timestamps: they are what counts, and what bounds event times", async () => {
  const topic = 'append-time';
  const config = { 'message.timestamp.type': 'LogAppendTime' };
  const host = await world.hostOf(topic, { config });
  const byKafka = world.host(
    clicks({ name: 'by-kafka-time', source: clickSource({ topic, eventTime: kafkaTimestamp }) }),
  );
  const ahead = Date.now() + 10 * 60_000; // and its producer says so, too
  const soon = click(30, 0, { timestamp: ahead });
  const log = [
    ...clicksOf(0, 30),
    {
      ...soon,
      value: soon.value?.replace(/"event_time":"[^"]+"/, `"event_time":"${new Date(ahead).toISOString()}"`) ?? null,
    },
    ...clicksOf(31, 60),
  ];
  const stamped: Sent[] = [];
  for (let i = 0; i < log.length; i += 20) {
    const part = log.slice(i, i + 20);
    const [sent] = await sendTo(world.servers, topic, part);
    stamped.push(...part.map((one) => ({ ...one, timestamp: Number(sent?.logAppendTime) })));
  }
  await Promise.all([host.poll(), byKafka.poll()]);
  await expectExact(host, stamped);
  expect(expectedClicks(stamped).rejected).toEqual(['0:30']);
  const untimed = (sent: Sent) => ({ ...sent, value: sent.value?.replace(/"event_time":"[^"]+",/, '') ?? null });
  await expectExact(byKafka, stamped.map(untimed));
});

describe('starting positions', () => {
  test('latest: what was there before does not count, what comes while nothing is delivered yet does', async () => {
    const log = clicksOf(0, 200);
    const host = await world.hostOf('from-latest', { startAt: 'latest', partitions: 2 });
    await sendTo(world.servers, 'from-latest', log.slice(0, 100));
    await host.poll({ startingPosition: { kind: 'LATEST' } });
    await host.finalize();
    await host.stop();
    await sendTo(world.servers, 'from-latest', log.slice(100, 150));
    host.push(5 * 60_000);
    await host.finalize(); // lag, and nothing delivered: nothing is idle
    await host.poll({ startingPosition: { kind: 'LATEST' } });
    await sendTo(world.servers, 'from-latest', log.slice(150));
    const { incomplete, windows } = await expectExact(host, log.slice(100));
    expect(incomplete).toEqual(new Map([...windows.keys()].map((id) => [id, 'the window began before counting did'])));
  });

  test('at a timestamp: from the first record of that time', async () => {
    const log = clicksOf(0, 200);
    const host = await world.hostOf('from-time');
    await sendTo(world.servers, 'from-time', log);
    await host.poll({ startingPosition: { kind: 'AT_TIMESTAMP', atMs: (log[120]?.timestamp ?? 0) - 1_000 } });
    const { incomplete } = await expectExact(host, log.slice(120));
    expect(new Set(incomplete.values())).toEqual(new Set(['the window began before counting did']));
  });
});

test.each([
  ['TRIM_HORIZON', 'earliest'],
  ['LATEST', 'latest'],
] as const)('partitions added while running lose nothing: %s', async (kind, startAt) => {
  const topic = `grows-${startAt}`;
  const host = await world.hostOf(topic, { startAt });
  await host.poll({ startingPosition: { kind } });
  const log = clicksOf(0, 100);
  await sendTo(world.servers, topic, log);
  await host.counted(100);
  await world.servers.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  // Long before the poller notices, partition 0 goes on: were it alone to say how late it is, these would be late.
  const added = [...clicksOf(90, 130, { partition: 1 }), ...clicksOf(100, 180, { partition: 2 })];
  const more = [...clicksOf(100, 300), ...clicksOf(180, 200, { partition: 2 })];
  await sendTo(world.servers, topic, added);
  await host.finalize();
  host.push(2 * 60_000);
  await sendTo(world.servers, topic, more);
  await until(async () => expect((await host.checkpoints())[0]?.next).toBe(300));
  await host.finalize();
  expect((await expectExact(host, [...log, ...added, ...more])).incomplete.size).toBe(0);
});

test('a poison record holds its delivery, and after a skip everything but the skipped range is exact', async () => {
  const topic = 'poison';
  const host = await world.hostOf(topic, { partitions: 2 });
  const log = [...clicksOf(0, 100), ...clicksOf(0, 100, { partition: 1 })];
  await sendTo(world.servers, topic, log);
  host.before = ({ records }) => {
    if (records[`${topic}-0`]?.some(({ offset }) => offset === 25)) throw new Error('out of memory');
  };
  await host.poll({ batchSize: 10 });
  await until(() => expect(host.lines.join('\n')).toMatch(/try 3; .*out of memory/));
  const { next = 0 } = (await host.checkpoints())[0] ?? {};
  expect(next).toBeLessThanOrEqual(25);
  host.push(10 * 60_000);
  await host.finalize();
  expect(host.logs.map(({ message }) => message)).toContain('partition makes no progress');
  expect(await host.closed()).toBeLessThan((log[25]?.timestamp ?? 0) - 30_000); // it holds every window

  // What kills the function before it reads what is stored: skip, and move the group while the mapping is off.
  await host.stop();
  const retry = { ...host.runtime, deadline: Number.POSITIVE_INFINITY };
  await skip(host.pipeline, 0, 26, 'kills the function', 100, host.runtime, retry);
  const groupId = host.runtime.groupOf(topic);
  await world.servers.admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '26' }] });
  await host.poll({ batchSize: 10 });
  await host.counted(200); // the skipped ones are accounted for, too
  const { windows, incomplete } = await host.settle();
  expect(windows).toEqual(expectedClicks([...log.slice(0, next), ...log.slice(26)]).windows);
  expect(new Set(incomplete.values())).toEqual(
    new Set([`partition 0, offsets ${next} to 25: skipped: kills the function`]),
  );
  const watermark = next === 0 ? -Infinity : (log[next - 1]?.timestamp ?? 0) - 30_000;
  expect([...incomplete.keys()]).toEqual([...windows.keys()].filter((id) => endOf(id) > watermark));
});

test('a topic that is made later is counted from its first record', async () => {
  const host = world.host(clicks({ name: 'later', source: clickSource({ topic: 'later' }) }));
  const polling = host.poll();
  await until(() => expect(host.lines.join()).toContain('is not being fed'));
  await host.finalize();
  await createTopic(world.servers, 'later');
  const log = clicksOf(0, 50);
  await sendTo(world.servers, 'later', log);
  await polling;
  await expectExact(host, log);
});

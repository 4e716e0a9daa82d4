import { expect, test } from 'vitest';
import { reset } from '../../../lib/operate.ts';
import { clicksOf, endOf, expectedClicks } from '../../support/topic-clicks.ts';
import { topicWorld, type TopicHost } from '../../support/topic-host.ts';
import { createTopic, sendTo, until, type Sent } from '../../support/topic-servers.ts';

const world = topicWorld();
const old = clicksOf(0, 120);

/** A topic whose 120 records are counted, the poller still running. */
async function counted(topic: string): Promise<TopicHost> {
  const host = await world.hostOf(topic);
  await sendTo(world.servers, topic, old);
  await host.poll();
  await host.counted(old.length);
  return host;
}

/** Deletes a topic and makes it again. */
async function recreate(topic: string, anew: readonly Sent[]): Promise<void> {
  await world.servers.admin.deleteTopics({ topics: [topic] });
  await until(() => createTopic(world.servers, topic));
  if (anew.length > 0) await sendTo(world.servers, topic, anew);
}

/** Stopped with this reason: nothing more was counted, and nothing more closes. */
async function expectStopped(host: TopicHost, reason: string | RegExp): Promise<void> {
  await until(async () => expect((await host.checkpoints())[0]?.state).toBe('stopped'));
  expect((await host.checkpoints())[0]).toMatchObject({
    next: old.length,
    counters: { records: old.length },
    reason: expect.stringMatching(reason) as unknown,
  });
  const closed = await host.closed();
  host.push(20 * 60_000);
  await host.finalize();
  expect(await host.closed()).toBe(closed);
  const closedOfOld = [...expectedClicks(old).windows].filter(([id]) => endOf(id) <= closed);
  expect((await host.outcome()).windows).toEqual(new Map(closedOfOld));
  expect(host.metrics['stoppedPartitions']).toBe(1);
}

/** A person resets it: counting begins where the next delivery does, and what may be missing is said. */
async function expectReset(host: TopicHost, anew: readonly Sent[]): Promise<void> {
  const retry = { ...host.runtime, deadline: Number.POSITIVE_INFINITY };
  await reset(host.pipeline, 0, 'first delivery', false, host.runtime, retry);
  await host.counted(old.length + anew.length);
  const { windows, incomplete } = await host.settle();
  expect(windows).toEqual(expectedClicks([...old, ...anew]).windows);
  expect([...incomplete.values()].join()).toContain('partition 0 was reset at offset 120');
}

test('newer Kafka timestamps at processed offsets stop the partition, the poller running all the time', async () => {
  const anew = clicksOf(120, 170);
  const host = await counted('newer');
  await recreate('newer', anew);
  await expectStopped(
    host,
    /^recreated topic: offset 0 was processed, but now has a Kafka timestamp \(\d+\) greater than any processed \(\d+\)$/,
  );
  expect(host.lines.join('\n')).toMatch(/newer-0 is stopped: recreated topic: .* Nothing of it is counted until/);
  await expectReset(host, anew);
});

test('another record at the last processed offset stops it, though none is newer', async () => {
  const first = { timestamp: old[0]?.timestamp ?? 0 };
  const anew = clicksOf(120, 250).map((sent) => ({
    ...sent,
    ...first,
    value: sent.value?.replace('user', 'new') ?? '',
  }));
  const host = await counted('restored');
  await host.stop();
  await recreate('restored', anew);
  await host.poll();
  await expectStopped(host, 'recreated topic: offset 119, the last one processed, now holds another record');
  expect(host.lines.join('\n')).toContain('now holds another record');
  // The two deliveries before that one could not be told from redelivered ones.
  await expectReset(host, anew.slice(100));
});

test('a log that ends before what was processed stops it, though nothing is delivered', async () => {
  const host = await counted('shorter');
  await host.stop();
  await recreate('shorter', []);
  await host.finalize();
  await expectStopped(host, 'recreated or truncated topic: offsets below 120 were processed, but the log ends at 0');
  const anew = clicksOf(400, 450);
  await sendTo(world.servers, 'shorter', anew);
  await host.poll();
  await until(() => expect(host.lines.join('\n')).toContain('the log ends at 0'));
  await expectReset(host, anew);
});

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { clicksOf, expectedClicks } from '../../support/topic-clicks.ts';
import { topicWorld, type TopicHost } from '../../support/topic-host.ts';
import { sendTo, until, type Sent } from '../../support/topic-servers.ts';

const world = topicWorld();

/** The same clicks in two partitions. */
const twice = (from: number, to: number): Sent[] => [0, 1].flatMap((partition) => clicksOf(from, to, { partition }));

async function expectExact(host: TopicHost, log: readonly Sent[]): Promise<void> {
  await host.counted(log.length);
  const { windows, incomplete } = await host.settle();
  expect(windows).toEqual(expectedClicks(log).windows);
  expect([...incomplete]).toEqual([]);
}

test('a broker that restarts in mid-run costs time only', async () => {
  const host = await world.hostOf('restarted', { partitions: 2 });
  const [before, after] = [twice(0, 500), twice(500, 600)];
  await sendTo(world.servers, 'restarted', before);
  host.before = () => sleep(20);
  await host.poll({ batchSize: 20 });
  await until(async () => expect((await host.checkpoints())[0]?.next).toBeGreaterThan(100));
  await world.servers.kafka.down();
  expect((await host.checkpoints()).reduce((sum, { counters }) => sum + counters.records, 0)).toBeLessThan(1_000);
  await world.servers.kafka.up();
  await sendTo(world.servers, 'restarted', after);
  await expectExact(host, [...before, ...after]);
});

test('while the broker is gone nothing closes that needs its word, and afterwards all is exact', async () => {
  const host = await world.hostOf('gone', { partitions: 2 });
  // Partition 1 is a minute behind, and has nothing more to say: only the broker can tell that it is idle.
  const before = [...clicksOf(0, 200), ...clicksOf(0, 30, { partition: 1 })];
  await sendTo(world.servers, 'gone', before);
  await host.poll();
  await host.counted(230);
  await host.finalize();
  const closed = await host.closed();
  expect(closed).toBe((before[29]?.timestamp ?? 0) - 30_000);

  await world.servers.kafka.down();
  for (let quarter = 0; quarter < 4; quarter++) {
    host.push(15_000);
    await host.finalize();
  }
  expect(await host.closed()).toBe(closed);
  await until(() => expect(host.lines.join('\n')).toContain('is not being fed'));
  host.push(11 * 60_000);
  await host.finalize();
  expect(await host.closed()).toBe(closed);
  expect(host.logs.map(({ message }) => message)).toContain(
    'nothing closes: the broker cannot be asked for partitions',
  );

  await world.servers.kafka.up();
  const after = [...clicksOf(200, 250), ...clicksOf(190, 210, { partition: 1 })];
  await sendTo(world.servers, 'gone', after);
  await expectExact(host, [...before, ...after]);
  expect(host.lines.join('\n')).toContain('answers again');
});

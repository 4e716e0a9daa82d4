import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { tumbling } from '../../lib/index.ts';
import { skip } from '../../lib/operate.ts';
import { status } from '../../lib/status.ts';
import { parseDelivery, type KafkaRecord } from '../../lib/source/delivery.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { fakeBroker, type FakePartition } from '../support/fake-broker.ts';
import { busy, faultyStore } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, checkpointOf, clicks, deliver, directory, finals, registryOf } from '../support/scene.ts';

const minutes = clicks({ windows: { '1m': tumbling('1 minute', { emit: 'final' }) } });

function scene(partitions: Record<number, FakePartition> = { 0: { end: 20 } }) {
  const store = memoryStore();
  const fake = fakeBroker(partitions);
  const made = testRuntime({ store, now: at('19:04:00'), broker: fake.broker });
  const { runtime } = made;
  const retry = { clock: runtime.clock, random: runtime.random, deadline: Number.POSITIVE_INFINITY };
  return {
    ...made,
    ...fake,
    store,
    feed: (...args: Parameters<typeof deliver>) => count(deliver(...args), [minutes], runtime),
    close: () => finalize({}, [minutes], runtime),
    pass: (to: number, reason = 'poison', end?: number, world = runtime) =>
      skip(minutes, 0, to, reason, end, world, retry),
    look: () => status({ store, retry }, minutes, new Map([[0, 20]])),
  };
}
const recordsOf = (...args: Parameters<typeof deliver>): readonly KafkaRecord[] =>
  parseDelivery(deliver(...args))[0]?.records ?? [];

describe('skipped offsets', () => {
  test('are stored, counted as skipped, and passed over when they come again', async () => {
    const { feed, pass, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    expect(await pass(5)).toEqual({ from: 2, to: 5, kind: 'skipped', watermark: at('19:02:00'), reason: 'poison' });
    expect(checkpointOf(store)).toMatchObject({ next: 5, counters: { records: 5, counted: 2, skipped: 3 } });
    await feed(0, [3, 'poison', '19:02:40'], [4, 'poison', '19:02:50'], [5, 'c', '19:03:10']);
    expect(checkpointOf(store)).toMatchObject({
      next: 6,
      state: 'active',
      counters: { records: 6, counted: 3, skipped: 3 },
      gaps: [{ from: 2, to: 5, kind: 'skipped' }],
    });
  });

  test('prove no recreated topic, whatever their timestamps, and are never classified', async () => {
    const { feed, pass, close, state, store } = scene({
      0: { end: 7, records: recordsOf(0, [3, 'poison', '19:59:00']) },
    });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    await pass(5);
    await feed(0, [3, 'poison', '19:59:00'], [5, 'c', '19:03:10'], [6, 'd', '19:05:10']);
    await close();
    expect(checkpointOf(store)).toMatchObject({ state: 'active', gaps: [{ kind: 'skipped' }] });
    expect(state.reads).toBe(0);
  });

  test('mark the windows they may have belonged to, with the reason, and no others', async () => {
    const { feed, pass, close, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    await pass(5, 'a value no schema can read');
    // skipped at 19:04:00, so what was skipped is no later than 19:09:00
    await feed(0, [5, 'c', '19:08:10'], [6, 'd', '19:10:10'], [7, 'e', '19:20:00']);
    await close();
    const why = 'partition 0, offsets 2 to 4: skipped: a value no schema can read';
    expect(Object.entries(directory(store)).map(([window, { incomplete }]) => [window, incomplete])).toEqual([
      ['1m 19:00:00', undefined],
      ['1m 19:02:00', why],
      ['1m 19:08:00', why],
      ['1m 19:10:00', undefined],
    ]);
    expect(finals(store)['1m 19:02:00']).toEqual({ b: 1 });
  });

  test('may be of a stopped partition, which stays stopped', async () => {
    const { feed, pass, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    await feed(0, [1, 'foreign', '19:50:00']).catch(() => undefined);
    await pass(5);
    expect(checkpointOf(store)).toMatchObject({ state: 'stopped', next: 5 });
  });

  test('are skipped once when the answer is lost', async () => {
    for (const kind of ['before', 'after'] as const) {
      const { feed, pass, store, runtime } = scene();
      await feed(0, [0, 'a', '19:00:10']);
      const faulty = faultyStore(store, (call) => (call === 1 ? { kind, error: busy } : undefined));
      await pass(5, 'poison', undefined, { ...runtime, store: faulty.store });
      expect(faulty.calls).toContain('transact');
      expect(checkpointOf(store)).toMatchObject({ next: 5, counters: { records: 5, skipped: 4 } });
      expect(registryOf(store)['incomplete']).toHaveLength(1);
    }
  });

  test.each([
    ['--to is 2; partition 0 has gone on to offset 2: expected a later one', 2, undefined],
    ['--to is 30; the log of partition 0 ends at 20', 30, 20],
  ])('%s', async (message, to, end) => {
    const { feed, pass, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    const before = store.dump('progress');
    await expect(pass(to, 'poison', end)).rejects.toThrow(message);
    expect(store.dump('progress')).toEqual(before);
  });

  test('begin where something was counted', async () => {
    const { pass, close } = scene();
    await expect(pass(2)).rejects.toThrow('clicks@1 has no partition 0 yet; joined: none');
    await close();
    await expect(pass(2)).rejects.toThrow(
      'partition 0 has counted nothing yet; npx tidemark reset says where it begins',
    );
  });
});

describe('a partition that makes no progress', () => {
  const waiting = recordsOf(0, [2, 'poison', '19:02:40']);

  test('is told after the declared time, and until it goes on', async () => {
    const { feed, close, push, logs, metrics, look, state } = scene({ 0: { end: 2 } });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    state.partitions = { 0: { end: 3, records: waiting } };
    push(9 * 60_000);
    await close();
    expect(metrics['stuckPartitions']).toBeUndefined();
    push(60_000);
    await close();
    expect(metrics).toMatchObject({ stuckPartitions: 1, stuckMs: 600_000 });
    expect(logs).toContainEqual({
      level: 'error',
      message: 'partition makes no progress',
      fields: { pipeline: 'clicks@1', partition: 0, state: 'active', next: 2, since: '2026-01-08T19:04:00.000Z' },
    });
    expect((await look()).partitions[0]?.stuckSince).toBe(at('19:04:00'));

    await feed(0, [2, 'c', '19:02:40']);
    expect((await look()).partitions[0]?.stuckSince).toBeUndefined();
    await close();
    expect(metrics['stuckPartitions']).toBe(1);
    expect((await look()).partitions[0]?.stuckSince).toBeUndefined();
  });

  test('is one that stopped, from the first moment', async () => {
    const { feed, close, metrics, look } = scene({ 0: { end: 2 } });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    await feed(0, [1, 'foreign', '19:50:00']).catch(() => undefined);
    await close();
    expect(metrics['stuckPartitions']).toBe(1);
    expect((await look()).partitions[0]).toMatchObject({ state: 'stopped', stuckSince: at('19:04:00') });
  });

  test('is not one that gets on with late events alone', async () => {
    const { feed, close, push, metrics } = scene({ 0: { end: 20, records: recordsOf(0, [9, 'late', '19:00:00']) } });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:30:00']);
    for (let offset = 2; offset < 9; offset++) {
      push(5 * 60_000);
      await feed(0, [offset, 'late', '19:00:00']);
      await close();
    }
    expect(metrics['stuckPartitions']).toBeUndefined();
  });

  test('is not one with nothing but transaction markers left, nor one whose record has just come', async () => {
    const { feed, close, push, metrics, state } = scene({ 0: { end: 5 } });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    push(3_600_000);
    await close();
    state.partitions = { 0: { end: 6, records: recordsOf(0, [5, 'c', '20:03:59']) } };
    await close();
    expect(metrics['stuckPartitions']).toBeUndefined();
  });
});

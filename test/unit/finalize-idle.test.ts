import { describe, expect, test } from 'vitest';
import { type FakePartition } from '../support/fake-broker.ts';
import { faultyStore } from '../support/faulty-store.ts';
import { closeScene as scene, recordsOf } from '../support/stories.ts';
import { at, checkpointOf, finals } from '../support/scene.ts';

describe('idle partitions', () => {
  // Partition 1 has been silent since 19:00; partition 0 goes on.
  async function silent(partition: FakePartition) {
    const made = scene({ 0: { end: 2 }, 1: partition });
    await made.feed(0, [0, 'a', '19:00:10']);
    await made.feed(1, [0, 'b', '19:00:20']);
    made.push(61_000);
    await made.feed(0, [1, 'a', '19:05:00']);
    await made.close();
    return made;
  }

  test('without lag hold nothing back: they are raised, and that is stored', async () => {
    const { closed, store } = await silent({ end: 1 });
    expect(closed()).toBe(at('19:04:30'));
    expect(checkpointOf(store, 1)).toMatchObject({ watermark: at('19:04:30'), clock: at('19:00:20'), next: 1 });
    expect(finals(store)).toEqual({ '1m 19:00:00': { a: 1, b: 1 } });
  });

  test('with lag that could count are not idle', async () => {
    const { closed } = await silent({ end: 2, records: recordsOf(1, [1, 'b', '19:00:30']) });
    expect(closed()).toBe(at('18:59:50'));
  });

  test('with lag of markers and rejections only are idle', async () => {
    const [record] = recordsOf(1, [1, 'b', '19:00:30']);
    const { closed } = await silent({ end: 9, records: record ? [{ ...record, value: '%%%' }] : [] });
    expect(closed()).toBe(at('19:04:30'));
  });

  test('what they get afterwards is judged by what they were raised to', async () => {
    const { feed, store, close } = await silent({ end: 1 });
    await feed(1, [1, 'late', '19:00:30'], [2, 'counts', '19:04:10']);
    expect(checkpointOf(store, 1)).toMatchObject({ counters: { late: 1, counted: 2 } });
    await close();
    expect(finals(store)['1m 19:00:00']).toEqual({ a: 1, b: 1 });
  });

  test('a late-only stream is idle: its partition closes its last windows', async () => {
    const { feed, push, close, state, closed } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '19:10:00']);
    for (let offset = 1; offset <= 10; offset++) {
      push(30_000);
      state.partitions[0] = { end: offset + 1 };
      await feed(0, [offset, 'late', '18:00:00']);
      await close();
    }
    expect(closed()).toBe(at('19:11:00'));
  });

  test('are not raised over what was counted since they were looked at, at whichever call', async () => {
    for (let n = 0; n < 12; n++) {
      const { feed, push, close, closed, store, state } = scene({ 0: { end: 2 }, 1: { end: 1 } });
      await feed(0, [0, 'a', '19:00:10']);
      await feed(1, [0, 'b', '19:00:20']);
      push(61_000);
      await feed(0, [1, 'a', '19:05:00']);
      const { store: watched } = faultyStore(store, async (call) => {
        if (call !== n) return undefined;
        state.partitions[1] = { end: 2 };
        await feed(1, [1, 'b', '19:00:40']);
        return undefined;
      });
      await close({ store: watched });
      const { watermark, counters } = checkpointOf(store, 1) as { watermark: number; counters: { late: number } };
      const isRaisedFirst = counters.late === 1;
      expect(watermark, `call ${n}`).toBe(isRaisedFirst ? at('19:04:30') : at('19:00:10'));
      expect(closed(), `call ${n}`).toBe(watermark);
    }
  });

  test('when all are, time goes on with the wall clock, but not beyond the last window that holds data', async () => {
    const { feed, push, close, closed, store } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '19:00:10']);
    push(59_999);
    await close();
    expect(closed(), 'not idle yet').toBe(at('18:59:40'));
    push(1);
    await close();
    expect(closed()).toBe(at('19:00:40'));
    expect(finals(store)).toEqual({});
    push(3_600_000);
    await close();
    expect(closed()).toBe(at('19:01:00'));
    expect(finals(store)).toEqual({ '1m 19:00:00': { a: 1 } });
  });

  test('a stopped partition holds everything', async () => {
    const { feed, push, close, closed, logs } = scene({ 0: { end: 1 }, 1: { end: 0 } });
    await feed(0, [0, 'a', '19:00:10']);
    await feed(1, [0, 'b', '19:00:20']);
    push(3_600_000);
    await close();
    expect(closed(), 'the log of partition 1 ends below what was processed').toBe(at('18:59:50'));
    expect(logs).toContainEqual(expect.objectContaining({ level: 'error', message: 'partition stopped' }));
  });

  test('evidence that has become old is not used: it is asked for again', async () => {
    const { feed, push, close, closed, state, runtime } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '19:00:10']);
    push(3_600_000);
    let slow = true;
    await close({
      broker: {
        read: () => Promise.reject(new Error('nothing to read')),
        async offsets() {
          if (slow) await runtime.clock.sleep(5_001);
          slow = false;
          state.asked++;
          return new Map([[0, { start: 0, end: 1, committed: undefined }]]);
        },
      },
    });
    expect(state.asked).toBe(2);
    expect(closed()).toBe(at('19:01:00'));
  });

  test('KAFKA_BROKERS=none: no partition is ever idle', async () => {
    const { feed, push, close, closed } = scene();
    await feed(0, [0, 'a', '19:00:10']);
    push(86_400_000);
    await close();
    expect(closed()).toBe(at('18:59:40'));
  });
});

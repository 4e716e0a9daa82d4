import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { tumbling } from '../../lib/index.ts';
import { reset, type Start } from '../../lib/operate.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { fakeBroker } from '../support/fake-broker.ts';
import { busy, crash, faultyStore } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, checkpointOf, clicks, deliver, directory, finals, registryOf } from '../support/scene.ts';

const minutes = clicks({ windows: { '1m': tumbling('1 minute', { emit: 'final' }) } });

/** A topic of three records that was then recreated; the partition has noticed and stopped. */
async function stopped() {
  const store = memoryStore();
  const fake = fakeBroker({ 0: { end: 3 } });
  const made = testRuntime({ store, now: at('19:04:00') });
  const { runtime } = made;
  const retry = { clock: runtime.clock, random: runtime.random, deadline: Number.POSITIVE_INFINITY };
  const feed = (...args: Parameters<typeof deliver>) => count(deliver(...args), [minutes], runtime);
  await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:01:20'], [2, 'a', '19:02:40']);
  await finalize({}, [minutes], runtime);
  await expect(feed(0, [0, 'new', '19:03:00'])).rejects.toThrow('is stopped: recreated topic');
  return {
    ...made,
    ...fake,
    store,
    feed,
    close: (more: Partial<Runtime> = {}) => finalize({}, [minutes], { ...runtime, ...more }),
    anew: (start: Start, force = false, more: Partial<Runtime> = {}) =>
      reset(minutes, 0, start, force, { ...runtime, ...more }, retry),
    marks: () =>
      Object.fromEntries(Object.entries(directory(store)).map(([window, item]) => [window, item['incomplete']])),
  };
}
const LOST = 'partition 0 was reset at offset 3: what followed there may not have been counted';

describe('a reset partition', () => {
  test('begins at its first delivery, in a new life with the commits counted on', async () => {
    const { store, anew, feed } = await stopped();
    const before = checkpointOf(store);
    await anew('first delivery');
    const after = checkpointOf(store);
    const [life, commits] = String(before['version']).split(':');
    const [newLife, newCommits] = String(after['version']).split(':');
    expect(newLife).not.toBe(life);
    expect(Number(newCommits)).toBe(Number(commits) + 1);
    expect(after).toMatchObject({ state: 'active', watermark: at('19:02:10'), gaps: [], counters: { records: 3 } });
    const gone = ['from', 'fromTimestamp', 'next', 'reason', 'last', 'maxTimestamp'];
    expect(Object.keys(after).filter((name) => gone.includes(name))).toEqual([]);
    await feed(0, [0, 'new', '19:03:00'], [1, 'new', '19:03:10']);
    expect(checkpointOf(store)).toMatchObject({ from: 0, next: 2, counters: { records: 5, counted: 5 } });
  });

  test('keeps its watermark, so what is final stays and older events are late', async () => {
    const { store, anew, feed, close, marks } = await stopped();
    const final = finals(store);
    expect(final).toEqual({ '1m 19:00:00': { a: 1 }, '1m 19:01:00': { b: 1 } });
    await anew('first delivery');
    //              late: final          counts                with a hole, which is no gap: another log
    await feed(0, [0, 'late', '19:01:59'], [1, 'new', '19:02:50']);
    await feed(0, [2, 'new', '19:12:50'], [3, 'new', '19:13:50']);
    await close();
    expect(checkpointOf(store)).toMatchObject({ counters: { late: 1 } });
    expect(finals(store)).toEqual({ ...final, '1m 19:02:00': { a: 1, new: 1 }, '1m 19:12:00': { new: 1 } });
    // reset at 19:04:00: what nobody read of the old log is no later than 19:09:00
    expect(marks()).toEqual({
      '1m 19:00:00': undefined,
      '1m 19:01:00': undefined,
      '1m 19:02:00': LOST,
      '1m 19:12:00': undefined,
    });
  });

  test('marks before an idle partition closes over what was lost', async () => {
    const { anew, close, marks, push, broker, state } = await stopped();
    state.partitions = { 0: { end: 0 } };
    await anew('first delivery');
    push(10 * 60_000);
    await close({ broker });
    expect(marks()).toMatchObject({ '1m 19:02:00': LOST });
  });

  test('that begins in the middle of a log marks the windows before', async () => {
    const { anew, feed, close, marks, broker, state } = await stopped();
    state.partitions = { 0: { end: 80 } };
    await anew('first delivery');
    await feed(0, [70, 'new', '19:10:00'], [71, 'new', '19:14:50'], [72, 'new', '19:20:00']);
    await close({ broker });
    expect(marks()).toMatchObject({ '1m 19:14:00': 'the window began before counting did' });
  });

  test('at an offset drops what is before it, and finds a gap behind it', async () => {
    const { store, anew, feed } = await stopped();
    await anew(10);
    await feed(0, [8, 'old', '19:10:00'], [9, 'old', '19:10:00'], [12, 'new', '19:10:10']);
    expect(checkpointOf(store)).toMatchObject({
      from: 10,
      next: 13,
      state: 'active',
      counters: { records: 4, counted: 4 },
      gaps: [{ from: 10, to: 12, kind: 'unclassified' }],
    });
  });

  test('that goes on where it stopped has lost nothing', async () => {
    const { store, anew } = await stopped();
    await anew(3);
    expect(checkpointOf(store)).toMatchObject({ from: 3, next: 3, state: 'active' });
    expect(registryOf(store)['incomplete']).toEqual([]);
  });

  test('forgets gaps of the old log; what they lacked is marked', async () => {
    const { store, anew, feed, close, marks } = await stopped();
    await anew('first delivery');
    await feed(0, [0, 'new', '19:03:00']);
    await feed(0, [7, 'new', '19:04:40']); // a gap, seen at the watermark of 19:02:30, before 19:03:00 could be over
    expect(checkpointOf(store)).toMatchObject({ gaps: [{ from: 1, to: 7, kind: 'unclassified' }] });
    await feed(0, [8, 'new', '19:05:40']);
    await anew('first delivery', true);
    expect(checkpointOf(store)).toMatchObject({ gaps: [], watermark: at('19:05:10') });
    expect(registryOf(store)['incomplete']).toMatchObject([{ after: at('19:02:10') }, { after: at('19:02:30') }]);
    await close();
    expect(marks()['1m 19:03:00']).toContain('partition 0 was reset at offset 9');
  });

  test('has to be stopped, or to have counted nothing, unless it is forced', async () => {
    const { store, anew, feed } = await stopped();
    await anew('first delivery');
    await anew(5); // nothing was counted since
    await feed(0, [5, 'new', '19:03:00']);
    await expect(anew(2)).rejects.toThrow('partition 0 is not stopped: what it has counted may count twice');
    await anew(2, true);
    expect(checkpointOf(store)).toMatchObject({ from: 2, next: 2, state: 'active' });
  });

  test('refuses commits of its former life', async () => {
    const { store, anew, feed, runtime } = await stopped();
    // a delivery has read the checkpoint when the partition is reset
    let isReset = false;
    const slow = faultyStore(store, () => undefined).store;
    const during = {
      ...slow,
      transact: async (...args: Parameters<typeof slow.transact>) => {
        if (!isReset) {
          isReset = true;
          await anew(1, true);
        }
        return slow.transact(...args);
      },
    };
    await anew('first delivery');
    await feed(0, [0, 'new', '19:03:00']);
    await count(deliver(0, [1, 'new', '19:03:10']), [minutes], { ...runtime, store: during });
    expect(checkpointOf(store)).toMatchObject({ from: 1, next: 2, counters: { counted: 5 } });
  });

  test.each([
    ['a crash before', 'before', crash],
    ['a crash after', 'after', crash],
    ['a busy store before', 'before', busy],
    ['a lost answer', 'after', busy],
  ] as const)('is reset once, whatever goes wrong: %s', async (_, kind, error) => {
    for (let n = 0; n < 2; n++) {
      const { store, anew, feed, close } = await stopped();
      const faulty = faultyStore(store, (call) => (call === n ? { kind, error } : undefined));
      await anew('first delivery', false, { store: faulty.store }).catch(() => undefined);
      await anew('first delivery');
      await feed(0, [0, 'new', '19:03:00'], [1, 'new', '19:05:00']);
      await close();
      expect(registryOf(store)['incomplete']).toHaveLength(1);
      expect(finals(store)['1m 19:02:00']).toEqual({ a: 1 });
      expect(finals(store)['1m 19:03:00']).toEqual({ new: 1 });
    }
  });
});

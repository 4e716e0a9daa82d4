import { describe, expect, test } from 'vitest';
import { busy, crash, faultyStore } from '../support/faulty-store.ts';
import { closeScene as scene } from '../support/stories.ts';
import { at, checkpointOf, clicks, finals, registryOf } from '../support/scene.ts';

describe('whatever happens between two calls of the store', () => {
  /** Two partitions, one of them idle and to be raised, and a newcomer: every kind of call there is. */
  async function world() {
    const made = scene({ 0: { end: 3 }, 1: { end: 1 } }, clicks());
    await made.feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:01:10']);
    await made.feed(1, [0, 'b', '19:00:20']);
    made.push(120_000);
    await made.feed(0, [2, 'a', '19:05:00']);
    return made;
  }
  const expected = {
    '1m 19:00:00': { a: 1, b: 1 },
    '1m 19:01:00': { b: 1 },
    '2m 18:58:30': { a: 1, b: 1 },
    '2m 18:59:00': { a: 1, b: 1 },
    '2m 18:59:30': { a: 1, b: 2 },
    '2m 19:00:00': { a: 1, b: 2 },
    '2m 19:00:30': { b: 1 },
    '2m 19:01:00': { b: 1 },
  };

  test('undisturbed', async () => {
    const { close, store } = await world();
    await close();
    expect(finals(store)).toEqual(expected);
  });

  test.each([
    ['a crash', crash],
    ['a busy store', busy],
  ] as const)(
    '%s at the n-th call, before or after it happened, and finalize again: the same results',
    async (_, error) => {
      let n = 0;
      for (let isOver = false; !isOver; n++) {
        for (const kind of ['before', 'after'] as const) {
          const { close, store, reports } = await world();
          const { store: faulty, calls } = faultyStore(store, (call) => (call === n ? { kind, error } : undefined));
          const outcome = await close({ store: faulty }).then(
            () => 'done',
            () => 'failed',
          );
          isOver = calls.length <= n;
          await close();
          expect(finals(store), `call ${n}, ${kind}, ${outcome}`).toEqual(expected);
          expect(registryOf(store)).toMatchObject({ closed: at('19:04:30'), emitted: at('19:04:30') });
          const shown = new Set(
            reports.filter(({ status }) => status === 'final').map(({ window, start }) => `${window} ${start}`),
          );
          expect(shown.size, 'every window is shown at least once').toBe(Object.keys(expected).length);
        }
      }
      expect(n).toBeGreaterThan(20);
    },
  );

  test('two at once: the same results', async () => {
    const { close, store } = await world();
    await Promise.all([close(), close(), close()]);
    expect(finals(store)).toEqual(expected);
  });

  test('another finalize, further ahead, from start to end in the middle of any call: the same results, none taken back', async () => {
    const ahead = at('19:29:30');
    let n = 0;
    for (let isOver = false; !isOver; n++) {
      const { close, store, feed, state, push } = await world();
      const { store: overtaken, calls } = faultyStore(store, async (call) => {
        if (call !== n) return undefined;
        await feed(0, [3, 'z', '19:30:00']);
        state.partitions[0] = { end: 4 };
        await close();
        return undefined;
      });
      await close({ store: overtaken });
      isOver = calls.length <= n;
      expect(registryOf(store)['emitted'], `call ${n}`).toBe(isOver ? at('19:04:30') : ahead);
      push(1);
      await close();
      expect(finals(store), `call ${n}`).toMatchObject(expected);
    }
    expect(n).toBeGreaterThan(20);
  });

  test('a count in the middle of any call: no result changes, nothing is lost', async () => {
    for (let n = 0; n < 30; n++) {
      const { close, store, feed, state } = await world();
      const { store: watched } = faultyStore(store, async (call) => {
        if (call !== n) return undefined;
        await feed(1, [1, 'x', '19:04:10'], [2, 'late', '19:00:30']);
        state.partitions[1] = { end: 3 };
        return undefined;
      });
      await close({ store: watched });
      await feed(1, [1, 'x', '19:04:10'], [2, 'late', '19:00:30']);
      state.partitions = { 0: { end: 4 }, 1: { end: 4 } };
      await feed(0, [3, 'z', '19:30:00']);
      await feed(1, [3, 'z', '19:30:00']);
      await close();
      const late = (checkpointOf(store, 1)['counters'] as { late: number }).late;
      expect(finals(store), `call ${n}`).toMatchObject({
        '1m 19:00:00': { a: 1, b: 1, ...(late === 0 && { late: 1 }) },
        '1m 19:04:00': { x: 1 },
      });
    }
  });
});

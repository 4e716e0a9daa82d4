import { describe, expect, test } from 'vitest';
import { type FakePartition } from '../support/fake-broker.ts';
import { MINUTES, closeScene as scene, recordsOf } from '../support/stories.ts';
import { at, checkpointOf, clickSource, clicks, directory } from '../support/scene.ts';

describe('the broker', () => {
  test('that does not answer: windows close by what was counted as long as the last answer is young, then hold', async () => {
    const { feed, push, close, closed, state, logs } = scene({ 0: { end: 2 } });
    await feed(0, [0, 'a', '19:00:10']);
    await close();
    state.isDown = true;
    push(600_000);
    await feed(0, [1, 'a', '19:02:30']);
    await close();
    expect(closed(), 'ten minutes old').toBe(at('19:02:00'));
    push(1);
    await feed(0, [2, 'a', '19:10:00']);
    await close();
    expect(closed()).toBe(at('19:02:00'));
    const message = 'nothing closes: the broker cannot be asked for partitions';
    expect(logs).toContainEqual(expect.objectContaining({ level: 'error', message }));
    state.isDown = false;
    state.partitions[0] = { end: 3 };
    await close();
    expect(closed()).toBe(at('19:09:30'));
  });

  test('without an answer no partition is idle', async () => {
    const { feed, push, close, closed, state } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '19:00:10']);
    await close();
    state.isDown = true;
    push(300_000);
    await close();
    expect(closed()).toBe(at('18:59:40'));
  });

  test('knows partitions nobody has counted: they join at what is closed, and are waited for', async () => {
    // from the earliest offset: partition 1 has an hour of history that must not become late
    const { feed, close, closed, store, state } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '18:00:00']);
    await close();
    const before = closed();
    state.partitions = { 0: { end: 2 }, 1: { end: 50, records: recordsOf(1, [0, 'b', '18:00:10']) } };
    await feed(0, [1, 'a', '19:00:00']);
    await close();
    expect(checkpointOf(store, 1)).toMatchObject({ watermark: before, state: 'active' });
    expect(checkpointOf(store, 1)['next']).toBeUndefined();
    expect(closed()).toBe(before);
    await feed(1, [0, 'b', '18:00:10'], [49, 'b', '19:00:00']);
    expect(checkpointOf(store, 1)).toMatchObject({ from: 0, counters: { late: 0, counted: 2 } });
    expect(closed()).toBe(before);
  });

  test('newcomers of a pipeline that starts at latest begin at the end as asked; nothing before it is a gap', async () => {
    const latest = clicks({ windows: MINUTES, source: clickSource({ startAt: 'latest' }) });
    const { feed, close, store } = scene({ 0: { start: 0, end: 70 } }, latest);
    await close();
    expect(checkpointOf(store, 0)).toMatchObject({ next: 70 });
    expect(checkpointOf(store, 0)['from']).toBeUndefined();
    await feed(0, [71, 'a', '19:00:00']);
    expect(checkpointOf(store, 0)).toMatchObject({ from: 71, next: 72, gaps: [] });
  });

  test('a first window that began before counting did is marked', async () => {
    const latest = clicks({ windows: MINUTES, source: clickSource({ startAt: 'latest' }) });
    const { feed, close, store } = scene({ 0: { start: 0, end: 80 } }, latest);
    await feed(0, [70, 'a', '19:00:30'], [71, 'b', '19:05:40'], [72, 'c', '19:20:00']);
    await close();
    const marks = Object.entries(directory(store)).map(([window, item]) => [window, item['incomplete']]);
    expect(marks).toEqual([
      ['1m 19:00:00', 'the window began before counting did'],
      ['1m 19:05:00', 'the window began before counting did'],
    ]);
    await feed(0, [73, 'd', '19:30:00']);
    await close();
    expect(directory(store)['1m 19:20:00']?.['incomplete']).toBeUndefined();
  });
});

describe('a gap', () => {
  async function gapped(partition: FakePartition) {
    const made = scene({ 0: partition });
    await made.feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30']);
    await made.feed(0, [5, 'c', '19:03:10'], [6, 'd', '19:05:10']);
    await made.close();
    const marks = Object.fromEntries(
      Object.entries(directory(made.store)).map(([window, item]) => [window, item['incomplete']]),
    );
    return { ...made, marks, gaps: checkpointOf(made.store)['gaps'] };
  }

  test('that is empty marks nothing and is forgotten', async () => {
    const { marks, gaps, metrics } = await gapped({ end: 7, records: [] });
    expect(marks).toEqual({ '1m 19:00:00': undefined, '1m 19:02:00': undefined, '1m 19:03:00': undefined });
    expect(gaps).toEqual([]);
    expect(metrics['lostGaps']).toBeUndefined();
  });

  test('that retention took marks the windows its records may have belonged to, with the offsets, and alarms', async () => {
    // the watermark was at 19:02:00 when the gap was seen: what had ended by then is complete
    const { marks, metrics, logs } = await gapped({ start: 5, end: 7 });
    expect(marks).toEqual({
      '1m 19:00:00': undefined,
      '1m 19:02:00': 'partition 0, offsets 2 to 4: expired',
      '1m 19:03:00': 'partition 0, offsets 2 to 4: expired',
    });
    expect(metrics['lostGaps']).toBe(1);
    expect(logs).toContainEqual(expect.objectContaining({ level: 'error', message: 'records were lost' }));
  });

  test('that the poller dropped is remembered: its records prove nothing if they come after all', async () => {
    const { marks, gaps, feed, store } = await gapped({ end: 7, records: recordsOf(0, [3, 'x', '19:02:40']) });
    expect(marks['1m 19:02:00']).toBe('partition 0, offsets 2 to 4: discarded');
    expect(gaps).toMatchObject([{ from: 2, to: 5, kind: 'discarded' }]);
    await feed(0, [3, 'x', '19:59:00']);
    expect(checkpointOf(store)).toMatchObject({ state: 'active', next: 7 });
  });

  test('that retention took may still be in a delivery under way: that is no other log', async () => {
    // offset 3 was stamped ahead of all others, fetched before it expired, and is counted only after its loss is known
    const { feed, push, close, store, state } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '19:00:10']);
    push(1_200_000);
    state.partitions[0] = { start: 5, end: 6 };
    await feed(0, [5, 'c', '19:01:00']);
    await close();
    await feed(0, [3, 'x', '19:20:10']);
    expect(checkpointOf(store)).toMatchObject({ state: 'active', next: 6 });
  });

  test('nothing closes over it while the broker cannot be asked', async () => {
    const { feed, close, closed, state, push } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '19:00:10']);
    await close();
    state.isDown = true;
    await feed(0, [5, 'c', '19:10:00']);
    await close();
    expect(closed()).toBe(at('18:59:40'));
    state.isDown = false;
    state.partitions[0] = { end: 6 };
    push(1);
    await close();
    expect(closed()).toBe(at('19:09:30'));
  });

  test('before its classification closes nothing: both happen in one run', async () => {
    const { closed } = await gapped({ start: 5, end: 7 });
    expect(closed()).toBe(at('19:04:40'));
  });

  test('that retention makes behind an idle partition is found without the next record', async () => {
    const { feed, push, close, store, state, metrics } = scene({ 0: { end: 1 } });
    await feed(0, [0, 'a', '19:00:10']);
    state.partitions[0] = { start: 8, end: 8 };
    push(3_600_000);
    await close();
    await close();
    expect(directory(store)['1m 19:00:00']?.['incomplete']).toBe('partition 0, offsets 1 to 7: expired');
    expect(metrics['lostGaps']).toBe(1);
  });
});

describe('a log that ends below what was processed', () => {
  test('is a recreated or truncated topic: the partition stops, and count refuses', async () => {
    const { feed, close, state, store } = scene({ 0: { end: 3 } });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:00:11'], [2, 'c', '19:00:12']);
    await close();
    state.partitions[0] = { end: 1 };
    await close();
    const reason = 'recreated or truncated topic: offsets below 3 were processed, but the log ends at 1';
    expect(checkpointOf(store)).toMatchObject({ state: 'stopped', reason });
    await expect(feed(0, [3, 'd', '19:00:13'])).rejects.toMatchObject({
      code: 'PARTITION_STOPPED',
      message: expect.stringContaining(reason),
    });
  });

  test('for a moment only, as a new leader may say, stops nothing', async () => {
    const { feed, close, state, store, broker } = scene({ 0: { end: 3 } });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:00:11'], [2, 'c', '19:00:12']);
    state.partitions[0] = { end: 1 };
    const offsets: typeof broker.offsets = async (topic, group) => {
      const answer = await broker.offsets(topic, group);
      state.partitions[0] = { end: 3 };
      return answer;
    };
    await close({ broker: { ...broker, offsets } });
    expect(checkpointOf(store)).toMatchObject({ state: 'active' });
  });
});

import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { fakeBroker } from '../support/fake-broker.ts';
import { faultyStore } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { MINUTES, closeScene as scene, minutes } from '../support/stories.ts';
import { at, clickSource, clicks, deliver, finals, registryOf } from '../support/scene.ts';

describe('windows close', () => {
  test('when they end at or before the watermark, and not a millisecond earlier', async () => {
    const { feed, close, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:01:29.999']);
    await close();
    expect(finals(store)).toEqual({});
    await feed(0, [2, 'b', '19:01:30']);
    await close();
    expect(finals(store)).toEqual({ '1m 19:00:00': { a: 1 } });
  });

  test('as far as the slowest partition, and never take that back', async () => {
    const { feed, close, store, closed } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:30:00']);
    await feed(1, [0, 'a', '19:00:20'], [1, 'b', '19:02:30']);
    await close();
    expect(closed()).toBe(at('19:02:00'));
    expect(finals(store)).toEqual({ '1m 19:00:00': { a: 2 } });
    await feed(2, [0, 'late', '19:00:30']);
    await close();
    expect(closed()).toBe(at('19:02:00'));
    expect(finals(store)).toEqual({ '1m 19:00:00': { a: 2 } });
  });

  test('each window that holds data, however far time jumps, without asking for those that do not', async () => {
    const { feed, close, store, runtime, setNow } = scene();
    await feed(0, [0, 'a', '19:00:10']);
    setNow(at('19:00:00') + 366 * 86_400_000);
    const nextYear = { event_time: '2027-01-08T19:00:00Z', username: 'b' };
    const event = deliver(0, [1, 'b', '19:00:00'], [2, 'b', '19:00:00']) as {
      records: Record<string, Record<string, unknown>[]>;
    };
    for (const record of event.records['clicks-0'] ?? []) {
      record['value'] = Buffer.from(JSON.stringify(nextYear)).toString('base64');
      record['timestamp'] = Date.parse(nextYear.event_time);
    }
    await count(event, [minutes], runtime);
    const { store: counting, calls } = faultyStore(store, () => undefined);
    await close({ store: counting });
    expect(finals(store)).toEqual({ '1m 19:00:00': { a: 1 } });
    expect(calls.length).toBeLessThan(25);
  });

  test('with the same results whenever and however often finalize runs', async () => {
    const { feed, close, store } = scene();
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:02:30'], [2, 'c', '19:10:00']);
    await close();
    const results = store.dump('results');
    await close();
    await close();
    expect(store.dump('results')).toEqual(results);
  });

  test('in years that no longer have four digits, too', async () => {
    const of = clicks({ source: clickSource({ timestamps: 'untrusted' }) });
    const store = memoryStore();
    const { broker } = fakeBroker({ 0: { end: 1 } });
    const { runtime, push } = testRuntime({ store, broker });
    const event = deliver(0, [0, 'last', '19:00:00']) as { records: Record<string, { value: string }[]> };
    for (const record of event.records['clicks-0'] ?? []) {
      const value = { event_time: '9999-12-31T23:59:59.999Z', username: 'last' };
      record.value = Buffer.from(JSON.stringify(value)).toString('base64');
    }
    await count(event, [of], runtime);
    push(600_000);
    await finalize({}, [of], runtime);
    expect(finals(store)).toEqual({
      '1m 23:59:00': { last: 1 },
      '2m 23:58:00': { last: 1 },
      '2m 23:58:30': { last: 1 },
      '2m 23:59:00': { last: 1 },
      '2m 23:59:30': { last: 1 },
    });
    expect(store.dump('buckets')).toEqual([]);
  });

  test('nothing counted yet: nothing to do', async () => {
    const { close, store } = scene();
    await close();
    expect(store.dump('progress')).toEqual([]);
  });
});

describe('another declaration under the same revision', () => {
  test('refuses to run and names what changed; other pipelines go on', async () => {
    const { feed, store, runtime } = scene();
    const other = clicks({ name: 'other', windows: MINUTES });
    await feed(0, [0, 'a', '19:00:10'], [1, 'b', '19:10:00']);
    await count(deliver(0, [0, 'a', '19:00:10'], [1, 'b', '19:10:00']), [other], runtime);
    const changed = clicks({ windows: MINUTES, orderBy: 'total' });
    await expect(finalize({}, [changed, other], runtime)).rejects.toMatchObject({
      code: 'FINGERPRINT_DIFFERS',
      message: expect.stringContaining("orderBy: stored 'n', code 'total'"),
    });
    expect(registryOf(store)['closed']).toBeUndefined();
    expect(registryOf(store, 'other@1')['closed']).toBe(at('19:09:30'));
  });
});

describe('which pipelines', () => {
  test('are the named one, or all; another name is refused', async () => {
    const { runtime } = scene();
    await expect(finalize({ pipeline: 'nope' }, [minutes], runtime)).rejects.toMatchObject({
      code: 'BAD_EVENT',
      message: "no pipeline of this function is named 'nope'; expected one of clicks",
    });
    await finalize({ pipeline: 'clicks' }, [minutes], runtime);
    await finalize(undefined, [minutes], runtime);
  });
});

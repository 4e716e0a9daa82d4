import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { tumbling } from '../../lib/index.ts';
import { describe as describePipeline, type Pipeline } from '../../lib/pipeline.ts';
import { activate, objectionsTo, retire, storedRevision } from '../../lib/retire.ts';
import { isError } from '../../lib/runtime/error.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import { parseDelivery } from '../../lib/source/delivery.ts';
import { declarationText, restoredPipeline } from '../../lib/store/declaration.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { pipelines } from '../../lib/pipelines/index.ts';
import { fakeBroker } from '../support/fake-broker.ts';
import { busy, crash, faultyStore } from '../support/faulty-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, checkpointOf, clicks, deliver, directory, finals, registryOf } from '../support/scene.ts';

const MINUTES = { '1m': tumbling('1 minute', { emit: 'final' }) };
const first = clicks({ windows: MINUTES });
const second = clicks({ revision: 2 });

/** A store in which revision 1 has counted two partitions; partition 1 is behind. */
async function scene(of: Pipeline = first) {
  const store = memoryStore();
  const made = testRuntime({ store, now: at('19:00:00') });
  const { runtime } = made;
  const retry = { clock: runtime.clock, random: runtime.random, deadline: Number.POSITIVE_INFINITY };
  const feed = (pipeline: Pipeline, ...args: Parameters<typeof deliver>) =>
    count(deliver(...args), [pipeline], runtime);
  //  p0   19:00:10 a   19:01:10 b   19:03:50 a     watermark 19:03:20
  //  p1   19:00:20 c   19:02:00 c                  watermark 19:01:30
  await feed(of, 0, [0, 'a', '19:00:10'], [1, 'b', '19:01:10'], [2, 'a', '19:03:50']);
  await feed(of, 1, [0, 'c', '19:00:20'], [1, 'c', '19:02:00']);
  await finalize({}, [of], runtime);
  return {
    ...made,
    store,
    retry,
    feed,
    retired: async (more: Partial<Runtime> = {}) => {
      const world = { ...runtime, ...more };
      const { pipeline } = await storedRevision(of.id, world, retry);
      await retire(pipeline, world, retry);
    },
    marks: () =>
      Object.fromEntries(Object.entries(directory(store)).map(([window, item]) => [window, item['incomplete']])),
  };
}
const UNFINISHED = 'the revision was retired before the window was over';

describe('a retired revision', () => {
  test('closes and emits all it holds, without its code, and marks what was not over', async () => {
    const { store, retired, marks, metrics, feed } = await scene();
    expect(finals(store)).toEqual({ '1m 19:00:00': { a: 1, c: 1 } });
    await retired();
    expect(finals(store)).toEqual({
      '1m 19:00:00': { a: 1, c: 1 },
      '1m 19:01:00': { b: 1 },
      '1m 19:02:00': { c: 1 },
      '1m 19:03:00': { a: 1 },
    });
    expect(marks()).toEqual({
      '1m 19:00:00': undefined,
      '1m 19:01:00': UNFINISHED,
      '1m 19:02:00': UNFINISHED,
      '1m 19:03:00': UNFINISHED,
    });
    expect(registryOf(store)).toMatchObject({ state: 'retired', closed: at('19:04:00'), emitted: at('19:04:00') });
    expect(checkpointOf(store, 1)).toMatchObject({ state: 'retired', watermark: at('19:04:00') });
    expect(store.dump('buckets')).toEqual([]);

    const before = store.dump('progress');
    await feed(first, 0, [3, 'a', '19:03:55'], [4, 'a', '19:09:00']);
    expect(store.dump('progress')).toEqual(before);
    expect(metrics['retired']).toBe(2);
  });

  test('whose windows were all over is complete', async () => {
    const { feed, retired, marks, runtime } = await scene();
    await feed(first, 0, [3, 'z', '19:30:00']);
    await feed(first, 1, [2, 'z', '19:30:00']);
    await finalize({}, [first], runtime);
    await retired();
    expect(marks()).toMatchObject({ '1m 19:02:00': undefined, '1m 19:03:00': undefined, '1m 19:30:00': UNFINISHED });
  });

  test('says which records a gap of it lacks, as nobody will classify that any more', async () => {
    const { feed, retired, marks } = await scene();
    await feed(first, 1, [5, 'c', '19:02:10']);
    await retired();
    expect(marks()['1m 19:02:00']).toBe(`partition 1, offsets 2 to 4: never delivered; ${UNFINISHED}`);
    expect(marks()['1m 19:00:00']).toBeUndefined();
  });

  test('is finished by any finalize that still declares it, and by none twice', async () => {
    const { store, runtime, retired, reports } = await scene();
    const faulty = faultyStore(store, (_, method) =>
      method === 'write' ? { kind: 'after', error: crash } : undefined,
    );
    await expect(retired({ store: faulty.store })).rejects.toThrow('crashed');
    expect(registryOf(store)['state']).toBe('retired');
    expect(checkpointOf(store)['state']).toBe('active');
    await Promise.all([finalize({}, [first], runtime), finalize({}, [first], runtime)]);
    expect(checkpointOf(store)['state']).toBe('retired');
    const all = finals(store);
    expect(Object.keys(all)).toHaveLength(4);
    const said = reports.length;
    await retired();
    expect(finals(store)).toEqual(all);
    expect(reports).toHaveLength(said);
  });

  test('leaves no snapshot of an open window, whatever its trigger', async () => {
    const { store, retired, push } = await scene(clicks());
    const live = () => store.dump('results').filter((item) => item['status'] === 'open');
    expect(live().length).toBeGreaterThan(0);
    push(1);
    await retired();
    expect(live()).toEqual([]);
  });

  test('that has counted nothing has nothing to close', async () => {
    const store = memoryStore();
    const { broker } = fakeBroker({ 0: { end: 0 } });
    const { runtime } = testRuntime({ store, broker });
    const retry = { clock: runtime.clock, random: runtime.random, deadline: Number.POSITIVE_INFINITY };
    await finalize({}, [first], runtime);
    await retire(first, runtime, retry);
    expect(registryOf(store)).toMatchObject({ state: 'retired' });
    expect(checkpointOf(store)).toMatchObject({ state: 'retired' });
    expect(registryOf(store)['closed']).toBeUndefined();
  });
});

describe('a crash or a lost answer at any call to the store', () => {
  test.each([
    ['a crash before the call', 'before', crash],
    ['a crash after the call', 'after', crash],
    ['a busy store', 'before', busy],
    ['an answer that is lost', 'after', busy],
  ] as const)('%s: retired again, the results are the same', async (_, kind, error) => {
    const whole = await scene();
    await whole.retired();
    const measured = await scene();
    const counted = faultyStore(measured.store, () => undefined);
    await measured.retired({ store: counted.store });
    for (let n = 0; n < counted.calls.length; n++) {
      const made = await scene();
      const { store } = faultyStore(made.store, (call) => (call === n ? { kind, error } : undefined));
      await made.retired({ store }).catch((failure: unknown) => {
        if (!(failure instanceof Error) || failure.message !== 'crashed') throw failure;
      });
      await made.retired();
      expect([n, finals(made.store), made.marks()]).toEqual([n, finals(whole.store), whole.marks()]);
      expect(made.store.dump('buckets')).toEqual([]);
    }
  });
});

describe('meanwhile', () => {
  /** Retires revision 1; before each call to the store in turn, something else happens. */
  async function* interleaved(meanwhile: (made: Awaited<ReturnType<typeof scene>>) => Promise<unknown>) {
    for (let n = 0, isReached = true; isReached; n++) {
      const made = await scene();
      isReached = false;
      const before = async <T>(call: () => Promise<T>): Promise<T> => {
        if (left-- === 0) {
          isReached = true;
          await meanwhile(made);
        }
        return call();
      };
      let left = n;
      const { store } = made;
      await made.retired({
        store: {
          ...store,
          read: (keys) => before(() => store.read(keys)),
          query: (query) => before(() => store.query(query)),
          write: (write) => before(() => store.write(write)),
        },
      });
      yield made;
    }
  }
  const counted = (store: Awaited<ReturnType<typeof scene>>['store']): number =>
    [0, 1].reduce((sum, p) => sum + (checkpointOf(store, p)['counters'] as { counted: number }).counted, 0);
  const inResults = (store: Awaited<ReturnType<typeof scene>>['store']): number =>
    Object.values(finals(store)).reduce(
      (sum, rows) => Object.values(rows).reduce<number>((n, row) => n + Number(row), sum),
      0,
    );

  test('a delivery counts and is in the results, or is dropped', async () => {
    const outcomes = new Set<number>();
    for await (const { store } of interleaved(({ feed }) =>
      feed(first, 0, [3, 'z', '19:03:55'], [4, 'z', '19:06:00']),
    )) {
      expect(inResults(store)).toBe(counted(store));
      outcomes.add(counted(store));
    }
    expect(outcomes).toEqual(new Set([5, 7]));
  });

  test('the revision is activated again: nothing closed lies beyond a watermark, and it goes on', async () => {
    for await (const { store, runtime, retry, feed } of interleaved(async ({ runtime, retry }) =>
      activate(first, runtime, retry),
    )) {
      const closed = Number(registryOf(store)['closed']);
      expect([0, 1].every((p) => closed <= Number(checkpointOf(store, p)['watermark']))).toBe(true);
      await activate(first, runtime, retry);
      expect(registryOf(store)['finishedAt']).toBeUndefined();
      await feed(first, 0, [3, 'z', '19:06:00'], [4, 'z', '19:20:00']);
      await feed(first, 1, [2, 'z', '19:20:00']);
      await finalize({}, [first], runtime);
      expect(finals(store)).toMatchObject({
        '1m 19:01:00': { b: 1 },
        '1m 19:03:00': { a: 1 },
        '1m 19:06:00': { z: 1 },
      });
    }
  });
});

describe('going back', () => {
  test('goes on where it stopped; what it did not see is a gap, and what is final stays', async () => {
    const { store, retired, feed, runtime, retry } = await scene();
    await retired();
    const final = finals(store);
    await feed(first, 0, [3, 'lost', '19:04:10']); // dropped: revision 2 counts it
    await activate(first, runtime, retry);
    expect(registryOf(store)['state']).toBe('active');
    expect(checkpointOf(store, 0)).toMatchObject({ state: 'active', next: 3, watermark: at('19:04:00') });
    //              late for its window, which is final     counts
    await feed(first, 0, [4, 'late', '19:03:59'], [5, 'd', '19:04:30']);
    expect(checkpointOf(store, 0)).toMatchObject({
      gaps: [{ from: 3, to: 4, kind: 'unclassified', watermark: at('19:04:00') }],
      counters: { late: 1, counted: 4 },
    });
    const [batch] = parseDelivery(deliver(0, [3, 'lost', '19:04:10']));
    const { broker } = fakeBroker({ 0: { end: 7, records: batch?.records ?? [] }, 1: { end: 3 } });
    await feed(first, 0, [6, 'd', '19:06:00']);
    await feed(first, 1, [2, 'e', '19:06:00']);
    await finalize({}, [first], { ...runtime, broker });
    expect(finals(store)).toEqual({ ...final, '1m 19:04:00': { d: 1 } });
    expect(directory(store)['1m 19:04:00']?.['incomplete']).toBe('partition 0, offsets 3 to 3: discarded');
  });

  test('leaves a partition stopped that was', async () => {
    const { store, feed, retired, runtime, retry } = await scene();
    await feed(first, 0, [1, 'foreign', '19:50:00']).catch(() => undefined);
    expect(checkpointOf(store)['state']).toBe('stopped');
    await retired();
    expect(checkpointOf(store)['state']).toBe('retired');
    await activate(first, runtime, retry);
    expect(checkpointOf(store)['state']).toBe('stopped');
    expect(checkpointOf(store, 1)['state']).toBe('active');
  });

  test('after a crash at any call is completed by doing it again', async () => {
    for (let n = 0; n < 5; n++) {
      const { store, retired, runtime, retry } = await scene();
      await retired();
      const faulty = faultyStore(store, (call) => (call === n ? { kind: 'after', error: crash } : undefined));
      await activate(first, { ...runtime, store: faulty.store }, retry).catch(() => undefined);
      await activate(first, runtime, retry);
      expect(registryOf(store)['state']).toBe('active');
      expect([0, 1].map((partition) => checkpointOf(store, partition)['state'])).toEqual(['active', 'active']);
    }
  });
});

describe('a revision is not retired', () => {
  const objections = async (declared: Pipeline | undefined, counted?: [Pipeline, number][]) => {
    const { runtime, retry, feed } = await scene();
    for (const [pipeline, partition] of counted ?? []) await feed(pipeline, partition, [9, 'a', '19:09:00']);
    return await objectionsTo(await storedRevision('clicks@1', runtime, retry), declared, runtime, retry);
  };

  test('before a later one has joined every partition', async () => {
    expect(await objections(second)).toEqual(['clicks@2 has not counted anything yet']);
    expect(await objections(second, [[second, 0]])).toEqual(['clicks@2 has not joined partition 1 of clicks yet']);
    const both: [Pipeline, number][] = [
      [second, 0],
      [second, 1],
    ];
    expect(await objections(second, both)).toEqual([]);
  });

  test('when nothing would go on counting', async () => {
    expect(await objections(undefined)).toEqual(['the code declares no pipeline clicks: nothing goes on counting']);
    expect(await objections(first)).toEqual(['clicks@1 is what the code declares: its batches would be dropped']);
  });

  test('that nobody knows', async () => {
    const { runtime, retry } = await scene();
    const unknown = await storedRevision('clicks@7', runtime, retry).catch((error: unknown) => error);
    expect(isError(unknown, 'BAD_ARGUMENTS')).toBe(true);
  });
});

test.each([...pipelines, first, second])('$id is restored from what is stored of it', (pipeline) => {
  const restored = restoredPipeline(declarationText(pipeline));
  expect(describePipeline(restored)).toEqual(describePipeline(pipeline));
  expect(declarationText(restored)).toBe(declarationText(pipeline));
  expect(restored.geometry).toEqual(pipeline.geometry);
});

import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import {
  count as countAll,
  max,
  pipeline,
  sliding,
  sum,
  tumbling,
  type Duration,
  type Pipeline,
  type WindowKind,
} from '../../lib/index.ts';
import { isError } from '../../lib/runtime/error.ts';
import type { SourceOf } from '../../lib/source/source.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, checkpointOf, clickSource, deliver, directory, finals, registryOf, type Click } from '../support/scene.ts';

interface Changes {
  readonly revision?: number;
  readonly source?: SourceOf<Click>;
  readonly watermark?: Duration;
  readonly windows?: Readonly<Record<string, WindowKind>>;
  readonly retain?: Duration;
  readonly idleAfter?: Duration;
  readonly orderBy?: 'n' | 'total';
}

/** The declaration of before, with a change. */
const clicks = (changes: Changes = {}): Pipeline =>
  pipeline({
    name: 'clicks',
    revision: 1,
    source: clickSource().filter('named', ({ username }) => username !== 'nobody'),
    watermark: '30 seconds',
    groupBy: ['username'],
    windows: {
      '1m': tumbling('1 minute', { emit: 'final' }),
      '2m': sliding('2 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 10 }),
    },
    aggregate: { n: countAll(), total: sum('amount', { scale: 2 }) },
    orderBy: 'n',
    retain: '7 days',
    ...changes,
  });
const before = clicks();
const windows = {
  '1m': tumbling('1 minute', { emit: 'final' }),
  '2m': sliding('2 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 10 }),
};

/** A store in which the declaration of before has counted; windows up to 19:01:00 are final. */
async function scene() {
  const store = memoryStore();
  const made = testRuntime({ store, now: at('19:02:00') });
  await count(deliver(0, [0, 'a', '19:00:10', 5], [1, 'b', '19:01:30', 7]), [before], made.runtime);
  await finalize({}, [before], made.runtime);
  return { ...made, store };
}

describe('settings change freely: the same state goes on', () => {
  test.each<[string, Changes]>([
    ['a longer delay', { watermark: '2 minutes' }],
    ['a shorter delay', { watermark: '10 seconds' }],
    ['retain', { retain: '30 days' }],
    ['idleAfter', { idleAfter: '5 minutes' }],
    [
      'a trigger',
      {
        windows: {
          ...windows,
          '2m': sliding('2 minutes', { every: '30 seconds', emit: 'update', trigger: '10 seconds', top: 10 }),
        },
      },
    ],
    [
      'where a new partition starts',
      { source: clickSource({ startAt: 'latest', maxBatch: 7 }).filter('named', () => true) },
    ],
  ])('%s', async (_, changes) => {
    const { store, runtime } = await scene();
    const after = clicks(changes);
    expect(after.fingerprint).toBe(before.fingerprint);
    const watermark = checkpointOf(store)['watermark'] as number;
    await count(deliver(0, [2, 'b', '19:01:35', 1]), [after], runtime);
    expect(checkpointOf(store)).toMatchObject({ next: 3, counters: { counted: 3 } });
    expect(checkpointOf(store)['watermark']).toBeGreaterThanOrEqual(watermark);
    await count(deliver(0, [3, 'c', '19:20:00']), [after], runtime);
    await finalize({}, [after], runtime);
    expect(finals(store)).toMatchObject({ '1m 19:00:00': { a: 1 }, '1m 19:01:00': { b: 2 } });
  });

  test('retain is of what is written from then on', async () => {
    const { store, runtime } = await scene();
    const after = clicks({ retain: '30 days' });
    await count(deliver(0, [2, 'c', '19:03:30']), [after], runtime);
    await finalize({}, [after], runtime);
    const days = (window: string) =>
      (Number(directory(store)[window]?.['expires_at']) - at('19:02:00') / 1000) / 86_400;
    expect([days('1m 19:00:00'), days('1m 19:01:00')]).toEqual([7, 30]);
  });

  test('a longer delay in mid-run lowers no watermark: verdicts, results and what is closed stay', async () => {
    //  delay 30 s   a 19:00:10   b 19:01:30   watermark 19:01:00, closed 19:01:00
    //  delay 10 min c 19:05:00                watermark stays 19:01:00 until 19:11:00
    const { store, runtime } = await scene();
    const after = clicks({ watermark: '10 minutes' });
    const seen: unknown[] = [];
    for (const [offset, time] of [
      [2, '19:05:00'],
      [3, '19:00:40'],
      [4, '19:10:59'],
      [5, '19:11:30'],
    ] as const) {
      await count(deliver(0, [offset, 'c', time]), [after], runtime);
      await finalize({}, [after], runtime);
      seen.push(
        [checkpointOf(store)['watermark'], registryOf(store)['closed']].map((ms) =>
          new Date(Number(ms)).toISOString().slice(14, 19),
        ),
      );
    }
    expect(seen).toEqual([
      ['01:00', '01:00'],
      ['01:00', '01:00'],
      ['01:00', '01:00'],
      ['01:30', '01:30'],
    ]);
    expect(finals(store)['1m 19:00:00']).toEqual({ a: 1 });
    // 19:00:40 has missed its minute and the two minutes that end by 19:01:00, and counts in those that end later
    expect(checkpointOf(store)['counters']).toMatchObject({ counted: 6, late: 0, pairsMissed: 2 });
  });

  test('a shorter delay moves the watermark with the next event', async () => {
    const { store, runtime } = await scene();
    await count(deliver(0, [2, 'c', '19:01:31']), [clicks({ watermark: '1 second' })], runtime);
    expect(checkpointOf(store)['watermark']).toBe(at('19:01:30'));
  });
});

describe('a change of what stored state means is refused under the same revision', () => {
  const grouped = pipeline({
    name: 'clicks',
    revision: 1,
    source: clickSource()
      .filter('named', ({ username }) => username !== 'nobody')
      .enrich('kind of user', () => ({ kind: 'human' })),
    watermark: '30 seconds',
    groupBy: ['kind'],
    windows,
    aggregate: { n: countAll(), most: max('amount', { scale: 2 }) },
    orderBy: 'n',
    retain: '7 days',
  });
  const cases: [string, Pipeline, string[]][] = [
    [
      'grouping, aggregates and steps at once',
      grouped,
      [
        "steps: stored 'filter named', code 'filter named, enrich kind of user'",
        "groupBy: stored 'username', code 'kind'",
        'aggregate total: stored \'{"scale":2,"kind":"sum","field":"amount"}\', code \'nothing\'',
        "columns: stored 'n, total', code 'n, most'",
        'aggregate most: stored \'nothing\', code \'{"scale":2,"kind":"max","field":"amount"}\'',
      ],
    ],
    [
      'geometry',
      clicks({ windows: { ...windows, '1m': tumbling('5 minutes', { emit: 'final' }) } }),
      [
        "window 1m: stored 'tumbling 60000 ms every 60000 ms offset 0 ms, final, all rows', code 'tumbling 300000 ms every 300000 ms offset 0 ms, final, all rows'",
      ],
    ],
    [
      'top',
      clicks({
        windows: {
          ...windows,
          '2m': sliding('2 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 99 }),
        },
      }),
      [
        "window 2m: stored 'sliding 120000 ms every 30000 ms offset 0 ms, update, top 10', code 'sliding 120000 ms every 30000 ms offset 0 ms, update, top 99'",
      ],
    ],
    ['order', clicks({ orderBy: 'total' }), ["orderBy: stored 'n', code 'total'"]],
    [
      'a step',
      clicks({ source: clickSource().filter('humans', () => true) }),
      ["steps: stored 'filter named', code 'filter humans'"],
    ],
  ];

  test.each(cases)('%s: with the list, and nothing is stored', async (_, after, changed) => {
    const { store, runtime } = await scene();
    const stored = store.dump('progress');
    for (const attempt of [count(deliver(0, [2, 'b', '19:09:00']), [after], runtime), finalize({}, [after], runtime)]) {
      const error: unknown = await attempt.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (!isError(error, 'FINGERPRINT_DIFFERS')) throw error;
      expect([...(error.details['changed'] as string[])].sort()).toEqual(changed.toSorted());
      expect(error.message).toContain("raise 'revision' to 2");
    }
    expect(store.dump('progress')).toEqual(stored);
  });

  test.each(cases)('%s: as a new revision it begins beside the old state', async (_, after) => {
    const { store, runtime } = await scene();
    const old = checkpointOf(store);
    const results = finals(store);
    // a declaration that differs from `after` in its revision alone
    const next: Pipeline = { ...after, revision: 2, id: 'clicks@2' };
    await count(deliver(0, [2, 'b', '19:09:00', 1], [3, 'b', '19:30:00', 1]), [next], runtime);
    await finalize({}, [next], runtime);
    expect(checkpointOf(store)).toEqual(old);
    expect(checkpointOf(store, 0, 'clicks@2')).toMatchObject({ from: 2, next: 4, counters: { counted: 2 } });
    expect(finals(store)).toMatchObject(results);
    await count(deliver(0, [2, 'b', '19:01:40']), [before], runtime);
    expect(checkpointOf(store)).toMatchObject({ next: 3 });
  });

  test('the first windows of a new revision, begun in the middle of the log, are marked', async () => {
    const { store, runtime } = await scene();
    const next = clicks({ revision: 2, windows: { '1m': tumbling('1 minute', { emit: 'final' }) } });
    const broker = {
      offsets: async () => new Map([[0, { start: 0, end: 5, committed: 2 }]]),
      read: async () => ({ records: [], reached: 0 }),
    };
    await count(deliver(0, [2, 'b', '19:01:40'], [3, 'b', '19:06:45'], [4, 'c', '19:30:00']), [next], runtime);
    await finalize({}, [next], { ...runtime, broker });
    // the first record was written at 19:01:40, and events may be 5 minutes ahead of that
    const marks = store
      .dump('results')
      .filter((item) => item['row_count'] !== undefined && item['window_id'] === 'clicks@2/1m')
      .map((item) => [String(item['window_start']).slice(11, 19), item['incomplete']]);
    expect(marks).toEqual([
      ['19:01:00', 'the window began before counting did'],
      ['19:06:00', 'the window began before counting did'],
    ]);
  });
});

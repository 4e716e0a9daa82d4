import { describe as group, expect, test } from 'vitest';
import { z } from 'zod';
import {
  avg,
  count,
  describe,
  kafka,
  pipeline,
  sliding,
  sum,
  tumbling,
  unixMillis,
  type Pipeline,
} from '../../lib/index.ts';
import { differences } from '../../lib/pipeline.ts';

const Sale = z.object({ store: z.string(), item: z.string(), price: z.number(), at: z.string(), ts: z.number() });
const base = () => ({
  name: 'sales',
  revision: 1,
  source: kafka({ topic: 'sales', startAt: 'earliest', value: Sale, eventTime: 'at' }),
  watermark: '30 seconds' as const,
  groupBy: ['store'] as const,
  windows: { '30s': tumbling('30 seconds', { emit: 'update', trigger: '10 seconds' }) },
  aggregate: { n: count(), revenue: sum('price', { scale: 2 }) },
  orderBy: 'revenue' as const,
  retain: '7 days' as const,
});
const sales = pipeline(base());

group('a description', () => {
  test('is JSON', () => {
    const described = describe(sales);
    expect(JSON.parse(JSON.stringify(described))).toEqual(described);
    expect(described).toMatchObject({
      name: 'sales',
      revision: 1,
      fingerprint: sales.fingerprint,
      shape: {
        topic: 'sales',
        format: 'json',
        eventTime: '{"kind":"iso","field":"at"}',
        steps: '',
        groupBy: 'store',
        'window 30s': 'tumbling 30000 ms every 30000 ms offset 0 ms, update, all rows',
        'aggregate n': '{"kind":"count"}',
        'aggregate revenue': '{"scale":2,"kind":"sum","field":"price"}',
        columns: 'n, revenue',
        orderBy: 'revenue',
        storedFormat: '1',
      },
      settings: {
        startAt: 'earliest',
        maxBatch: 1000,
        timestamps: 'trusted',
        wallClockGuard: false,
        delayMs: 30_000,
        retainMs: 604_800_000,
        idleAfterMs: 60_000,
        maxFutureMs: 300_000,
        'trigger of 30s, ms': 10_000,
      },
    });
  });

  test('is the same whenever it is asked, and for the same declaration', () => {
    expect(describe(pipeline(base()))).toEqual(describe(sales));
    expect(sales.fingerprint).toMatch(/^[0-9a-f]{12}$/);
  });
});

group('the fingerprint', () => {
  const source = base().source;
  const keep = () => true;
  test.each<[string, Pipeline]>([
    [
      'the topic',
      pipeline({ ...base(), source: kafka({ topic: 'other', startAt: 'earliest', value: Sale, eventTime: 'at' }) }),
    ],
    [
      'the format',
      pipeline({
        ...base(),
        source: kafka({ topic: 'sales', startAt: 'earliest', format: 'text', value: Sale, eventTime: 'at' }),
      }),
    ],
    [
      'the event time',
      pipeline({
        ...base(),
        source: kafka({ topic: 'sales', startAt: 'earliest', value: Sale, eventTime: unixMillis('ts') }),
      }),
    ],
    ['a step', pipeline({ ...base(), source: source.filter('open', keep) })],
    ["a step's name", pipeline({ ...base(), source: source.filter('closed', keep) })],
    ['the order of steps', pipeline({ ...base(), source: source.filter('closed', keep).filter('open', keep) })],
    ['the other order of steps', pipeline({ ...base(), source: source.filter('open', keep).filter('closed', keep) })],
    ['the grouping', pipeline({ ...base(), groupBy: ['item'] })],
    ['a second group', pipeline({ ...base(), groupBy: ['store', 'item'] })],
    ['the order of groups', pipeline({ ...base(), groupBy: ['item', 'store'] })],
    [
      "a window's size",
      pipeline({ ...base(), windows: { '30s': tumbling('1 minute', { emit: 'update', trigger: '10 seconds' }) } }),
    ],
    [
      "a window's step",
      pipeline({
        ...base(),
        windows: { '30s': sliding('30 seconds', { every: '10 seconds', emit: 'update', trigger: '10 seconds' }) },
      }),
    ],
    [
      "a window's offset",
      pipeline({
        ...base(),
        windows: { '30s': tumbling('30 seconds', { emit: 'update', trigger: '10 seconds', offset: '5 seconds' }) },
      }),
    ],
    [
      "a window's name",
      pipeline({ ...base(), windows: { half: tumbling('30 seconds', { emit: 'update', trigger: '10 seconds' }) } }),
    ],
    [
      'top',
      pipeline({
        ...base(),
        windows: { '30s': tumbling('30 seconds', { emit: 'update', trigger: '10 seconds', top: 5 }) },
      }),
    ],
    ['an aggregate', pipeline({ ...base(), aggregate: { n: count(), revenue: avg('price', { scale: 2 }) } })],
    ["an aggregate's scale", pipeline({ ...base(), aggregate: { n: count(), revenue: sum('price', { scale: 3 }) } })],
    [
      "an aggregate's rounding",
      pipeline({ ...base(), aggregate: { n: count(), revenue: sum('price', { scale: 2, round: 'half-up' }) } }),
    ],
    [
      'the order of aggregates, as stored states are in it',
      pipeline({ ...base(), aggregate: { revenue: sum('price', { scale: 2 }), n: count() } }),
    ],
    ['the order', pipeline({ ...base(), orderBy: 'n' })],
  ])('changes with %s, and what changed can be told', (_, changed) => {
    expect(changed.fingerprint).not.toBe(sales.fingerprint);
    expect(differences(describe(sales).shape, describe(changed).shape)).not.toEqual([]);
  });

  test.each<[string, Pipeline]>([
    ['the delay', pipeline({ ...base(), watermark: '1 hour' })],
    ['retain', pipeline({ ...base(), retain: '1 day' })],
    [
      'the trigger',
      pipeline({ ...base(), windows: { '30s': tumbling('30 seconds', { emit: 'update', trigger: '1 minute' }) } }),
    ],
    ['idleAfter and maxFuture', pipeline({ ...base(), idleAfter: '5 minutes', maxFuture: '1 hour' })],
    [
      'where it starts and how much it reads',
      pipeline({
        ...base(),
        source: kafka({ topic: 'sales', startAt: 'latest', maxBatch: 1, value: Sale, eventTime: 'at' }),
      }),
    ],
    ['the revision', pipeline({ ...base(), revision: 2 })],
    ["a step's code", pipeline({ ...base(), source: source })],
  ])('does not change with %s', (_, same) => {
    expect(same.fingerprint).toBe(sales.fingerprint);
  });

  test('does not change with the order of windows, which means nothing', () => {
    const a = tumbling('30 seconds', { emit: 'final' });
    const b = tumbling('1 minute', { emit: 'final' });
    const fingerprints = [
      { a, b },
      { b, a },
    ].map((windows) => pipeline({ ...base(), windows }).fingerprint);
    expect(fingerprints[0]).toBe(fingerprints[1]);
  });

  test('says what differs, stored and in code', () => {
    const stored = describe(sales).shape;
    const changed = describe(pipeline({ ...base(), groupBy: ['item'], orderBy: 'n' })).shape;
    expect(differences(stored, changed)).toEqual([
      "groupBy: stored 'store', code 'item'",
      "orderBy: stored 'revenue', code 'n'",
    ]);
  });
});

group('a declaration that makes no sense', () => {
  test('is told every problem at once, with what was found and what is allowed', () => {
    const nonsense = () =>
      pipeline({
        ...base(),
        name: 'Sales!',
        revision: 0,
        source: kafka({
          topic: 'no topic',
          startAt: 'earliest',
          maxBatch: 0,
          value: Sale,
          eventTime: 'at',
          wallClockGuard: true,
        })
          .filter('twice', () => true)
          .filter('twice', () => true),
        watermark: 'soon' as '1 minute',
        windows: {
          'A b': tumbling('0 seconds', { emit: 'final' }),
          gappy: sliding('1 minute', { every: '2 minutes', emit: 'final', top: 0 }),
          many: sliding('366 days', { every: '1 second', emit: 'final' }),
          long: tumbling('367 days', { emit: 'update', trigger: 'never' as '1 minute' }),
        },
        aggregate: { n: count(), revenue: sum('price', { scale: 99 }) },
        orderBy: 'x' as 'n',
        retain: '1 second',
        idleAfter: '10 milliseconds',
      });
    expect(nonsense).toThrow(
      expect.objectContaining({
        code: 'BAD_DECLARATION',
        details: {
          problems: [
            expect.stringMatching(/^name is 'Sales!'; expected lower-case/),
            'revision is 0; expected a whole number from 1',
            expect.stringMatching(/^topic is 'no topic'; expected/),
            'maxBatch is 0; Lambda delivers 1 to 10,000 records',
            expect.stringMatching(/^wallClockGuard is for timestamps: 'untrusted'/),
            'steps are named twice, twice; every step needs its own name',
            expect.stringMatching(/^watermark is 'soon'; expected a duration/),
            expect.stringMatching(/^retain is '1 second'; expected .* at least 60000 ms/),
            expect.stringMatching(/^idleAfter is '10 milliseconds'/),
            expect.stringMatching(/^window 'A b': expected a short name/),
            expect.stringMatching(/^window 'A b': tumbling: size is '0 seconds'/),
            expect.stringMatching(/^window 'A b': tumbling: every is '0 seconds'/),
            expect.stringMatching(
              /^window 'gappy': sliding: every \(2 minutes\) is longer than the window \(1 minute\); events would fall between windows/,
            ),
            expect.stringMatching(/^window 'gappy': sliding: top is 0/),
            expect.stringMatching(/^window 'many': .* more than 10000 windows/),
            expect.stringMatching(/^window 'long': tumbling: size is '367 days'; the longest window is 366 days/),
            expect.stringMatching(/^window 'long': tumbling: trigger is 'never'/),
            expect.stringMatching(/^aggregate revenue: scale is a whole number/),
            "orderBy is 'x'; expected one of n, revenue",
          ],
        },
      }),
    );
  });

  test('names nothing twice, and nothing as we do', () => {
    const twice = () => pipeline({ ...base(), groupBy: ['store', 'store'] });
    expect(twice).toThrow(/groupBy and aggregate name a column twice: store, store, n, revenue/);
    const ours = { n: count(), status: count() } as unknown as { n: ReturnType<typeof count> };
    expect(() => pipeline({ ...base(), aggregate: ours, orderBy: 'n' })).toThrow(/column 'status' is a name of ours/);
  });

  test('has no windows, groups or aggregates', () => {
    const nothing = () =>
      pipeline({ ...base(), windows: {}, groupBy: [] as unknown as ['store'], aggregate: {}, orderBy: 'n' as never });
    expect(nothing).toThrow(/windows is empty[^]*aggregate is empty[^]*groupBy is empty[^]*orderBy is 'n'/);
  });
});

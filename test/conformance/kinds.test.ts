import { describe, expect, test } from 'vitest';
import { runVector } from './run.ts';
import { byRecord, resultOf, row, tumbling, vectorOf } from './small.ts';

/** Kinds, operations and expectations that the built-in vectors lack. */

describe('traces', () => {
  const trace = (more: object, ...steps: object[]) => ({ kind: 'trace', spec: { ...byRecord, ...more }, steps });
  test('before the epoch, null keys, an event without time', async () =>
    expect(
      await resultOf(
        trace(
          {},
          {
            op: 'events',
            events: [
              { t: -11, k: null },
              { t: -3, k: 'a' },
              { t: null, k: 'a' },
              { t: -1, k: null },
            ],
            expect: { dropped_no_time: 1 },
          },
          {
            op: 'event',
            t: 0,
            k: 'a',
            expect: { emit: [row(-10, 1, { k: 'a' }), row(-10, 1, { k: null })], watermark_after: 0 },
          },
          { op: 'end', expect: { emit_final: [row(-20, 1), row(-10, 1), row(-10, 1, { k: 'a' })] } },
        ),
      ),
    ).toBe('passed'));
  test('keys of any type stay apart', async () =>
    expect(
      await resultOf(
        trace(
          {},
          {
            op: 'events',
            events: [
              { t: 1, k: 3 },
              { t: 2, k: '3' },
              { t: 3, k: true },
              { t: 11, k: 3 },
            ],
          },
          { op: 'end', expect: { emit_final: [row(0, 1, { k: 3 }), row(0, 1, { k: '3' }), row(0, 1, { k: true })] } },
        ),
      ),
    ).toBe('passed'));
  test('several partitions: nothing closes before all have got there', async () =>
    expect(
      await resultOf(
        trace(
          { watermark: { policy: 'record_max', delay: 0, partitions: 2 } },
          { op: 'event', p: 0, t: 25, expect: { emit: [] } },
          { op: 'event', p: 1, t: 3, expect: { emit: [] } },
          { op: 'event', p: 1, t: 12, expect: { emit: [row(0, 1)] } },
          { op: 'event', p: 0, t: 14, expect: { emit: [], dropped_late: 1 } },
        ),
      ),
    ).toBe('passed'));
  test('a batch that its own watermark would judge otherwise, record by record', async () =>
    expect(
      await resultOf(
        trace(
          { mode: 'append', watermark: { policy: 'batch_max', delay: 0 } },
          {
            op: 'batch',
            events: [{ t: 25 }, { t: 3 }],
            expect: { emit: [row(0, 1)], dropped_late: 0, watermark_after: 25 },
          },
          { op: 'batch', events: [{ t: 4 }], expect: { emit: [], dropped_late: 1 } },
        ),
      ),
    ).toBe('passed'));
  test('without a zero-row batch, windows leave with the next one', async () =>
    expect(
      await resultOf(
        trace(
          { mode: 'append', no_data_batches: false, watermark: { policy: 'batch_max', delay: 0 } },
          { op: 'batch', events: [{ t: 3 }, { t: 25 }], expect: { emit: [] } },
          { op: 'batch', events: [{ t: 26 }], expect: { emit: [row(0, 1)] } },
        ),
      ),
    ).toBe('passed'));
  test('half a batch, then again', async () =>
    expect(
      await resultOf(
        trace(
          {},
          { op: 'batch_fail', events: [{ t: 1 }, { t: 2 }], fails_at_event_index: 1 },
          { op: 'redeliver', events: [{ t: 1 }, { t: 2 }] },
          { op: 'event', t: 10, expect: { emit: [row(0, 2)] } },
        ),
      ),
    ).toBe('passed'));
  test('the last delivery again changes nothing', async () =>
    expect(
      await resultOf(
        trace(
          { mode: 'update' },
          { op: 'batch', events: [{ t: 1 }], expect: { emit: [row(0, 1)] } },
          { op: 'crash', lost: 'everything but the store' },
          { op: 'replay_last', expect: { emit: [row(0, 1)] } },
          { op: 'batch', events: [{ t: 2 }], expect: { emit: [row(0, 2)] } },
        ),
      ),
    ).toBe('passed'));
  test('state from before, and a longer delay from then on', async () =>
    expect(
      await resultOf(
        trace(
          {},
          { op: 'preload', batches: [[{ t: 1 }]], watermark: 5 },
          { op: 'restart', new_config: { delay: 10 } },
          { op: 'event', t: 12, expect: { emit: [], watermark_after: 5 } },
          { op: 'event', t: 20, expect: { emit: [row(0, 1)] } },
        ),
      ),
    ).toBe('passed'));
  test('running totals, exact', async () =>
    expect(
      await resultOf({
        kind: 'trace',
        spec: { window: { type: 'none' }, aggs: ['count', 'sum(v)'], mode: 'update' },
        steps: [
          {
            op: 'batch',
            events: [
              { t: 0, k: 'a', v: '0.1' },
              { t: 0, k: 'b', v: '2' },
            ],
            expect: {
              emit: [
                { k: 'a', count: 1, sum: '0.10' },
                { k: 'b', count: 1, sum: 2 },
              ],
            },
          },
          { op: 'restart' },
          { op: 'batch', events: [{ t: 0, k: 'a', v: '0.2' }], expect: { emit: [{ k: 'a', count: 2, sum: '0.3' }] } },
        ],
      }),
    ).toBe('passed'));
  test('out of scope, from the specification', async () => {
    expect(await resultOf(trace({ window: { type: 'session', gap: 5 } }))).toMatch(/not applicable: .*session/);
    expect(await resultOf(trace({ window: { type: 'hopping', size: 5, slide: 10 } }))).toMatch(
      /not applicable: .*step longer/,
    );
    expect(await resultOf(trace({ aggs: ['argmax(price)'] }))).toMatch(/not applicable: .*argmax/);
    expect(await resultOf(trace({ aggs: ['max(v)'] }, { op: 'event', t: 1, v: 'x' }))).toMatch(
      /not applicable: .*decimals/,
    );
    expect(await resultOf(trace({ allowed_lateness: 5 }))).toMatch(/not applicable: .*allowed lateness/);
    expect(await resultOf(trace({}, { op: 'restart', new_config: { window: 1 } }))).toMatch(
      /not applicable: .*revision/,
    );
  });
});

describe('other kinds', () => {
  test('batch_agg over the first and last years there are', async () => {
    const [first, last] = [-62_135_596_800_000, 253_402_300_799_999];
    const rows = [row(first - 5, 1), row(5, 1), row(last - 4, 1)];
    const spec = { window: { ...tumbling, offset: 5 }, aggs: ['count'] };
    const events = [{ t: last }, { t: first }, { t: 5 }];
    expect(await resultOf({ kind: 'batch_agg', spec, events, rows })).toBe('passed');
  });
  test('batch_agg: queries, a generator, another vector', async () => {
    const generator = { n: 4, t: 'a + 5*i', v: '(i + 1) % 2', a: 0 };
    const rows = [row(0, 2, { sum: 1 }), row(10, 2, { sum: 1 })];
    const first = {
      kind: 'batch_agg',
      spec: { window: tumbling, aggs: ['count', 'sum(v)'], key: [] },
      events_generator: generator,
      rows,
    };
    expect(await resultOf(first)).toBe('passed');
    expect(
      await resultOf({
        ...first,
        rows: undefined,
        queries: [
          { window: tumbling, rows },
          { window: { type: 'tumbling', size: 20 }, rows: [{ w: [0, 20], count: 4, sum: 2 }] },
        ],
      }),
    ).toBe('passed');
    const { events_generator: _, ...rest } = first;
    const referring = vectorOf({ ...rest, events_ref: 'G' });
    expect(await runVector(referring, [{ ...vectorOf(first), id: 'G' }, referring])).toMatchObject({
      result: 'passed',
    });
  });
  test('assign_members', async () => {
    const group = {
      window: { type: 'hopping', size: 10, slide: 5 },
      members: [
        { w: [0, 10], ts: [5] },
        { w: [5, 15], ts: [5] },
      ],
    };
    expect(await resultOf({ kind: 'assign_members', groups: [group] })).toBe('passed');
    expect(await resultOf({ kind: 'assign_members', groups: [{ ...group, members: group.members.slice(1) }] })).toMatch(
      'group 1',
    );
  });
  test('algebra', async () => {
    const a = '{ "max": 100, "min": 10, "avg": 20, "count": 5 }';
    const cases = (text: string) => ({ kind: 'algebra', cases: JSON.parse(text) as unknown });
    const added = cases(`[{ "a": ${a}, "add": 80, "then": { "max": 100, "min": 10, "avg": 30, "count": 6 } }]`);
    expect(await resultOf(added)).toBe('passed');
    const merged =
      '"merge": { "max": 80, "min": 5, "avg": 15.5, "count": 5 }, "then": { "max": 100, "min": 5, "avg": 17.75 }';
    expect(await resultOf(cases(`[{ "a": ${a}, ${merged} }]`))).toBe('passed');
    expect(await resultOf(cases(`[{ "a": ${a}, "add": 80, "then": { "max": 80 } }]`))).toMatch('case 1: max');
  });
  test('parse', async () => {
    expect(
      await resultOf({
        kind: 'parse',
        cases: [
          { in: '30 seconds', ms: 30_000 },
          { in: '1970-01-01T00:00:01+01:00', ms: -3_599_000 },
          { in: 1.5, ms: 1500 },
          { in: '-1 second', error: true },
          { in: '1 month', ms: 1 },
        ],
      }),
    ).toBe('passed');
    expect(await resultOf({ kind: 'parse', cases: [{ in: '30 seconds', ms: 30 }] })).toMatch('30000');
    expect(await resultOf({ kind: 'parse', cases: [{ in: '1 month', ms: 1 }] })).toMatch(
      /not applicable: .*whole number/,
    );
  });
  test('idle_timer', async () => {
    const one = { timeout: 10, probe_at: 11, idle: true, activity_at: 12, probe_after: 15, idle_after: false };
    expect(await resultOf({ kind: 'idle_timer', cases: [one, { timeout: 0, error: true }] })).toBe('passed');
    expect(await resultOf({ kind: 'idle_timer', cases: [{ ...one, idle_after: true }] })).toMatch('idle_after');
  });
  test('a future guard', async () =>
    expect(
      await resultOf({
        kind: 'differential',
        spec: { window: tumbling, aggs: ['count'], watermark: { delay: 0, max_future_skew: 5 } },
        arrivals: [{ t: 1 }, { t: 1000 }, { t: 2 }, { t: 11 }],
        now: 20,
        expect: {
          with_guard: { kept: 3, dropped_late: 0, emit: [row(0, 2)] },
          without_guard: { dropped_late: 2, emit: [row(0, 1)] },
        },
      }),
    ).toBe('passed'));
  test('deliveries that die in their commit', async () =>
    expect(
      await resultOf({
        kind: 'property',
        spec: byRecord,
        log: [
          { p: 0, o: 0, t: 1 },
          { p: 0, o: 1, t: 2 },
          { p: 0, o: 2, t: 11 },
        ],
        deliveries: [{ range: [0, 1], crash_after_state_items: 1 }, [0, 2]],
        expect: { final_state_or_emitted: [row(0, 2), row(10, 1)], dropped_late: 0, each_final_row_emitted_times: 1 },
      }),
    ).toBe('passed'));
  test('reject', async () => {
    expect(
      await resultOf({
        kind: 'reject',
        cases: [
          { window: { type: 'hopping', size: 5, slide: 10 }, error: true },
          { spec: { window: tumbling, aggs: ['count'], mode: 'append' }, error: true },
        ],
      }),
    ).toBe('passed');
    expect(await resultOf({ kind: 'reject', cases: [{ in: '10 seconds', error: true }] })).toMatch('accepted');
    expect(await resultOf({ kind: 'reject', cases: [{ window: { type: 'session', gap: -1 }, error: true }] })).toMatch(
      /not applicable: .*session/,
    );
  });
});

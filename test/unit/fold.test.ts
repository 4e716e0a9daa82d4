import { describe, expect, test } from 'vitest';
import { fold } from '../../lib/fold.ts';
import { decode } from '../../lib/source/decode.ts';
import { parseDelivery } from '../../lib/source/delivery.ts';
import { ALL } from '../../lib/store/segment.ts';
import { NEVER, newCheckpoint, type Checkpoint } from '../../lib/store/progress.ts';
import { delivery } from '../support/records.ts';
import { TOPIC, at, clickSource, clicks, isoOf, written } from '../support/scene.ts';

const NOW = at('20:00:00');
const fresh = (of = clicks()): Checkpoint => newCheckpoint(of, 0, 'life', NEVER, at('18:00:00'));

function folded(records: ReturnType<typeof written>, from: Partial<Checkpoint> = {}, of = clicks()) {
  const [batch] = parseDelivery(delivery(TOPIC, { 0: records }));
  const decoded = (batch?.records ?? []).map((record) => decode(of, record, NOW));
  return fold(of, { ...fresh(of), ...from }, decoded, NOW);
}
const segmentsOf = ({ draft }: ReturnType<typeof folded>) =>
  [...draft.segments.values()].map(({ slice, visibleFrom, partials }) => [
    isoOf(slice).slice(11, 19),
    visibleFrom === ALL ? '-' : isoOf(visibleFrom).slice(11, 19),
    Object.fromEntries([...partials].map(([key, [n]]) => [key, n])),
  ]);

describe('a batch', () => {
  test('becomes one partial per slice and key, and the position after it', () => {
    const chunk = folded(
      written([5, 'alice', '19:00:01'], [6, 'bob', '19:00:02'], [7, 'alice', '19:00:29.999'], [8, 'alice', '19:00:30']),
    );
    expect(segmentsOf(chunk)).toEqual([
      ['19:00:00', '-', { alice: 2, bob: 1 }],
      ['19:00:30', '-', { alice: 1 }],
    ]);
    expect(chunk.checkpoint).toMatchObject({
      from: 5,
      fromTimestamp: at('19:00:01'),
      next: 9,
      clock: at('19:00:30'),
      watermark: at('19:00:00'),
      seen: NOW,
      maxTimestamp: at('19:00:30'),
      last: { offset: 8 },
      counters: { records: 4, counted: 4, pairsCounted: 20, pairsMissed: 0 },
      gaps: [],
    });
  });

  test('is judged record by record: an event does not make its predecessors late', () => {
    // the watermark is 30 s behind
    //   a 19:00:10   b 19:10:00 (watermark 19:09:30)   c 19:00:10: late   d 19:09:00: counts in what ends after 19:09:30
    const chunk = folded(
      written([0, 'a', '19:00:10'], [1, 'b', '19:10:00'], [2, 'c', '19:00:10'], [3, 'd', '19:09:00']),
    );
    expect(segmentsOf(chunk)).toEqual([
      ['19:00:00', '-', { a: 1 }],
      ['19:10:00', '-', { b: 1 }],
      ['19:09:00', '19:10:00', { d: 1 }],
    ]);
    expect(chunk.checkpoint.counters).toMatchObject({
      counted: 3,
      late: 1,
      pairsCounted: 5 + 5 + 4,
      pairsMissed: 5 + 1,
    });
    expect(chunk.draft.late).toMatchObject([{ offset: 2, watermark: '2026-01-08T19:09:30.000Z', groups: ['c'] }]);
  });

  test('of nothing but late events moves on, and is no life', () => {
    const chunk = folded(written([9, 'c', '19:00:10']), {
      from: 0,
      next: 9,
      watermark: at('19:30:00'),
      clock: at('19:30:00'),
    });
    expect(chunk.checkpoint).toMatchObject({ next: 10, seen: at('18:00:00'), clock: at('19:30:00') });
  });

  test('of nothing but rejections is no life, moves no clock, and has its Kafka timestamps remembered', () => {
    const chunk = folded([{ offset: 0, value: 'not JSON', timestamp: at('19:00:00') }]);
    expect(chunk.checkpoint).toMatchObject({ next: 1, seen: at('18:00:00'), clock: NEVER, watermark: NEVER });
    expect(chunk.checkpoint.maxTimestamp).toBe(at('19:00:00'));
    expect(chunk.checkpoint.counters).toMatchObject({ records: 1, rejected: 1 });
  });

  test('of filtered events moves the clock, and that is life', () => {
    const nobody = clicks({ source: clickSource().filter('nobody', () => false) });
    const chunk = folded(written([0, 'alice', '19:00:00']), {}, nobody);
    expect(chunk.checkpoint).toMatchObject({ seen: NOW, clock: at('19:00:00'), counters: { records: 1, filtered: 1 } });
    expect(segmentsOf(chunk)).toEqual([]);
  });

  test('of events that count but move no clock is life', () => {
    const chunk = folded(written([9, 'a', '19:00:00']), { from: 0, next: 9, clock: at('19:00:00'), watermark: NEVER });
    expect(chunk.checkpoint.seen).toBe(NOW);
  });

  test('multiplied by a step counts its record once and its pairs as often', () => {
    const thrice = clicks({ source: clickSource().flatMap('thrice', (click) => [click, click, click]) });
    const chunk = folded(written([0, 'alice', '19:00:00']), {}, thrice);
    expect(chunk.checkpoint.counters).toMatchObject({ records: 1, counted: 1, pairsCounted: 15 });
    expect(segmentsOf(chunk)).toEqual([['19:00:00', '-', { alice: 3 }]]);
  });
});

describe('a gap', () => {
  const before = { from: 0, next: 10, watermark: at('19:00:00') };
  test('is a first offset beyond the expected one, and remembers the watermark it was seen at', () => {
    const { gaps } = folded(written([13, 'a', '19:05:00']), before).checkpoint;
    expect(gaps).toEqual([{ from: 10, to: 13, kind: 'unclassified', watermark: at('19:00:00') }]);
  });

  test('is none before the first delivery, wherever that begins', () => {
    expect(folded(written([13, 'a', '19:05:00'])).checkpoint.gaps).toEqual([]);
    expect(folded(written([13, 'a', '19:05:00']), { next: 10 }).checkpoint).toMatchObject({ gaps: [], from: 13 });
  });

  test('is none where the expected offset comes', () => {
    expect(folded(written([10, 'a', '19:05:00']), before).checkpoint.gaps).toEqual([]);
  });
});

describe('a batch too large for one transaction', () => {
  test('is cut at a record, and goes on where it was cut', () => {
    // 200 slices, of which 86 fit beside checkpoint, registry and kept items
    const records = written(
      ...Array.from({ length: 200 }, (_, i) => [i, 'a', isoOf(at('10:00:00') + i * 30_000).slice(11, 23)] as const),
    );
    const first = folded(records);
    expect(first.taken).toBe(86);
    expect(first.checkpoint.next).toBe(86);
    const second = folded(records.slice(first.taken), first.checkpoint);
    expect(second.checkpoint).toMatchObject({ next: 172, counters: { records: 172, counted: 172 }, gaps: [] });
  });

  test('because of one record alone has that record rejected, wherever it stands; its event moves the clock', () => {
    const many = clickSource().flatMap('many', (click) =>
      Array.from({ length: click.amount ?? 1 }, (_, i) => ({
        ...click,
        username: `${i} ${'x'.repeat(400)}`,
        amount: 1,
      })),
    );
    const of = clicks({ source: many });
    const records = written([0, 'a', '19:00:00', 1], [1, 'b', '19:00:01', 10_000], [2, 'c', '19:00:00', 1]);
    const first = folded(records, {}, of);
    expect(first.taken, 'it is tried again with a transaction of its own').toBe(1);
    const second = folded(records.slice(1), first.checkpoint, of);
    expect(second.checkpoint.counters).toMatchObject({ records: 3, counted: 2, rejected: 1 });
    expect(second.checkpoint.clock).toBe(at('19:00:01'));
    expect(second.draft.rejected).toMatchObject([
      { offset: 1, reason: 'size: 10000 results do not fit a transaction' },
    ]);
  });
});

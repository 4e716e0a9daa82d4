import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../lib/store/memory.ts';
import { compareKeys, mergeWindow, rank, totalsOf } from '../../lib/store/merge.ts';
import { ALL, encodeKey, encodePartials, segmentSort, type Partials } from '../../lib/store/segment.ts';
import { at, clicks } from '../support/scene.ts';
import { testRuntime } from '../support/runtime.ts';

const pipeline = clicks();
const one = (n: number, total: bigint | null = null) => [n, total];
const partials = (counts: Record<string, number>): Partials =>
  new Map(Object.entries(counts).map(([key, n]) => [key, one(n)]));

describe('the rows of a window', () => {
  test('are ordered by the declared column, descending, then by key', () => {
    const ranked = rank(pipeline, partials({ bob: 2, alice: 2, '😀': 9, '\uff5e': 9, zed: 1 }));
    expect(ranked.map(([key]) => key)).toEqual(['\uff5e', '😀', 'alice', 'bob', 'zed']);
  });

  test('without a value in the ordering column come last', () => {
    const byTotal = clicks({ orderBy: 'total' });
    const ranked = rank(
      byTotal,
      new Map([
        ['none', one(9, null)],
        ['minus', one(1, -100n)],
        ['plus', one(1, 100n)],
      ]),
    );
    expect(ranked.map(([key]) => key)).toEqual(['plus', 'minus', 'none']);
  });

  test('the null group comes before the empty text, and both before all others', () => {
    const keys = ['a', '', null, '\\N', 'null', '\t', '\n'].map((column) => encodeKey([column]));
    expect(keys.sort(compareKeys).map((key) => key)).toEqual(['\\N', '', '\\t', '\\n', '\\\\N', 'a', 'null']);
  });

  test('keys of several columns are ordered column by column', () => {
    const keys = [
      ['a', 'z'],
      ['a\t', 'a'],
      ['a', null],
      ['', 'b'],
    ].map(encodeKey);
    expect(keys.sort(compareKeys)).toEqual(['\tb', 'a\t\\N', 'a\tz', 'a\\t\ta']);
  });

  test('totals are over all of them', () => {
    expect(
      totalsOf(
        pipeline,
        new Map([
          ['a', one(1, 5n)],
          ['b', one(2, null)],
          ['c', one(3, -7n)],
        ]),
      ),
    ).toEqual([6, -2n]);
    expect(totalsOf(pipeline, new Map())).toEqual([0, null]);
  });
});

test('a window sees the segments of its slices, in every partition, that are visible to it', async () => {
  //            19:00:00   :30   19:01:00
  // slices   |    1     |   2   |    4
  // 2 again, visible from 19:01:30 only: 100
  const { runtime } = testRuntime();
  const store = memoryStore();
  const put = (partition: number, slice: string, visibleFrom: number, number: string, n: number) =>
    store.write({
      kind: 'put',
      table: 'buckets',
      item: {
        pk: `clicks@1#p${partition}`,
        sk: segmentSort(at(slice), visibleFrom, number),
        partials: encodePartials(partials({ alice: n }), pipeline.accumulators),
      },
    });
  await put(0, '18:59:30', ALL, '0', 1000);
  await put(0, '19:00:00', ALL, '0', 1);
  await put(1, '19:00:30', ALL, '0', 2);
  await put(1, '19:00:30', ALL, '7', 20);
  await put(1, '19:00:30', at('19:01:30'), '9', 100);
  await put(1, '19:01:00', ALL, '0', 4000);
  const retry = { clock: runtime.clock, random: runtime.random, deadline: Number.POSITIVE_INFINITY };
  const seen = async (name: string, start: string, end: string) =>
    (await mergeWindow(pipeline, [0, 1], { name, start: at(start), end: at(end) }, store, retry)).get('alice')?.[0];
  expect(await seen('1m', '19:00:00', '19:01:00')).toBe(23);
  expect(await seen('2m', '18:59:30', '19:01:30')).toBe(5123);
});

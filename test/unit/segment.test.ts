import { describe, expect, test } from 'vitest';
import { accumulator, avg, count, sum } from '../../lib/aggregate/aggregate.ts';
import {
  ALL,
  decodeKey,
  decodePartials,
  encodeKey,
  encodePartials,
  parseSegmentSort,
  segmentSort,
  type Partials,
} from '../../lib/store/segment.ts';
import { at } from '../support/scene.ts';

describe('a group key', () => {
  test.each([
    [[null], '\\N'],
    [[''], ''],
    [['null'], 'null'],
    [['\\N'], '\\\\N'],
    [['a\tb', 'c'], 'a\\tb\tc'],
    [['line\nbreak\r'], 'line\\nbreak\\r'],
    [['back\\slash\\'], 'back\\\\slash\\\\'],
    [['\\t'], '\\\\t'],
    [['дом', null, '😀'], 'дом\t\\N\t😀'],
    [['', ''], '\t'],
  ])('%j is stored as %j, and read back', (columns, text) => {
    expect(encodeKey(columns)).toBe(text);
    expect(decodeKey(text)).toEqual(columns);
  });
});

describe('a segment', () => {
  const accumulators = [count(), sum('amount', { scale: 2 }), avg('amount', { scale: 2 })].map(accumulator);
  const partials: Partials = new Map([
    ['😀', [2, -5n, { sum: 5n, count: 2 }]],
    ['', [1, null, { sum: 0n, count: 0 }]],
    ['\uff5e', [7, 10n ** 30n, { sum: -1n, count: 1 }]],
  ]);

  test('holds a line per key, in UTF-8 order', () => {
    expect(encodePartials(partials, accumulators)).toBe(
      '\t1\t\t0/0\n\uff5e\t7\t1000000000000000000000000000000\t-1/1\n😀\t2\t-5\t5/2',
    );
  });

  test('read back is what was written', () => {
    const read: Partials = new Map();
    decodePartials(encodePartials(partials, accumulators), accumulators, read);
    expect(new Map([...read].sort())).toEqual(new Map([...partials].sort()));
  });

  test('read twice into one map adds up', () => {
    const read: Partials = new Map();
    const text = encodePartials(new Map([['a', [2, 3n, { sum: 3n, count: 1 }]]]), accumulators);
    decodePartials(text, accumulators, read);
    decodePartials(text, accumulators, read);
    expect(read.get('a')).toEqual([4, 6n, { sum: 6n, count: 2 }]);
  });

  test('without keys is empty', () => {
    const read: Partials = new Map();
    decodePartials('', accumulators, read);
    expect(read.size).toBe(0);
  });
});

describe("a segment's key", () => {
  test('names slice, visibility and number, and is read back', () => {
    expect(segmentSort(at('18:58:00'), ALL, '0')).toBe('2026-01-08T18:58:00.000Z#-#0');
    const sort = segmentSort(at('18:58:00'), at('19:01:30'), '17.2');
    expect(sort).toBe('2026-01-08T18:58:00.000Z#2026-01-08T19:01:30.000Z#17.2');
    expect(parseSegmentSort(sort)).toEqual({ slice: at('18:58:00'), visibleFrom: at('19:01:30') });
  });

  test('that is none is a broken invariant', () => {
    expect(() => parseSegmentSort('late#000000000001')).toThrow('a segment is keyed by');
  });
});

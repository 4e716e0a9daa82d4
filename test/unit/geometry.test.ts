import { describe, expect, test } from 'vitest';
import {
  endsOf,
  geometryOf,
  lastEndHolding,
  nextEndAfter,
  sliceOf,
  windowsEndingAt,
  windowsOf,
} from '../../lib/window/geometry.ts';
import { sliding, tumbling } from '../../lib/window/window.ts';
import { at, isoOf } from '../support/scene.ts';

const minute = tumbling('1 minute', { emit: 'final' });
const times = (windows: readonly { name: string; start: number; end: number }[]) =>
  windows.map(({ name, start, end }) => `${name} ${isoOf(start).slice(11, 19)}-${isoOf(end).slice(11, 19)}`);

describe('slices', () => {
  test('an event on a boundary belongs to the later slice', () => {
    //        19:00:30
    //           e
    // [--- 0 ---)[--- 1 ---)
    const geometry = geometryOf({ half: tumbling('30 seconds', { emit: 'final' }) });
    expect(sliceOf(geometry, at('19:00:30'))).toBe(at('19:00:30'));
    expect(sliceOf(geometry, at('19:00:29.999'))).toBe(at('19:00:00'));
  });

  test('before 1970, too, a slice begins at or before its events', () => {
    const geometry = geometryOf({ '1m': minute });
    expect(sliceOf(geometry, -1)).toBe(-60_000);
    expect(sliceOf(geometry, -60_000)).toBe(-60_000);
    expect(sliceOf(geometry, -60_001)).toBe(-120_000);
  });

  test('are as long as all sizes, steps and differences of offsets allow', () => {
    const every30 = sliding('10 minutes', { every: '30 seconds', emit: 'final' });
    const shifted = tumbling('1 minute', { emit: 'final', offset: '15 seconds' });
    expect(geometryOf({ '1m': minute }).sliceMs).toBe(60_000);
    expect(geometryOf({ '1m': minute, '10m': every30 }).sliceMs).toBe(30_000);
    expect(geometryOf({ '1m': minute, shifted }).sliceMs).toBe(15_000);
  });

  test('an offset all windows share shifts the slices, and does not cut them', () => {
    const shifted = tumbling('1 hour', { emit: 'final', offset: '15 minutes' });
    const geometry = geometryOf({ shifted });
    expect(geometry.sliceMs).toBe(3_600_000);
    expect(sliceOf(geometry, at('19:14:59'))).toBe(at('18:15:00'));
    expect(sliceOf(geometry, at('19:15:00'))).toBe(at('19:15:00'));
  });
});

test('the longest window is known, so that a query by time can begin early enough', () => {
  const ten = sliding('10 minutes', { every: '30 seconds', emit: 'final' });
  expect(geometryOf({ '1m': minute, '10m': ten }).maxSizeMs).toBe(600_000);
});

test('without windows there are no slices', () => {
  expect(geometryOf({})).toEqual({ kinds: new Map(), sliceMs: 0, sliceOffsetMs: 0, maxSizeMs: 0 });
});

describe('windows', () => {
  test('of a slice, by end', () => {
    const geometry = geometryOf({ '1m': minute, '2m': sliding('2 minutes', { every: '30 seconds', emit: 'final' }) });
    //              e
    // 1m       [-------)
    // 2m  [--------)
    //       ...    [--------)
    expect(times(windowsOf(geometry, sliceOf(geometry, at('19:00:40'))))).toEqual([
      '1m 19:00:00-19:01:00',
      '2m 18:59:00-19:01:00',
      '2m 18:59:30-19:01:30',
      '2m 19:00:00-19:02:00',
      '2m 19:00:30-19:02:30',
    ]);
  });

  test('whose size is no multiple of the step: an event is in as many as hold it, and that changes from slice to slice', () => {
    // 25 s every 10 s: slices of 5 s
    const geometry = geometryOf({ odd: sliding('25 seconds', { every: '10 seconds', emit: 'final' }) });
    expect(geometry.sliceMs).toBe(5_000);
    const count = (instant: number) => windowsOf(geometry, sliceOf(geometry, instant)).length;
    expect([count(0), count(4_999), count(5_000), count(9_999)]).toEqual([3, 3, 2, 2]);
  });

  test('two that end together are two ends', () => {
    const geometry = geometryOf({ a: minute, b: minute });
    expect(endsOf(geometry, 0)).toEqual([60_000, 60_000]);
    expect(windowsEndingAt(geometry, 60_000).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(windowsEndingAt(geometry, 60_001)).toEqual([]);
  });

  test('the next end is after the instant, also when the instant is one', () => {
    const geometry = geometryOf({ '1m': minute });
    expect(nextEndAfter(geometry, 0)).toBe(60_000);
    expect(nextEndAfter(geometry, 59_999)).toBe(60_000);
    expect(nextEndAfter(geometry, 60_000)).toBe(120_000);
    expect(nextEndAfter(geometry, -60_000)).toBe(0);
  });

  test('the last end that can hold an instant is that of the longest window that begins with it', () => {
    const geometry = geometryOf({ '1m': minute, '10m': sliding('10 minutes', { every: '30 seconds', emit: 'final' }) });
    expect(isoOf(lastEndHolding(geometry, at('19:00:40')))).toBe('2026-01-08T19:10:30.000Z');
  });
});

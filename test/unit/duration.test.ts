import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration, type Duration } from '../../lib/time/duration.ts';

describe('a duration in words', () => {
  test.each<[Duration, number]>([
    ['1 minute', 60_000],
    ['30 seconds', 30_000],
    ['500 milliseconds', 500],
    ['7 days', 604_800_000],
    ['0 seconds', 0],
    ['1 hour', 3_600_000],
    ['90 minutes', 5_400_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    '1',
    'minute',
    '1 minutes ',
    '1  minute',
    '1minute',
    '-1 minute',
    '1.5 minutes',
    '1e3 seconds',
    '1 fortnight',
    '999999999999999 days',
    '',
  ])('%j is none', (text) => expect(parseDuration(text)).toBeUndefined());

  test('what is no duration does not compile', () => {
    // @ts-expect-error no unit
    const noUnit: Duration = '30';
    // @ts-expect-error no such unit
    const noSuchUnit: Duration = '1 fortnight';
    // @ts-expect-error no number
    const noNumber: Duration = 'one minute';
    expect([noUnit, noSuchUnit, noNumber].map(parseDuration)).toEqual([undefined, undefined, undefined]);
  });
});

test.each([
  [0, '0 milliseconds'],
  [1, '1 millisecond'],
  [60_000, '1 minute'],
  [90_000, '90 seconds'],
  [600_000, '10 minutes'],
  [604_800_000, '7 days'],
  [1_500, '1500 milliseconds'],
])('%d ms is %s, and back', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
  expect(parseDuration(text)).toBe(ms);
});

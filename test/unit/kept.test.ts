import { describe, expect, test } from 'vitest';
import type { Decoded } from '../../lib/source/decode.ts';
import { keptLate, keptRejection } from '../../lib/source/kept.ts';
import { at, clicks } from '../support/scene.ts';

const base64 = (text: string | Buffer): string => Buffer.from(text as string).toString('base64');
const rejected = (value: string | null, reason = 'schema: no'): Decoded => ({
  record: { offset: 7, timestamp: 5, key: null, value },
  instant: undefined,
  reason,
  outputs: [],
});

describe('a rejection is kept', () => {
  test('with its offset, timestamp, reason and value', () => {
    expect(keptRejection(rejected(base64('{"a":1}')))).toEqual({
      offset: 7,
      timestamp: 5,
      reason: 'schema: no',
      value: '{"a":1}',
    });
  });

  test('its value cut at 4 KB', () => {
    expect(keptRejection(rejected(base64('x'.repeat(1_000_000))))['value']).toBe('x'.repeat(4096));
  });

  test.each([['я'], ['€'], ['😀'], ['x😀'], ['xx😀'], ['xxx😀'], ['\u0000']])('cut between characters: %j', (text) => {
    const long = text.repeat(4096);
    const value = String(keptRejection(rejected(base64(long)))['value']);
    expect(Buffer.byteLength(value)).toBeLessThanOrEqual(4096);
    expect(Buffer.byteLength(value)).toBeGreaterThan(4092);
    expect(long.startsWith(value)).toBe(true);
  });

  test.each([
    ['nothing', null, ''],
    ['what is no base64 as it came', '%%%', '%%%'],
    ['a byte order mark', base64('\ufeffx'), '\ufeffx'],
  ])('%s', (_, value, kept) => {
    expect(keptRejection(rejected(value))['value']).toBe(kept);
  });

  test('its reason bounded, however much of the value a schema quotes', () => {
    const reason = String(keptRejection(rejected('', `schema: ${'😀'.repeat(500_000)}`))['reason']);
    expect(reason.length).toBeLessThanOrEqual(500);
    expect(reason.isWellFormed()).toBe(true);
  });
});

test('a late event is kept with its time, the watermark, its groups and the windows it missed, without its payload', () => {
  const { geometry } = clicks();
  const decoded: Decoded = {
    record: { offset: 7, timestamp: 5, key: null, value: base64('secret') },
    instant: at('19:00:40'),
    reason: undefined,
    outputs: Array.from({ length: 12 }, (_, i) => ({ key: i === 0 ? '\\N' : `user${i}`, states: [1, null] })),
  };
  expect(keptLate(geometry, decoded, at('19:00:30'), at('19:30:00'))).toEqual({
    offset: 7,
    timestamp: 5,
    reason: 'late: every window of the event had ended',
    time: '2026-01-08T19:00:40.000Z',
    watermark: '2026-01-08T19:30:00.000Z',
    missed: {
      '1m': '2026-01-08T19:00:00.000Z',
      '2m': '2026-01-08T18:59:00.000Z to 2026-01-08T19:00:30.000Z (4)',
    },
    groups: ['null', ...Array.from({ length: 9 }, (_, i) => `user${i + 1}`)],
  });
});

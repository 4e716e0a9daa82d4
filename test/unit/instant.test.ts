import { describe, expect, test } from 'vitest';
import { instantOf, iso, kafkaTimestamp, unixMillis, unixSeconds } from '../../lib/time/event-time.ts';
import {
  MAX_INSTANT,
  MIN_INSTANT,
  formatInstant,
  isInstant,
  parseInstant,
  readInstant,
} from '../../lib/time/instant.ts';

const at = Date.UTC(2026, 0, 8, 18, 58);

describe('ISO 8601 text of the same instant', () => {
  test.each([
    '2026-01-08T18:58:00.000Z',
    '2026-01-08T18:58:00Z',
    '2026-01-08T18:58Z',
    '2026-01-08 18:58:00',
    '2026-01-08T18:58:00',
    '2026-01-08T18:58:00+00:00',
    '2026-01-08T18:58:00-00:00',
    '2026-01-08T21:58:00+03:00',
    '2026-01-08T21:58:00+0300',
    '2026-01-08T13:28:00.0-05:30',
    '2026-01-09T00:58:00+06:00',
    '2026-01-08T18:58:00.000999999Z',
  ])('%s', (text) => expect(parseInstant(text)).toBe(at));
});

describe('ISO 8601 text', () => {
  test.each([
    ['2026-01-08', Date.UTC(2026, 0, 8)],
    ['1970-01-01T00:00:00Z', 0],
    ['1969-12-31T23:59:59.9999Z', -1],
    ['1969-12-31T23:59:59.9Z', -100],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    ['2000-02-29', Date.UTC(2000, 1, 29)],
    ['0001-01-01T00:00:00Z', MIN_INSTANT],
    ['9999-12-31T23:59:59.999999999Z', MAX_INSTANT],
  ])('%s is %d', (text, ms) => expect(parseInstant(text)).toBe(ms));
});

describe('no instant', () => {
  test.each([
    '',
    'yesterday',
    '2026',
    '2026-01',
    '2026-1-8',
    '2026-02-30',
    '2023-02-29',
    '1900-02-29',
    '2026-04-31',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '2026-01-08T',
    '2026-01-08T18',
    '2026-01-08T18:58:',
    '2026-01-08T18:58:00.',
    '2026-01-08T18:58:00.1234567890Z',
    '2026-01-08T18:58:00ZZ',
    '2026-01-08T18:58:00z',
    '2026-01-08t18:58:00Z',
    '2026-01-08T18:58:00 Z',
    '2026-01-08T18:58:00+3',
    '2026-01-08T18:58:00+03',
    '2026-01-08T18:58:00+24:00',
    '2026-01-08T18:58:00+03:60',
    '2026-01-08T18:58:00+03:0x',
    '2026-01-08T18:58:00+-3:00',
    '2026-01-08T18:5a:00Z',
    '2026/01/08T18:58:00Z',
    '2026/01-08',
    '2026-01/08',
    '0000-12-31',
    // ':' and '/' are the neighbours of the digits
    'xx26-01-08',
    '20xx-01-08',
    '20/9-01-08',
    ':026-01-08',
    '2026-0:-08',
    '2026-1/-08',
    '2026-01-08T1x:30Z',
    '2026-01-08T18x58:00Z',
    '2026-01-08T18:58:0x',
    '2026-01-08T18:58:00*03:00',
    '2026-01-08T18:58:00+03:00x',
    '2026-01-08T18:58:00+0300x',
    '2026-01-08T24:00:00Z', // midnight has one name
    '2026-12-31T23:59:60Z', // a leap second has none in epoch time
    '2026-01-08T18:60:00Z',
    ' 2026-01-08',
    '2026-01-08 ',
    '0000-12-31T23:59:59Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '+02026-01-08',
    '٢٠٢٦-٠١-٠٨',
  ])('%j', (text) => expect(parseInstant(text)).toBeUndefined());
});

test('instants are whole milliseconds of the years 0001 to 9999', () => {
  expect([MIN_INSTANT, -1, 0, MAX_INSTANT].every(isInstant)).toBe(true);
  expect([MIN_INSTANT - 1, MAX_INSTANT + 1, 0.5, Number.NaN, Infinity].some(isInstant)).toBe(false);
});

test.each([MIN_INSTANT - 400 * 86_400_000, MIN_INSTANT - 1, at, MAX_INSTANT + 1])(
  '%d is read back as written',
  (ms) => {
    expect(readInstant(formatInstant(ms))).toBe(ms);
  },
);

test.each(['', '2026-01-08', '2026-01-08T18:58:00Z', '2026-02-30T00:00:00.000Z', '-'])(
  '%j was not written by us',
  (text) => expect(readInstant(text)).toBeUndefined(),
);

test('an instant is written with milliseconds and Z, also just outside the years', () => {
  expect(formatInstant(at)).toBe('2026-01-08T18:58:00.000Z');
  expect(formatInstant(MIN_INSTANT)).toBe('0001-01-01T00:00:00.000Z');
  expect(formatInstant(MIN_INSTANT - 1)).toBe('0000-12-31T23:59:59.999Z');
  expect(formatInstant(MAX_INSTANT + 1)).toBe('+010000-01-01T00:00:00.000Z');
});

test('a declared time is plain frozen data', () => {
  const all = [iso('t'), unixSeconds('t'), unixMillis('t'), kafkaTimestamp];
  expect(all).toEqual([
    { kind: 'iso', field: 't' },
    { kind: 'unixSeconds', field: 't' },
    { kind: 'unixMillis', field: 't' },
    { kind: 'kafkaTimestamp' },
  ]);
  expect(all.every(Object.isFrozen)).toBe(true);
});

describe('the time of an event', () => {
  test.each([
    ['iso', iso('t'), { t: '2026-01-08T18:58:00' }, at],
    ['iso of a number', iso('t'), { t: at }, undefined],
    ['iso of nothing', iso('t'), {}, undefined],
    ['seconds', unixSeconds('t'), { t: at / 1000 }, at],
    ['seconds whose product with 1000 errs', unixSeconds('t'), { t: 1.001 }, 1001],
    ['seconds with a fraction of a ms', unixSeconds('t'), { t: 1.0019 }, 1001],
    ['seconds before the epoch', unixSeconds('t'), { t: -1.0011 }, -1002],
    ['seconds as text', unixSeconds('t'), { t: '1' }, undefined],
    ['seconds that are ms by mistake', unixSeconds('t'), { t: at }, undefined],
    ['milliseconds', unixMillis('t'), { t: at }, at],
    ['milliseconds with a fraction', unixMillis('t'), { t: -0.5 }, -1],
    ['no number', unixMillis('t'), { t: Number.NaN }, undefined],
    ["the record's own", kafkaTimestamp, 'plain text', 1_700_000_000_000],
  ])('%s', (_, eventTime, event, expected) => {
    expect(instantOf(eventTime, event, 1_700_000_000_000)).toBe(expected);
  });

  test('a Kafka timestamp of -1 is none', () => expect(instantOf(kafkaTimestamp, {}, -1)).toBeUndefined());
});

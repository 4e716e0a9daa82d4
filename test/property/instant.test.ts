import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantOf, unixSeconds } from '../../lib/time/event-time.ts';
import { MAX_INSTANT, MIN_INSTANT, formatInstant, parseInstant } from '../../lib/time/instant.ts';

const instants = fc.oneof(
  fc.integer({ min: MIN_INSTANT, max: MAX_INSTANT }),
  fc.integer({ min: -4_000_000_000_000, max: 4_000_000_000_000 }),
);
const digits = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }).map((some) => some.join(''));

test('every instant is read as it is written', () => {
  fc.assert(
    fc.property(instants, (ms) => {
      expect(parseInstant(formatInstant(ms))).toBe(ms);
    }),
    { numRuns: 5000 },
  );
});

test('digits beyond the millisecond change nothing', () => {
  fc.assert(
    fc.property(instants, digits, (ms, more) => {
      expect(parseInstant(formatInstant(ms).replace('Z', `${more}Z`))).toBe(ms);
    }),
  );
});

test('a zone moves the instant as Date says', () => {
  const zones = fc.tuple(fc.constantFrom('+', '-'), fc.nat(23), fc.nat(59), fc.constantFrom('', ':'));
  const two = (n: number): string => `${n}`.padStart(2, '0');
  fc.assert(
    fc.property(instants, zones, (ms, [sign, hours, minutes, colon]) => {
      const local = formatInstant(ms).slice(0, -1);
      const expected = Date.parse(`${local}${sign}${two(hours)}:${two(minutes)}`);
      const found = parseInstant(`${local}${sign}${two(hours)}${colon}${two(minutes)}`);
      expect(found).toBe(expected >= MIN_INSTANT && expected <= MAX_INSTANT ? expected : undefined);
    }),
  );
});

test('a day is read exactly when the calendar has it', () => {
  const parts = fc.tuple(
    fc.integer({ min: 1, max: 9999 }),
    fc.integer({ min: 0, max: 13 }),
    fc.integer({ min: 0, max: 32 }),
  );
  fc.assert(
    fc.property(parts, ([year, month, day]) => {
      const text = [`${year}`.padStart(4, '0'), `${month}`.padStart(2, '0'), `${day}`.padStart(2, '0')].join('-');
      const ms = Date.parse(`${text}T00:00:00Z`);
      const exists = !Number.isNaN(ms) && formatInstant(ms).startsWith(text);
      expect(parseInstant(text)).toBe(exists ? ms : undefined);
    }),
    { numRuns: 5000 },
  );
});

test('any text is an instant or nothing, and never an error', () => {
  const near = fc.tuple(instants, fc.nat(24), fc.string({ unit: 'binary-ascii', maxLength: 2 }));
  fc.assert(
    fc.property(near, ([ms, cut, junk]) => {
      const text = formatInstant(ms);
      const found = parseInstant(text.slice(0, cut) + junk + text.slice(cut + 1));
      expect(found === undefined || (found >= MIN_INSTANT && found <= MAX_INSTANT)).toBe(true);
    }),
  );
});

test('seconds written with milliseconds are exactly those', () => {
  fc.assert(
    fc.property(instants, (ms) => {
      expect(instantOf(unixSeconds('t'), { t: ms / 1000 }, -1)).toBe(ms);
    }),
    { numRuns: 5000 },
  );
});

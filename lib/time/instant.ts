/** 0001-01-01T00:00:00.000Z, the first instant an event may have. */
export const MIN_INSTANT = -62_135_596_800_000;

/** 9999-12-31T23:59:59.999Z, the last one. */
export const MAX_INSTANT = 253_402_300_799_999;

/** Whether a number is an instant: whole ms since the epoch, UTC, in the years 0001 to 9999. */
export const isInstant = (value: number): boolean =>
  Number.isInteger(value) && value >= MIN_INSTANT && value <= MAX_INSTANT;

/**
 * ISO 8601 text of an instant, always with ms and Z: `2026-01-08T18:58:00.000Z`.
 *
 * Texts of the years 0000 to 9999 sort as the instants do. Windows around the first and last instants may begin or end
 * outside; those years have ISO 8601's six digits and sign, `+010000-01-01T00:00:00.000Z`, and do not sort.
 */
export const formatInstant = (ms: number): string => new Date(ms).toISOString();

/** What {@link formatInstant} wrote, read back, also outside the years 0001 to 9999; undefined for any other text. */
export function readInstant(text: string): number | undefined {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && formatInstant(ms) === text ? ms : undefined;
}

/**
 * The instant that ISO 8601 text names.
 *
 * `YYYY-MM-DD`, then optionally `T` or a space, `hh:mm`, `:ss`, a fraction of 1 to 9 digits (cut off at the ms, that is,
 * toward the past) and a zone: `Z`, `±hh:mm` or `±hhmm`. Without a zone it is UTC, without a time midnight.
 *
 * By hand, because `Date.parse` reads a time without a zone as local, accepts 24:00 and much that is no ISO 8601, and is
 * three times slower.
 *
 * @returns undefined for any other text, for a day or time that does not exist (30 February, 24:00:00), for a leap
 *   second (:60, which epoch time cannot tell from the next second), and outside the years 0001 to 9999.
 */
export function parseInstant(text: string): number | undefined {
  const end = text.length;
  const year = two(text, 0) * 100 + two(text, 2);
  const month = two(text, 5);
  const day = two(text, 8);
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return undefined;
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month))) return undefined;
  const midnight = daysFromEpoch(year, month, day) * 86_400_000;
  if (end === 10) return midnight;

  const separator = text.charCodeAt(10);
  const hour = two(text, 11);
  const minute = two(text, 14);
  if ((separator !== T && separator !== SPACE) || text.charCodeAt(13) !== COLON) return undefined;
  if (!(hour <= 23 && minute <= 59)) return undefined;
  let ms = midnight + hour * 3_600_000 + minute * 60_000;
  let at = 16;

  if (text.charCodeAt(at) === COLON) {
    const second = two(text, 17);
    if (!(second <= 59)) return undefined;
    ms += second * 1_000;
    at = 19;
    if (text.charCodeAt(at) === POINT) {
      const first = at + 1;
      let weight = 100; // 10, 1, then 0: what is finer than a ms is cut off
      for (at = first; isDigit(text.charCodeAt(at)); at++) {
        ms += (text.charCodeAt(at) - ZERO) * weight;
        weight = (weight / 10) | 0;
      }
      if (at === first || at > first + 9) return undefined;
    }
  }

  ms -= zoneMs(text, at, end);
  return ms >= MIN_INSTANT && ms <= MAX_INSTANT ? ms : undefined;
}

const ZERO = 48;
const DASH = 45;
const COLON = 58;
const POINT = 46;
const PLUS = 43;
const T = 84;
const Z = 90;
const SPACE = 32;

const isDigit = (code: number): boolean => code >= ZERO && code <= ZERO + 9;

/** Two digits as a number; NaN when they are not there, which is in no range. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

/** The zone from `at` to the end of the text: how far local time is ahead of UTC; 0 for no text, NaN for any other. */
function zoneMs(text: string, at: number, end: number): number {
  if (at === end) return 0;
  const sign = text.charCodeAt(at);
  if (sign === Z) return at + 1 === end ? 0 : Number.NaN;
  if (sign !== PLUS && sign !== DASH) return Number.NaN;
  const colon = text.charCodeAt(at + 3) === COLON ? 1 : 0;
  const hours = two(text, at + 1);
  const minutes = two(text, at + 3 + colon);
  if (at + 5 + colon !== end || !(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (sign === PLUS ? 1 : -1) * (hours * 3_600_000 + minutes * 60_000);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * Days since 1970-01-01, by years that begin in March, so that the leap day is the last one.
 *
 * @source Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, days_from_civil.
 */
function daysFromEpoch(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = (((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) | 0) + day - 1;
  return 365 * y + (y >> 2) - ((y / 100) | 0) + ((y / 400) | 0) + dayOfYear - 719_468;
}

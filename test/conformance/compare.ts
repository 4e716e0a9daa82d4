import { Decimal } from '../../lib/index.ts';
import type { Agg } from './declare.ts';
import type { Fields, Json, Row } from './schema.ts';

/** What a row says beside window, group and aggregates: each result of the product is the window's first and last pane. */
const PANE: Fields = { index: 0, early: false, late: false, final: true, nonspeculative_index: 0 };
/** An average with this many digits after the point is itself rounded; with fewer it is exact. */
const ROUNDED_DIGITS = 10;

/**
 * Rows in a form that equal rows share: sorted lists, exact numbers as text.
 *
 * @param like a row whose form decides: an average is rounded to as many digits.
 */
export function canonical(row: Row, columns: readonly string[], aggs: readonly Agg[], like: Row = row): string {
  const { w } = row;
  const rest = Object.entries(row).filter(
    ([name]) => name !== 'w' && !columns.includes(name) && !aggs.some((agg) => agg.name === name),
  );
  const odd = rest.filter(([name, value]) => PANE[name] !== value).map(([name, value]) => ({ [name]: value }));
  return JSON.stringify([
    w ?? null,
    columns.map((column) => row[column] ?? null),
    ...aggs.map(({ name }) => comparable(name, row[name] ?? null, like[name] ?? null)),
    ...odd,
  ]);
}

function comparable(name: string, value: Json, like: Json): Json {
  if (name === 'list') return (value as readonly Json[]).map((one) => JSON.stringify(one)).sort();
  if (name === 'counts') return Object.entries(value as Fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return name === 'avg' ? rounded(value, like) : exact(value);
}

/** Equal numbers have one text. */
export const exact = (value: Json): Json =>
  (typeof value === 'number' || typeof value === 'string') && /^-?\d+(\.\d+)?$/.test(String(value))
    ? new Decimal(String(value)).text
    : value;

function rounded(value: Json, like: Json): Json {
  if (typeof like === 'number') return Number(Number(value).toPrecision(12));
  const digits = typeof like === 'string' ? (like.split('.')[1]?.length ?? 0) : 0;
  const text = String(exact(value));
  const fraction = text.split('.')[1]?.length ?? 0;
  if (digits < ROUNDED_DIGITS || fraction <= digits) return text;
  const units = BigInt(text.replace('.', '')) / 10n ** BigInt(fraction - digits - 1);
  const up = units < 0n ? -5n : 5n;
  const sign = units < 0n ? '-' : '';
  const padded = String((units + up) / 10n)
    .replace('-', '')
    .padStart(digits + 1, '0');
  return exact(`${sign}${padded.slice(0, -digits)}.${padded.slice(-digits)}`);
}

/**
 * What differs between rows, as sentences; the order is free unless asked for.
 *
 * @param order `free`; `windows`: ascending, each window's rows in any order; `rows`: exactly as expected.
 */
export function compareRows(
  what: string,
  expected: readonly Row[],
  found: readonly Row[],
  columns: readonly string[],
  aggs: readonly Agg[],
  order: 'free' | 'windows' | 'rows' = 'free',
): string[] {
  const like = new Map(
    expected.map((row) => [JSON.stringify([row['w'] ?? null, columns.map((column) => row[column] ?? null)]), row]),
  );
  const likeOf = (row: Row) =>
    like.get(JSON.stringify([row['w'] ?? null, columns.map((column) => row[column] ?? null)]));
  const wanted = expected.map((row) => canonical(row, columns, aggs));
  const got = found.map((row) => canonical(row, columns, aggs, likeOf(row)));
  const same =
    order === 'rows'
      ? JSON.stringify(wanted) === JSON.stringify(got)
      : JSON.stringify(wanted.toSorted()) === JSON.stringify(got.toSorted());
  if (!same) return [`${what}: expected ${show(expected)}, found ${show(found)}`];
  const windows = (rows: readonly Row[]) => JSON.stringify(rows.map((row) => row['w']));
  if (order === 'windows' && windows(expected) !== windows(found)) return [`${what}: the windows are in another order`];
  return [];
}

/** A value in a message, cut. */
export const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 1500 ? `${text.slice(0, 1500)}...` : text;
};

export const compareValue = (what: string, expected: unknown, found: unknown): string[] =>
  JSON.stringify(expected) === JSON.stringify(found)
    ? []
    : [`${what}: expected ${show(expected)}, found ${show(found)}`];

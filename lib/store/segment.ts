import type { Accumulator, AccumulatorState } from '../aggregate/aggregate.ts';
import { assert } from '../runtime/error.ts';
import { formatInstant, readInstant } from '../time/instant.ts';
import { compareUtf8 } from './order.ts';
import type { Item } from './store.ts';

/** Accumulators of one key, in the order of the pipeline's columns. */
export type States = readonly AccumulatorState[];

/** Partials of one slice by encoded group key. */
export type Partials = Map<string, States>;

/** Visible from: the least end of the windows that see a partial; `ALL` when every window of its slice does. */
export const ALL = Number.NEGATIVE_INFINITY;

/**
 * A group key as text: the columns joined by tabs, escaped as in PostgreSQL's COPY text format.
 *
 * A null is `\N`, so it differs from the empty string and from the text "null". Most names encode to themselves.
 *
 * @source https://www.postgresql.org/docs/current/sql-copy.html (Text Format)
 */
export function encodeKey(columns: readonly (string | null)[]): string {
  let key = encodeColumn(columns[0] ?? null);
  for (let i = 1; i < columns.length; i++) key += `\t${encodeColumn(columns[i] ?? null)}`;
  return key;
}

export const decodeKey = (key: string): (string | null)[] => key.split('\t').map(decodeColumn);

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
const UNESCAPES: Readonly<Record<string, string>> = { '\\': '\\', t: '\t', n: '\n', r: '\r' };

function encodeColumn(column: string | null): string {
  if (column === null) return '\\N';
  return /[\\\t\n\r]/.test(column) ? column.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char] ?? char) : column;
}

function decodeColumn(text: string): string | null {
  if (text === '\\N') return null;
  return text.includes('\\') ? text.replace(/\\(.)/g, (_, char: string) => UNESCAPES[char] ?? char) : text;
}

/**
 * Where a segment stands among its partition's: `slice start#visible from#number`.
 *
 * Slice starts are ISO 8601 with a four-digit year, so text order is time order. Number 0 is the slice's open segment.
 */
export const segmentSort = (slice: number, visibleFrom: number, number: string): string =>
  `${formatInstant(slice)}#${visibleFrom === ALL ? '-' : formatInstant(visibleFrom)}#${number}`;

export const OPEN_SEGMENT = '0';

/** A segment's slice start and visibility, read from its sort key. */
export function parseSegmentSort(sort: string): { slice: number; visibleFrom: number } {
  const [slice = '', visibleFrom = ''] = sort.split('#');
  const start = readInstant(slice);
  const from = visibleFrom === '-' ? ALL : readInstant(visibleFrom);
  assert(start !== undefined && from !== undefined, 'a segment is keyed by slice, visibility and number', { sort });
  return { slice: start, visibleFrom: from };
}

/** One line per key in UTF-8 order: the key's columns, then the states, separated by tabs. */
export function encodePartials(partials: Partials, accumulators: readonly Accumulator[]): string {
  return [...partials.keys()]
    .sort(compareUtf8)
    .map((key) => encodeLine(key, partials.get(key) ?? [], accumulators))
    .join('\n');
}

function encodeLine(key: string, states: States, accumulators: readonly Accumulator[]): string {
  let line = key;
  for (let i = 0; i < accumulators.length; i++) line += `\t${accumulators[i]?.encode(states[i] ?? null)}`;
  return line;
}

/** Merges a segment's lines into partials. */
export function decodePartials(text: string, accumulators: readonly Accumulator[], into: Partials): void {
  if (text === '') return;
  for (const line of text.split('\n')) {
    let end = line.length;
    const states: AccumulatorState[] = [];
    for (let i = accumulators.length - 1; i >= 0; i--) {
      const tab = line.lastIndexOf('\t', end - 1);
      states[i] = accumulators[i]?.decode(line.slice(tab + 1, end)) ?? null;
      end = tab;
    }
    mergeInto(into, line.slice(0, end), states, accumulators);
  }
}

export function mergeInto(into: Partials, key: string, states: States, accumulators: readonly Accumulator[]): void {
  const known = into.get(key);
  into.set(key, known ? known.map((state, i) => accumulators[i]?.merge(state, states[i] ?? null) ?? null) : states);
}

/** The text of a stored segment. */
export function partialsOf(segment: Item): string {
  assert(typeof segment['partials'] === 'string', 'a segment holds partials', { sk: segment['sk'] });
  return segment['partials'];
}

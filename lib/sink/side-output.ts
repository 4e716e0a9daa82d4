import { Decimal, toScaled } from '../aggregate/decimal.ts';
import { parseDuration, type Duration } from '../time/duration.ts';
import { parseInstant } from '../time/instant.ts';

type Exact = 'integer' | `decimal(${number})`;
/**
 * What a column of such values can hold; null is allowed in each.
 *
 * `integer` has 64 bits, `decimal(2)` is exact with two digits after the point and at most 18 in all, `timestamp` is an
 * ISO 8601 text that becomes an instant in ms, UTC.
 */
type TypeFor<Value> = [Value] extends [string]
  ? 'text' | 'timestamp'
  : [Value] extends [boolean]
    ? 'boolean'
    : [Value] extends [number]
      ? 'double' | Exact
      : [Value] extends [bigint | Decimal | number]
        ? Exact
        : never;

/** When rows become a file: as soon as one of these is reached. */
export interface Roll {
  /** 100,000 unless said. */
  readonly rows?: number;
  /** Bytes of rows as they wait in the table, 1 to 64 million; 16 million unless said. A Parquet file of them is smaller. */
  readonly bytes?: number;
  /** How long a row waits at most, to the next run of `finalize`; 1 minute unless said. */
  readonly age?: Duration;
}

/** Events that also go to files, one row each, exactly once: all accepted ones that `where` takes, late ones included. */
export interface SideOutputOf<Event> {
  /** Names the folder. The name stands for `where` in the pipeline's fingerprint. */
  readonly name: string;
  /** Pure: no clock, no network, no randomness. */
  readonly where: (event: Event) => boolean;
  /** Fields to write and their types; the columns `topic`, `partition` and `offset` stand before them. */
  readonly columns: { readonly [Field in keyof Event & string]?: TypeFor<NonNullable<Event[Field]>> };
  readonly roll?: Roll;
}

export interface Column {
  readonly name: string;
  readonly kind: 'text' | 'timestamp' | 'boolean' | 'double' | 'integer' | 'decimal';
  /** Digits after the point of a decimal; 0 for all others. */
  readonly scale: number;
}

/** A side output ready to run. */
export interface SideOutput {
  readonly name: string;
  readonly where: (event: never) => boolean;
  readonly columns: readonly Column[];
  readonly rollRows: number;
  readonly rollBytes: number;
  readonly rollAgeMs: number;
}

/** Columns that every row has before those declared: where its event is in Kafka. */
export const ORIGIN_COLUMNS = ['topic', 'partition', 'offset'] as const;

/** What a waiting row holds of one value: exact numbers as whole counts of their smallest unit, in text. */
export type Cell = string | number | boolean | null;

/** Most bytes of one row: a dozen and more of them fit an item. */
export const MAX_ROW_BYTES = 20_000;

/** A declaration whose event type nobody knows any more. */
export type LooseSideOutput = {
  readonly name: string;
  readonly where: (event: never) => boolean;
  readonly columns: object;
  readonly roll?: Roll;
};

/** A declaration made ready; its problems are listed by {@link sideOutputProblems}. */
export function sideOutputOf({ name, where, columns, roll = {} }: LooseSideOutput): SideOutput {
  return {
    name,
    where,
    columns: Object.entries(columns).flatMap(([field, type]) => columnOf(field, type) ?? []),
    rollRows: roll.rows ?? 100_000,
    rollBytes: roll.bytes ?? 16_000_000,
    rollAgeMs: parseDuration(roll.age ?? '1 minute') ?? 0,
  };
}

/** Everything about a side output that makes no sense. */
export function sideOutputProblems({ name, columns, roll = {} }: LooseSideOutput): string[] {
  const { rows = 1, bytes = 1, age = '1 minute' } = roll;
  const ageMs = parseDuration(age) ?? -1;
  const entries = Object.entries(columns);
  const own: readonly string[] = ORIGIN_COLUMNS;
  return [
    ...(/^[a-z][a-z0-9-]{0,62}$/.test(name) ? [] : [`name is '${name}'; expected lower-case letters, digits and '-'`]),
    ...(entries.length > 0 ? [] : ['columns is empty; expected at least one']),
    ...entries.flatMap(([field, type]) => [
      ...(columnOf(field, type) ? [] : [`column '${field}' is '${type}'; expected text, decimal(2) and so on`]),
      ...(own.includes(field) ? [`column '${field}' is a name of ours; rename the field in a map step`] : []),
    ]),
    ...(isWithin(rows, 1_000_000) ? [] : [`roll.rows is ${rows}; expected 1 to 1,000,000`]),
    ...(isWithin(bytes, 64_000_000) ? [] : [`roll.bytes is ${bytes}; expected 1 to 64,000,000`]),
    ...(ageMs >= 0 && ageMs <= 86_400_000 ? [] : [`roll.age is '${age}'; expected a duration of at most 1 day`]),
  ].map((problem) => `sideOutput: ${problem}`);
}

const isWithin = (value: number, most: number): boolean => Number.isInteger(value) && value >= 1 && value <= most;

function columnOf(name: string, type: unknown): Column | undefined {
  const [, kind, scale] =
    /^(?:(text|timestamp|boolean|double|integer)|decimal\((\d|1[0-8])\))$/.exec(String(type)) ?? [];
  if (kind !== undefined) return { name, kind: kind as Column['kind'], scale: 0 }; // one of the expression's words
  return scale === undefined ? undefined : { name, kind: 'decimal', scale: Number(scale) };
}

/** A column as it is declared, for people and for the fingerprint: `amount decimal(2)`. */
export const columnText = ({ name, kind, scale }: Column): string =>
  `${name} ${kind === 'decimal' ? `decimal(${scale})` : kind}`;

/**
 * An event as a waiting row: a JSON list of its offset and its cells in the order of the columns.
 *
 * @returns the row; none when `where` does not take the event; or the reason it fits none: the record is a rejection.
 */
export function rowsOf(
  { columns, where }: SideOutput,
  event: Readonly<Record<string, unknown>>,
  offset: number,
): readonly string[] | string {
  try {
    if (!where(event as never)) return []; // typed where it is declared
  } catch (error) {
    return `side output: ${error instanceof Error ? error.message : String(error)}`;
  }
  const cells: Cell[] = [offset];
  for (const column of columns) {
    const cell = cellOf(column, event[column.name] ?? null);
    if (cell === undefined) return `side output: a value does not fit ${columnText(column)}`;
    cells.push(cell);
  }
  const row = JSON.stringify(cells);
  const bytes = Buffer.byteLength(row);
  return bytes > MAX_ROW_BYTES
    ? `side output: the row has ${bytes} bytes; at most ${MAX_ROW_BYTES} are allowed`
    : [row];
}

function cellOf({ kind, scale }: Column, value: unknown): Cell | undefined {
  if (value === null) return null;
  switch (kind) {
    case 'text':
      return typeof value === 'string' ? value.toWellFormed() : undefined;
    case 'timestamp':
      return typeof value === 'string' ? parseInstant(value) : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'double':
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'integer':
      return exact(value, 0, MAX_INTEGER);
    case 'decimal':
      return exact(value, scale, MAX_DECIMAL);
  }
}

/** Greatest magnitude of 64 bits, and of 18 digits, which is as much as 64 bits hold of any digits. */
const MAX_INTEGER = 2n ** 63n - 1n;
const MAX_DECIMAL = 10n ** 18n - 1n;

function exact(value: unknown, scale: number, most: bigint): string | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  if (!isNumber && !(value instanceof Decimal)) return undefined;
  const units = toScaled(isNumber ? value : value.text, scale);
  return units === undefined || units > most || units < -most ? undefined : `${units}`;
}

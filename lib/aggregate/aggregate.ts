import { inspect } from 'node:util';
import { Decimal, MAX_SCALE, compareDecimals, divide, fromScaled, toScaled, type Rounding } from './decimal.ts';

/** How exact a declared number is. */
export interface Exactness {
  /** Digits after the point, 0 to 18. */
  readonly scale: number;
  /** The rule for values with more digits; without it, a record that holds one is rejected. */
  readonly round?: Rounding;
}

export interface AverageExactness extends Exactness {
  /** Digits after the point of the average as read, `scale` to `scale + 10`; `scale + 4` unless declared, as in Spark. */
  readonly resultScale?: number;
}

/** How many events. */
export interface Count {
  readonly kind: 'count';
}

/** An exact aggregate of the numeric field `F`. Null or absent values are ignored, as in SQL. */
export interface Measure<F extends string = string> extends AverageExactness {
  readonly kind: 'sum' | 'avg' | 'min' | 'max';
  readonly field: F;
}

/** A declared aggregate: plain data, printed and hashed as it stands. */
export type Aggregate<F extends string = string> = Count | Measure<F>;

/** The mergeable state of one aggregate: an immutable value; null when no value has been seen. */
export type AccumulatorState = number | bigint | AverageState | null;

/** A sum at the aggregate's scale and the number of values in it. */
export interface AverageState {
  readonly sum: bigint;
  readonly count: number;
}

/**
 * What one aggregate does with values and states.
 *
 * `merge` is associative and commutative, and `zero` is its identity: however events are cut into batches and segments,
 * the merged state is the same.
 */
export interface Accumulator<State = AccumulatorState> {
  /** The field of an event whose value it takes; undefined when it takes none. */
  readonly field: string | undefined;
  /** The state of no events. */
  readonly zero: State;
  /**
   * The state of one event.
   *
   * @param value the field's: a number, bigint or Decimal; null or undefined is ignored; `count` ignores all.
   * @returns undefined when the value is not representable at the declared scale: the record is rejected.
   */
  of(this: void, value: unknown): State | undefined;
  merge(this: void, a: State, b: State): State;
  /** Compact text without tab, newline or backslash. */
  encode(this: void, state: State): string;
  decode(this: void, text: string): State;
  read(this: void, state: State): Result;
}

/** What an aggregate comes to; null when there was no value. */
export type Result = number | Decimal | null;

/** Counts events. */
export const count = (): Count => Object.freeze({ kind: 'count' });

/** Adds up a numeric field, exactly. `sum('amount', { scale: 2 })` */
export const sum = <const F extends string>(field: F, exactness: Exactness): Measure<F> =>
  measure('sum', field, exactness);

/** The average of a numeric field: sum and count until it is read, then rounded half-even to `resultScale`. */
export const avg = <const F extends string>(field: F, exactness: AverageExactness): Measure<F> =>
  measure('avg', field, exactness);

/** The least value of a numeric field. */
export const min = <const F extends string>(field: F, exactness: Exactness): Measure<F> =>
  measure('min', field, exactness);

/** The greatest value of a numeric field. */
export const max = <const F extends string>(field: F, exactness: Exactness): Measure<F> =>
  measure('max', field, exactness);

const measure = <F extends string>(kind: Measure['kind'], field: F, exactness: AverageExactness): Measure<F> =>
  Object.freeze({ ...exactness, kind, field });

/**
 * What makes no sense in a declared aggregate, as sentences; empty when all is well.
 *
 * @param name the declared name, to say where.
 */
export function aggregateProblems(name: string, aggregate: Aggregate): string[] {
  const options = OPTIONS[aggregate.kind];
  if (options === undefined)
    return [`aggregate ${name}: no such kind: ${inspect(aggregate.kind)}; use ${Object.keys(OPTIONS).join(', ')}`];
  const problems = Object.keys(aggregate)
    .filter((option) => option !== 'kind' && !options.includes(option))
    .map((option) => `${aggregate.kind} takes no ${option}; it takes ${options.join(', ') || 'nothing'}`);
  if (aggregate.kind !== 'count') problems.push(...measureProblems(aggregate));
  return problems.map((problem) => `aggregate ${name}: ${problem}`);
}

/** What each kind takes, in the order documentation names it. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  count: [],
  sum: ['field', 'scale', 'round'],
  avg: ['field', 'scale', 'round', 'resultScale'],
  min: ['field', 'scale', 'round'],
  max: ['field', 'scale', 'round'],
};

function* measureProblems({ kind, field, scale, round, resultScale }: Measure): Generator<string> {
  if (typeof field !== 'string' || field === '') yield `${kind} needs the name of a field, found ${inspect(field)}`;
  if (!isWithin(scale, 0, MAX_SCALE)) yield `scale is a whole number from 0 to ${MAX_SCALE}, found ${inspect(scale)}`;
  else if (resultScale !== undefined && !isWithin(resultScale, scale, scale + 10)) {
    yield `resultScale is a whole number from scale (${scale}) to ${scale + 10}, found ${inspect(resultScale)}`;
  }
  if (round !== undefined && round !== 'half-even' && round !== 'half-up') {
    yield `round is 'half-even' or 'half-up', found ${inspect(round)}`;
  }
}

const isWithin = (value: unknown, least: number, greatest: number): boolean =>
  Number.isInteger(value) && Number(value) >= least && Number(value) <= greatest;

/** The accumulator of a declared aggregate; the declaration is one without problems. */
export function accumulator(aggregate: Aggregate): Accumulator {
  if (aggregate.kind === 'count') return counting;
  return aggregate.kind === 'avg' ? averaging(aggregate) : combining(aggregate, COMBINE[aggregate.kind]);
}

const COMBINE: Readonly<Record<Exclude<Measure['kind'], 'avg'>, (a: bigint, b: bigint) => bigint>> = {
  sum: (a, b) => a + b,
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
};

const counting: Accumulator<number> = {
  field: undefined,
  zero: 0,
  of: () => 1,
  merge: (a, b) => a + b,
  encode: (state) => `${state}`,
  decode: Number,
  read: (state) => state,
};

/** One scaled integer, or null as long as there was no value. */
function combining(measure: Measure, combine: (a: bigint, b: bigint) => bigint): Accumulator<bigint | null> {
  return {
    field: measure.field,
    zero: null,
    of: unitsOf(measure),
    merge: (a, b) => (a === null ? b : b === null ? a : combine(a, b)),
    encode: (state) => (state === null ? '' : `${state}`),
    decode: (text) => (text === '' ? null : BigInt(text)),
    read: (state) => (state === null ? null : fromScaled(state, measure.scale)),
  };
}

/** Written as the fraction it is: `1234/5`. */
function averaging(measure: Measure): Accumulator<AverageState> {
  const { field, scale, resultScale = scale + 4 } = measure;
  const units = unitsOf(measure);
  const zero = { sum: 0n, count: 0 };
  return {
    field,
    zero,
    of(value) {
      const sum = units(value);
      return sum === undefined ? undefined : sum === null ? zero : { sum, count: 1 };
    },
    merge: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
    encode: ({ sum, count }) => `${sum}/${count}`,
    decode(text) {
      const slash = text.indexOf('/');
      return { sum: BigInt(text.slice(0, slash)), count: Number(text.slice(slash + 1)) };
    },
    read: ({ sum, count }) => (count === 0 ? null : divide(sum, count, scale, resultScale)),
  };
}

/** A field's value as a scaled integer; null for no value, undefined for one that is not representable. */
function unitsOf({ scale, round }: Measure): (value: unknown) => bigint | null | undefined {
  const exact = (value: number | string | bigint): bigint | undefined => toScaled(value, scale, round);
  return (value) => {
    if (typeof value === 'number' || typeof value === 'bigint') return exact(value);
    if (value instanceof Decimal) return exact(value.text);
    return value === null || value === undefined ? null : undefined;
  };
}

/** Negative, 0 or positive as result `a` ranks below, with or above `b`; exact; no value ranks below every number. */
export function compareResults(a: Result, b: Result): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  return compareDecimals(decimalOf(a), decimalOf(b));
}

const decimalOf = (result: number | Decimal): Decimal =>
  typeof result === 'number' ? fromScaled(BigInt(result), 0) : result;

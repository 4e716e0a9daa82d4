import type { Aggregate, Pipeline } from '../../lib/index.ts';
import type { Add } from './kafka.ts';
import { oracle, type Decision } from './oracle.ts';

/** Every amount that was added to a group: aggregates are worked out from all of them, at once. */
interface Group {
  readonly keys: readonly (string | null)[];
  readonly amounts: number[];
}

/** The groups of one window, by key. */
export type Groups = Map<string, Group>;

export function addTo(groups: Groups, { keys, amount }: Add): void {
  const key = JSON.stringify(keys);
  const group = groups.get(key);
  if (group) group.amounts.push(amount);
  else groups.set(key, { keys, amounts: [amount] });
}

/** What a pipeline's running totals come to after so many commits of each partition; of all of them unless said. */
export function totalsAfter(
  histories: Iterable<readonly [partition: number, { readonly decisions: readonly Decision[] }]>,
  commitsOf: (partition: number) => number = () => Number.POSITIVE_INFINITY,
): Groups {
  const groups: Groups = new Map();
  for (const [partition, { decisions }] of histories) {
    const upTo = commitsOf(partition);
    const counted = decisions.filter((decision) => decision.kind === 'count' && decision.commits <= upTo);
    oracle(new Map(), counted, ({ truth }) => {
      if (truth.kind === 'event') for (const add of truth.adds) addTo(groups, add);
    });
  }
  return groups;
}

/** A row in words: its group, then its columns. */
export const rowText = (pipeline: Pipeline, row: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify(pipeline.groupBy.map((column) => row[column] ?? null))} ${columnsText(pipeline, row)}`;

/** The columns of a row, or of totals, in words. */
export const columnsText = (pipeline: Pipeline, row: Readonly<Record<string, unknown>>): string =>
  pipeline.columns.map((column) => String(row[column])).join(' ');

/** What is expected of the groups of a window. */
export interface Table {
  /** Rows in rank order, in words. */
  readonly rows: readonly string[];
  /** All groups in one, in words. */
  readonly totals: string;
}

/** Groups as the results of a pipeline: aggregated, ordered by the declared column, ties by key in UTF-8 bytes. */
export function tableOf({ aggregates, orderBy }: Pipeline, groups: Groups): Table {
  const valuesOf = (amounts: readonly number[]) => aggregates.map((aggregate) => valueOf(aggregate, amounts));
  const rows = [...groups.values()].map(({ keys, amounts }) => ({ keys, values: valuesOf(amounts) }));
  const rank = (values: readonly Value[]) => values[orderBy]?.units ?? 0n;
  rows.sort((a, b) => Number(rank(b.values) - rank(a.values)) || compareKeys(a.keys, b.keys));
  const text = (values: readonly Value[]) => values.map(decimalText).join(' ');
  const all = [...groups.values()].flatMap(({ amounts }) => amounts);
  return {
    rows: rows.map(({ keys, values }) => `${JSON.stringify(keys)} ${text(values)}`),
    totals: all.length === 0 ? '' : text(valuesOf(all)),
  };
}

interface Value {
  readonly units: bigint;
  readonly scale: number;
}

/** An aggregate of amounts in whole units, by brute force. */
function valueOf(aggregate: Aggregate, amounts: readonly number[]): Value {
  if (aggregate.kind === 'count') return { units: BigInt(amounts.length), scale: 0 };
  const { kind, scale, resultScale = scale + 4 } = aggregate;
  const sum = amounts.reduce((total, amount) => total + BigInt(amount), 0n);
  if (kind === 'sum') return { units: sum, scale };
  if (kind === 'avg') {
    const units = halfEven(sum * 10n ** BigInt(resultScale - scale), BigInt(amounts.length));
    return { units, scale: resultScale };
  }
  return { units: BigInt(kind === 'min' ? Math.min(...amounts) : Math.max(...amounts)), scale };
}

/** The nearest whole number, a tie to the even one. */
function halfEven(dividend: bigint, divisor: bigint): bigint {
  const rest = ((dividend % divisor) + divisor) % divisor;
  const below = (dividend - rest) / divisor;
  return 2n * rest > divisor || (2n * rest === divisor && below % 2n !== 0n) ? below + 1n : below;
}

/** Whole units as the shortest decimal. */
function decimalText({ units, scale }: Value): string {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const [whole, fraction] = [digits.slice(0, digits.length - scale), digits.slice(digits.length - scale)];
  const text = `${whole}.${fraction}`.replace(/\.?0*$/, '');
  return units < 0n ? `-${text}` : text;
}

/** Null first, then by UTF-8 bytes. */
function compareKeys(a: readonly (string | null)[], b: readonly (string | null)[]): number {
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? null;
    if (x === y) continue;
    if (x === null || y === null) return x === null ? -1 : 1;
    return Buffer.compare(Buffer.from(x), Buffer.from(y));
  }
  return 0;
}

import { z } from 'zod';
import {
  Decimal,
  avg,
  count,
  kafka,
  max,
  min,
  pipeline,
  running,
  sliding,
  sum,
  tumbling,
  unixMillis,
} from '../../lib/index.ts';
import type { Aggregate, Duration, Pipeline, WindowKind } from '../../lib/index.ts';
import { toScaled } from '../../lib/aggregate/decimal.ts';
import type { Row as StoredRow } from '../../lib/store/results.ts';
import type { Bounds, Event, Fields, Json, Row, Spec, WindowSpec } from './schema.ts';

export const TOPIC = 'vector';
/** The most a watermark may stay behind. */
export const MAX_DELAY_MS = 365 * 86_400_000;

/** Aggregated fields of an event travel under names the pipeline's type knows. */
const SLOTS = ['v0', 'v1', 'v2'] as const;
type Slot = (typeof SLOTS)[number];

const number = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^-?\d{1,100}(\.\d{1,50})?$/)
      .transform((text) => new Decimal(text)),
  ])
  .nullable();
const Wire = z.object({
  t: z.number().nullable(),
  /** Moves time without being an event: a filter drops it, as it would any record a pipeline has no use for. */
  beat: z.boolean(),
  key: z.string().nullable(),
  element: z.string().nullable(),
  v0: number,
  v1: number,
  v2: number,
});
export type Wire = z.input<typeof Wire>;

/** An aggregate as vectors write it: `count`, `sum(v)`, `list(t)`, `count by v`. */
export interface Agg {
  readonly name: string;
  readonly field: string | undefined;
}

export function aggOf(text: string): Agg | undefined {
  const [, by] = /^count by (\w+)$/.exec(text) ?? [];
  if (by !== undefined) return { name: 'counts', field: by };
  if (text === 'count' || text === 'count(*)') return { name: 'count', field: undefined };
  const [, name, field] = /^(sum|avg|min|max|list)\((\w+)\)$/.exec(text) ?? [];
  return name === undefined ? undefined : { name, field };
}

/** A vector's declaration as a pipeline, and how its events and rows are written there. */
export interface Declared {
  readonly pipeline: Pipeline;
  readonly window: WindowSpec;
  /** Columns of the group, as the vector names them. */
  readonly columns: readonly string[];
  readonly aggs: readonly Agg[];
  wireOf(event: Event): Wire;
  /** Rows of one window as the vector writes them. Rows of one group that differ in their element become one. */
  rowsOf(window: Bounds | undefined, rows: readonly StoredRow[]): Row[];
}

export interface Options {
  readonly delayMs: number;
  /** Event times further beyond their Kafka timestamp are refused. */
  readonly maxFutureMs?: number;
  readonly filter?: (wire: z.output<typeof Wire>) => boolean;
}

/**
 * Declares what a vector asks for.
 *
 * A list, and counts by value, are a group by that value and a count: the same events in the same windows, without the
 * order of a list. An event without a key is of the null group.
 */
export function declare(spec: Spec, events: readonly Event[], options: Options): Declared {
  const window = spec.window ?? { type: 'none' };
  const columns = spec.key ?? ['k'];
  const aggs = (spec.aggs ?? ['count']).flatMap((text) => aggOf(text) ?? []);
  const element = aggs.find(({ name }) => name === 'list' || name === 'counts');
  const measures = aggs.filter(({ name }) => name !== 'list' && name !== 'counts' && name !== 'count');
  const fields = [...new Set(measures.map(({ field }) => field ?? ''))];
  const slotOf = (field: string | undefined): Slot => SLOTS[fields.indexOf(field ?? '')] ?? 'v0';

  const texts = new Map<string, readonly Json[]>();
  const aggregate: Readonly<Record<string, Aggregate<Slot>>> = {
    count: count(),
    ...Object.fromEntries(
      measures.map(({ name, field }) => [name, measure(name, slotOf(field), scaleOf(events, field) ?? 0)]),
    ),
  };
  const declared = pipeline({
    name: 'vector',
    revision: 1,
    source: kafka({
      topic: TOPIC,
      startAt: 'earliest',
      maxBatch: 10_000,
      value: Wire,
      eventTime: unixMillis('t'),
    }).filter('events', (wire) => !wire.beat && (options.filter?.(wire) ?? true)),
    groupBy: ['key', 'element'],
    ...(window.type === 'none'
      ? { windows: { w: running({ trigger: inMs(1), top: 1_000 }) } }
      : { watermark: inMs(options.delayMs), windows: { w: kindOf(window, spec.mode) } }),
    aggregate,
    orderBy: spec.order_by?.[1]?.[0] ?? 'count',
    retain: '36500 days',
    maxFuture: inMs(options.maxFutureMs ?? 0),
  });

  const textOf = (values: readonly Json[]): string | null => {
    const [only] = values;
    if (values.every((value) => value === null)) return null;
    const text = values.length === 1 && typeof only === 'string' ? only : `#${JSON.stringify(values)}`;
    texts.set(text, values);
    return text;
  };
  const numberOf = (event: Event, slot: number): string | number | null => {
    const field = fields[slot];
    const value = field === undefined ? null : valueOf(event, field);
    return typeof value === 'number' || typeof value === 'string' ? value : null;
  };
  return {
    pipeline: declared,
    window,
    columns,
    aggs,
    wireOf: (event) => ({
      t: event.t,
      beat: false,
      key: textOf(columns.map((column) => event[column] ?? null)),
      element: element?.field === undefined ? null : JSON.stringify(valueOf(event, element.field)),
      v0: numberOf(event, 0),
      v1: numberOf(event, 1),
      v2: numberOf(event, 2),
    }),
    rowsOf(bounds, rows) {
      const groups = new Map<unknown, { [name: string]: Json }>();
      for (const stored of rows) {
        const key = stored['key'] ?? null;
        const values = key === null ? [] : (texts.get(String(key)) ?? []);
        const row = groups.get(key) ?? {
          ...(bounds && { w: window.type === 'instant' ? [bounds[0], bounds[0]] : bounds }),
          ...Object.fromEntries(columns.map((column, i) => [column, values[i] ?? null])),
          ...Object.fromEntries(
            aggs.map(({ name }) => [
              name,
              name === 'list' ? [] : name === 'counts' ? {} : (plain(stored[name]) ?? null),
            ]),
          ),
        };
        groups.set(key, row);
        if (!element) continue;
        const [text, times] = [String(stored['element']), Number(stored['count'])];
        if (element.name === 'counts')
          row['counts'] = { ...(row['counts'] as Fields), [String(JSON.parse(text))]: times };
        else
          row['list'] = [
            ...(row['list'] as readonly Json[]),
            ...Array.from({ length: times }, () => JSON.parse(text) as Json),
          ];
        if ('count' in row) row['count'] = Number(row['count']) + (row['count'] === times ? 0 : times);
      }
      return [...groups.values()];
    },
  };
}

/** A field of an event; the value is 1 unless said. */
export const valueOf = (event: Event, field: string): Json =>
  event[field] ?? (field === 'v' && !('v' in event) ? 1 : null);

/** Numbers of a result row as vectors write them: exact ones as text. */
const plain = (value: StoredRow[string] | undefined): Json | undefined =>
  value instanceof Decimal ? value.text : (value as Json | undefined);

const measure = (name: string, slot: Slot, scale: number): Aggregate<Slot> =>
  name === 'sum'
    ? sum(slot, { scale })
    : name === 'min'
      ? min(slot, { scale })
      : name === 'max'
        ? max(slot, { scale })
        : avg(slot, { scale, resultScale: scale + 10 });

/** The least scale that holds every value of a field; undefined when one is no number, or none holds it. */
export function scaleOf(events: readonly Event[], field: string | undefined): number | undefined {
  let scale = 0;
  for (const event of events) {
    const value = field === undefined ? null : valueOf(event, field);
    if (value === null) continue;
    if (typeof value !== 'number' && typeof value !== 'string') return undefined;
    while (toScaled(value, scale) === undefined) if (++scale > 18) return undefined;
  }
  return scale;
}

/** A vector's window as a window of the product. A grid of instants is one of windows of 1 ms. */
export function kindOf(
  { type, size = 1, slide = size, offset = 0, align_to = 0 }: WindowSpec,
  mode?: string,
): WindowKind {
  const on = mod(offset + align_to, slide);
  const isOpen = mode === 'update' || mode === 'complete' || mode === 'changes';
  const options = {
    ...(isOpen ? { emit: 'update' as const, trigger: inMs(1) } : { emit: 'final' as const }),
    offset: inMs(on),
  };
  return type === 'hopping' ? sliding(inMs(size), { ...options, every: inMs(slide) }) : tumbling(inMs(size), options);
}

export const inMs = (ms: number): Duration => `${ms} milliseconds`;

/** An offset before the epoch is the same grid as one after it. */
const mod = (a: number, n: number): number => (n > 0 ? ((a % n) + n) % n : a);

/** What does not compile: each `@ts-expect-error` is a test, and `tsc` fails where the error beneath it is gone. */
import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import {
  Decimal,
  avg,
  count,
  kafka,
  max,
  min,
  pipeline,
  sliding,
  sum,
  tumbling,
  unixSeconds,
  type Pipeline,
} from '../../lib/index.ts';

const Sale = z.object({
  store: z.string(),
  item: z.string().nullish(),
  price: z.number(),
  pieces: z.bigint().nullable(),
  status: z.string(),
  n: z.string(),
  at: z.string(),
  ts: z.number(),
});
const source = kafka({ topic: 'sales', startAt: 'earliest', value: Sale, eventTime: 'at' });
const rest = {
  name: 'sales',
  revision: 1,
  watermark: '30 seconds',
  windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
  retain: '7 days',
} as const;

/** The whole declaration infers, also behind every kind of step. */
export const good: Pipeline = pipeline({
  ...rest,
  source: source
    .filter('sold', (sale) => {
      expectTypeOf(sale).toEqualTypeOf<z.infer<typeof Sale>>();
      return sale.price > 0;
    })
    .enrich('size', ({ price }) => ({ size: price < 100 ? 'small' : 'large', price: new Decimal(String(price)) }))
    .flatMap('pieces', (sale) => {
      expectTypeOf(sale.size).toEqualTypeOf<string>();
      expectTypeOf(sale.price).toEqualTypeOf<Decimal>();
      return [sale, sale];
    })
    .map('less', ({ store, item, size, price, pieces }) => ({ store, item, size, price, pieces })),
  groupBy: ['store', 'item', 'size'],
  windows: {
    '1m': tumbling('1 minute', { emit: 'final', offset: '15 seconds' }),
    '10m': sliding('10 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 10 }),
  },
  aggregate: {
    sales: count(),
    revenue: sum('price', { scale: 2 }),
    mean: avg('price', { scale: 2, resultScale: 3 }),
    least: min('price', { scale: 2 }),
    most: max('pieces', { scale: 0 }),
  },
  orderBy: 'revenue',
});

/** Pipelines of different events are one type: a list of them needs no `any`. */
export const all: readonly Pipeline[] = [good];

const items = source.map('x', ({ item }) => ({ item }));
export const wrong = [
  // @ts-expect-error a misspelt field in groupBy
  () => pipeline({ ...rest, source, groupBy: ['stor'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error a group by a number
  () => pipeline({ ...rest, source, groupBy: ['price'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error a group by nothing
  () => pipeline({ ...rest, source, groupBy: [], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error a group by a field a step has taken away
  () => pipeline({ ...rest, source: items, groupBy: ['store'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error a misspelt field in sum
  () => pipeline({ ...rest, source, groupBy: ['store'], aggregate: { x: sum('prize', { scale: 2 }) }, orderBy: 'x' }),
  // @ts-expect-error an average of text
  () => pipeline({ ...rest, source, groupBy: ['store'], aggregate: { x: avg('store', { scale: 2 }) }, orderBy: 'x' }),
  // @ts-expect-error a sum without its scale
  () => sum('price'),
  // @ts-expect-error a count of a field
  () => count('price'),
  // @ts-expect-error an unknown column to order by
  () => pipeline({ ...rest, source, groupBy: ['store'], aggregate: { sales: count() }, orderBy: 'revenue' }),
  // @ts-expect-error a group named like a column of ours
  () => pipeline({ ...rest, source, groupBy: ['status'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error an aggregate named like a column of ours
  () => pipeline({ ...rest, source, groupBy: ['store'], aggregate: { window_end: count() }, orderBy: 'window_end' }),
  // @ts-expect-error an aggregate named like a group
  () => pipeline({ ...rest, source, groupBy: ['n'], aggregate: { n: count() }, orderBy: 'n' }),
  // @ts-expect-error a misspelt event time
  () => kafka({ topic: 't', startAt: 'latest', value: Sale, eventTime: 'att' }),
  // @ts-expect-error an event time in a number without its unit
  () => kafka({ topic: 't', startAt: 'latest', value: Sale, eventTime: 'ts' }),
  // @ts-expect-error a misspelt event time in seconds
  () => kafka({ topic: 't', startAt: 'latest', value: Sale, eventTime: unixSeconds('tss') }),
  // @ts-expect-error no start
  () => kafka({ topic: 't', value: Sale, eventTime: 'at' }),
  // @ts-expect-error a field no step knows
  () => source.filter('x', (sale) => sale.prize > 1),
  // @ts-expect-error a sliding window without its step
  () => sliding('10 minutes', { emit: 'final' }),
  // @ts-expect-error an updating window without its trigger
  () => sliding('10 minutes', { every: '30 seconds', emit: 'update' }),
  // @ts-expect-error a trigger for a window that is not refreshed
  () => tumbling('1 minute', { emit: 'final', trigger: '30 seconds' }),
  // @ts-expect-error a window that does not say when it emits
  () => tumbling('1 minute', {}),
  // @ts-expect-error a duration in a unit nobody knows
  () => tumbling('1 fortnight', { emit: 'final' }),
  // @ts-expect-error a number for a duration
  () => tumbling(60_000, { emit: 'final' }),
];

const { watermark: _watermark, ...noWatermark } = rest;
const { retain: _retain, ...noRetain } = rest;
const { windows: _windows, ...noWindows } = rest;
const { revision: _revision, ...noRevision } = rest;
export const missing = [
  // @ts-expect-error no watermark: a hidden one would lose data
  () => pipeline({ ...noWatermark, source, groupBy: ['store'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error no retain: a hidden one would delete data
  () => pipeline({ ...noRetain, source, groupBy: ['store'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error no windows
  () => pipeline({ ...noWindows, source, groupBy: ['store'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error no revision
  () => pipeline({ ...noRevision, source, groupBy: ['store'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error no source
  () => pipeline({ ...rest, groupBy: ['store'], aggregate: { sales: count() }, orderBy: 'sales' }),
  // @ts-expect-error no order
  () => pipeline({ ...rest, source, groupBy: ['store'], aggregate: { sales: count() } }),
];

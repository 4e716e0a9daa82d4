import * as z from 'zod';
import { kafka, pipeline, sum, tumbling, unixSeconds } from '../index.ts';

/** One item sold in a store. */
export const Sale = z.object({
  store: z.string().min(1),
  item: z.string(),
  price: z.number(),
  ts: z.number(),
});

/** Revenue per store and half minute. Whole prices give whole sums; cents are kept, never cut off. */
export const sales = pipeline({
  name: 'sales',
  revision: 1,
  source: kafka({ topic: 'sales', startAt: 'earliest', value: Sale, eventTime: unixSeconds('ts') }),
  watermark: '30 seconds',
  groupBy: ['store'],
  windows: { '30s': tumbling('30 seconds', { emit: 'update', trigger: '10 seconds' }) },
  aggregate: { total_revenue_int: sum('price', { scale: 2 }) },
  orderBy: 'total_revenue_int',
  retain: '7 days',
});

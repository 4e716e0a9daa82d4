import * as z from 'zod';
import { avg, count, kafka, kafkaTimestamp, pipeline, sum, tumbling } from '../index.ts';

/** A payment of a customer. An amount with more than two digits after the point is none: the record is rejected. */
export const Transaction = z.object({
  transaction_id: z.string().min(1),
  user_id: z.string().min(1),
  amount: z.number(),
  type: z.enum(['purchase', 'refund', 'transfer', 'withdrawal']),
  timestamp: z.string(),
  location: z.enum(['online', 'store']),
});
export type Transaction = z.infer<typeof Transaction>;

/** How large an amount is. */
export const amountCategory = (amount: number): 'small' | 'medium' | 'large' =>
  amount < 100 ? 'small' : amount < 500 ? 'medium' : 'large';

/** Payments by the timestamps of their Kafka records, each with its `amount_category`, a column to group by like any other. */
export const payments = kafka({
  topic: 'real-time-transactions',
  startAt: 'earliest',
  value: Transaction,
  eventTime: kafkaTimestamp,
}).enrich('amount category', ({ amount }) => ({ amount_category: amountCategory(amount) }));

/**
 * What is paid per type in five minutes, to the cent; the average is rounded half-even to cents when it is read. Large
 * online withdrawals also go to Parquet files, for whoever looks into them.
 */
export const transactions = pipeline({
  name: 'transactions',
  revision: 1,
  source: payments,
  watermark: '1 minute',
  groupBy: ['type'],
  windows: { '5m': tumbling('5 minutes', { emit: 'update', trigger: '30 seconds' }) },
  aggregate: {
    transaction_count: count(),
    total_amount: sum('amount', { scale: 2 }),
    avg_amount: avg('amount', { scale: 2, resultScale: 2 }),
  },
  orderBy: 'total_amount',
  retain: '30 days',
  sideOutput: {
    name: 'suspicious',
    where: ({ amount, type, location }) => amount > 500 && type === 'withdrawal' && location === 'online',
    columns: {
      transaction_id: 'text',
      user_id: 'text',
      amount: 'decimal(2)',
      amount_category: 'text',
      timestamp: 'text',
    },
  },
});

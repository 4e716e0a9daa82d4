/** What does not compile: each `@ts-expect-error` is a test, and `tsc` fails where the error beneath it is gone. */
import { z } from 'zod';
import { Decimal, count, kafka, pipeline, tumbling, type Pipeline } from '../../lib/index.ts';

const Payment = z.object({
  id: z.string(),
  amount: z.number(),
  pieces: z.bigint().nullable(),
  is_new: z.boolean().optional(),
  kind: z.enum(['purchase', 'refund']),
  tags: z.array(z.string()),
  at: z.string(),
});
const rest = {
  name: 'payments',
  revision: 1,
  source: kafka({ topic: 'payments', startAt: 'earliest', value: Payment, eventTime: 'at' }).enrich('fee', () => ({
    fee: new Decimal('0.25'),
  })),
  watermark: '30 seconds',
  groupBy: ['id'],
  windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
  aggregate: { n: count() },
  orderBy: 'n',
  retain: '7 days',
} as const;

/** The predicate sees the event as the steps left it; columns name its fields. */
export const good: Pipeline = pipeline({
  ...rest,
  sideOutput: {
    name: 'large',
    where: (payment) => payment.amount > 500 && payment.kind === 'refund' && payment.fee.text !== '0',
    columns: {
      id: 'text',
      at: 'timestamp',
      amount: 'decimal(2)',
      fee: 'decimal(4)',
      pieces: 'integer',
      is_new: 'boolean',
      kind: 'text',
    },
    roll: { rows: 10_000, age: '5 minutes' },
  },
});
export const ratio: Pipeline = pipeline({
  ...rest,
  sideOutput: { name: 'all', where: () => true, columns: { amount: 'double' } },
});

const large = { name: 'large', where: () => true } as const;
export const wrong = [
  // @ts-expect-error a misspelt column
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { idd: 'text' } } }),
  // @ts-expect-error a misspelt field in the predicate
  () => pipeline({ ...rest, sideOutput: { name: 'x', where: ({ amont }) => amont > 1, columns: { id: 'text' } } }),
  // @ts-expect-error text as a number
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { id: 'decimal(2)' } } }),
  // @ts-expect-error a number as text
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { amount: 'text' } } }),
  // @ts-expect-error an exact number as a double
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { fee: 'double' } } }),
  // @ts-expect-error a decimal without its scale
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { amount: 'decimal' } } }),
  // @ts-expect-error a number that may be a time in any unit
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { amount: 'timestamp' } } }),
  // @ts-expect-error a field that fits no column
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { tags: 'text' } } }),
  // @ts-expect-error no predicate
  () => pipeline({ ...rest, sideOutput: { name: 'x', columns: { id: 'text' } } }),
  // @ts-expect-error no name
  () => pipeline({ ...rest, sideOutput: { where: () => true, columns: { id: 'text' } } }),
  // @ts-expect-error an age without a unit
  () => pipeline({ ...rest, sideOutput: { ...large, columns: { id: 'text' }, roll: { age: 60 } } }),
];

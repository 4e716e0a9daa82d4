import type { Mock } from '../emit.ts';
import type { Message } from '../source/producer.ts';
import { formatInstant } from '../time/instant.ts';
import { ageMs, isOneIn, type Shares } from './mishaps.ts';
import { pick } from './random.ts';
import type { Transaction } from './transactions.ts';

export const TRANSACTION_SHARES = {
  late: 1,
  /** A terminal that was offline: the producer stamps the record when it is made, and sends it when it can. */
  lateMs: [420_000, 1_200_000],
  outOfOrder: 5,
  malformed: 0.5,
} as const satisfies Shares;

const SPOIL = [
  (value: object) => JSON.stringify(value).slice(0, -20),
  (value: object) => JSON.stringify({ ...value, amount: 'a lot' }),
  (value: object) => JSON.stringify({ ...value, amount: 19.999 }),
  (value: object) => JSON.stringify({ ...value, type: 'gift' }),
  () => null,
] as const;

const TYPES = ['purchase', 'refund', 'transfer', 'withdrawal'] as const;
const LOCATIONS = ['online', 'store'] as const;
const USERS = 100;

/** A hundred customers pay 10.00 to 1000.00: one transaction a second, keyed by customer. */
export const transactionsMock: Mock = {
  pipeline: 'transactions',
  topic: { name: 'real-time-transactions', partitions: 3 },
  everyMs: 1_000,
  batch: 1,
  generate(random, now, sequence): Message {
    const timestamp = now - ageMs(random, TRANSACTION_SHARES);
    const value: Transaction = {
      transaction_id: `txn_${String(sequence).padStart(4, '0')}`,
      user_id: `user_${1 + Math.floor(random() * USERS)}`,
      amount: (1_000 + Math.floor(random() * 99_001)) / 100,
      type: pick(random, TYPES),
      timestamp: formatInstant(timestamp).slice(0, 19).replace('T', ' '),
      location: pick(random, LOCATIONS),
    };
    return {
      key: value.user_id,
      value: isOneIn(random, TRANSACTION_SHARES.malformed) ? pick(random, SPOIL)(value) : JSON.stringify(value),
      timestamp,
    };
  },
};

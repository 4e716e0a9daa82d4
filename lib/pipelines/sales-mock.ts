import type { Mock } from '../emit.ts';
import type { Message } from '../source/producer.ts';
import { ageMs, isOneIn, type Shares } from './mishaps.ts';
import { pick } from './random.ts';

export const SALES_SHARES = {
  late: 1,
  lateMs: [120_000, 1_200_000],
  outOfOrder: 5,
  malformed: 0.5,
} as const satisfies Shares;

const SPOIL = [
  (value: object) => JSON.stringify(value).slice(0, -10),
  (value: object) => JSON.stringify({ ...value, price: '4 coins' }),
  (value: object) => JSON.stringify({ ...value, ts: undefined }),
  (value: object) => JSON.stringify({ ...value, ts: 1e15 }),
  () => null,
] as const;

export const STORES = ['airport', 'harbour', 'market', 'museum', 'station'] as const;

const ITEMS = [
  { item: 'coffee', price: 4 },
  { item: 'sandwich', price: 9 },
  { item: 'book', price: 18 },
  { item: 'umbrella', price: 25 },
  { item: 'headphones', price: 79 },
] as const;

/** Five stores sell five items at whole prices: one sale a second, keyed by store. */
export const salesMock: Mock = {
  pipeline: 'sales',
  topic: { name: 'sales', partitions: 3 },
  everyMs: 1_000,
  batch: 1,
  generate(random, now): Message {
    const store = pick(random, STORES);
    const value = { store, ...pick(random, ITEMS), ts: Math.floor((now - ageMs(random, SALES_SHARES)) / 1000) };
    return {
      key: store,
      value: isOneIn(random, SALES_SHARES.malformed) ? pick(random, SPOIL)(value) : JSON.stringify(value),
    };
  },
};

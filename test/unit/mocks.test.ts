import { describe, expect, test } from 'vitest';
import { seeded } from '../../lib/pipelines/random.ts';
import { SALES_SHARES, STORES, salesMock } from '../../lib/pipelines/sales-mock.ts';
import { sales } from '../../lib/pipelines/sales.ts';
import { ACTIVITY_SHARES, telegramActivityMock } from '../../lib/pipelines/telegram-activity-mock.ts';
import { telegramActivity } from '../../lib/pipelines/telegram-activity.ts';
import { SHARES, telegramMock } from '../../lib/pipelines/telegram-mock.ts';
import { telegram } from '../../lib/pipelines/telegram.ts';
import { TRANSACTION_SHARES, transactionsMock } from '../../lib/pipelines/transactions-mock.ts';
import { transactions } from '../../lib/pipelines/transactions.ts';
import { TWEET_SHARES, tweetsMock } from '../../lib/pipelines/tweets-mock.ts';
import { tweets } from '../../lib/pipelines/tweets.ts';
import { decode } from '../../lib/source/decode.ts';
import type { Mock } from '../../lib/emit.ts';
import type { Message } from '../../lib/source/producer.ts';

const NOW = Date.UTC(2026, 0, 8, 18, 58);
const COUNT = 20_000;

const messagesOf = (mock: Mock, seed: number, count = COUNT): Message[] => {
  const random = seeded(seed);
  return Array.from({ length: count }, (_, i) => mock.generate(random, NOW, 1 + i));
};

const ALL = [
  { pipeline: telegram, mock: telegramMock, shares: SHARES, rate: '3 every 500 ms' },
  { pipeline: telegramActivity, mock: telegramActivityMock, shares: ACTIVITY_SHARES, rate: '1 every 2000 ms' },
  { pipeline: transactions, mock: transactionsMock, shares: TRANSACTION_SHARES, rate: '1 every 1000 ms' },
  { pipeline: sales, mock: salesMock, shares: SALES_SHARES, rate: '1 every 1000 ms' },
  {
    pipeline: tweets,
    mock: tweetsMock,
    shares: { ...TWEET_SHARES, late: 0, lateMs: [Infinity, Infinity], outOfOrder: 0 },
    rate: '1 every 500 ms',
  },
].map((entry) => ({ name: entry.pipeline.name, ...entry }));

describe.each(ALL)('the mock of $name', ({ pipeline, mock, shares, rate }) => {
  const messages = messagesOf(mock, 7);
  const decoded = messages.map(({ value, timestamp = NOW }, offset) => {
    const base64 = value === null ? null : Buffer.from(value).toString('base64');
    return decode(pipeline, { offset, timestamp, key: null, value: base64 }, NOW);
  });
  const accepted = decoded.filter(({ reason }) => reason === undefined);
  const agesMs = accepted.map(({ instant }) => NOW - (instant ?? Number.NaN));
  const percent = (count: number): number => (100 * count) / COUNT;

  test('feeds its topic at its rate', () => {
    expect(mock.pipeline).toBe(pipeline.name);
    expect(mock.topic.name).toBe(pipeline.source.topic);
    expect(`${mock.batch} every ${mock.everyMs} ms`).toBe(rate);
  });

  test('says the same for the same seed, and something else for another', () => {
    expect(messagesOf(mock, 7, 100)).toEqual(messages.slice(0, 100));
    expect(messagesOf(mock, 8, 100)).not.toEqual(messages.slice(0, 100));
  });

  test('has the declared shares of late, out of order and malformed', () => {
    const [least, most] = shares.lateMs as readonly [number, number]; // an entry above
    const late = agesMs.filter((age) => age >= least);
    expect(Math.abs(percent(late.length) - shares.late)).toBeLessThan(0.3);
    expect(Math.max(...late, 0)).toBeLessThan(most + 1_000);
    const outOfOrder = agesMs.filter((age) => age >= 1_000 && age < 6_000);
    expect(Math.abs(percent(outOfOrder.length) - shares.outOfOrder)).toBeLessThan(0.5);
    expect(Math.abs(percent(COUNT - accepted.length) - shares.malformed)).toBeLessThan(0.2);
  });

  test('is malformed in more ways than one, a tombstone among them', () => {
    const kinds = new Set(decoded.flatMap(({ reason }) => reason?.split(':')[0] ?? []));
    expect(kinds).toContain('tombstone');
    expect(kinds.size).toBeGreaterThan(1);
  });

  test('has events too old for the shortest windows, and some too old for all', () => {
    for (const { sizeMs } of pipeline.geometry.kinds.values()) {
      expect(agesMs.some((age) => age >= pipeline.delayMs + sizeMs)).toBe(true);
    }
  });
});

/** What the well-formed messages of a mock say, with their keys. */
const saidBy = (mock: Mock): { key: string | null; value: Record<string, unknown> }[] =>
  messagesOf(mock, 7).flatMap(({ key, value }) => {
    try {
      const parsed: unknown = JSON.parse(value ?? '');
      return [{ key, value: parsed as Record<string, unknown> }];
    } catch {
      return [];
    }
  });

test('activity is written in both forms of time', () => {
  const times = saidBy(telegramActivityMock).map(({ value }) => String(value['timestamp']));
  const iso = times.filter((time) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time));
  const plain = times.filter((time) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time));
  expect((100 * iso.length) / COUNT).toBeCloseTo(ACTIVITY_SHARES.iso, -1);
  expect(plain.length).toBeGreaterThan(15_000);
  expect(times).toContain('2026-01-08 18:58:00');
});

test('transactions have ids, a hundred customers as keys, cents, and suspicious ones among them', () => {
  const said = saidBy(transactionsMock);
  expect(said[6]?.value['transaction_id']).toBe('txn_0007');
  const customers = new Set(said.map(({ key }) => key));
  expect(customers.size).toBe(100);
  expect([customers.has('user_1'), customers.has('user_100')]).toEqual([true, true]);
  expect(said.every(({ key, value }) => value['user_id'] === key)).toBe(true);
  const amounts = said.map(({ value }) => value['amount']).filter((amount) => typeof amount === 'number');
  expect(Math.min(...amounts)).toBeGreaterThanOrEqual(10);
  expect(Math.max(...amounts)).toBeLessThanOrEqual(1_000);
  const suspicious = said.filter(
    ({ value }) => Number(value['amount']) > 500 && value['type'] === 'withdrawal' && value['location'] === 'online',
  );
  expect((100 * suspicious.length) / COUNT).toBeCloseTo(6.3, 0);
});

test('sales are keyed by store, at whole prices, in Unix seconds', () => {
  const said = saidBy(salesMock);
  expect(new Set(said.map(({ key }) => key))).toEqual(new Set(STORES));
  expect(said.every(({ key, value }) => value['store'] === key)).toBe(true);
  const prices = said.map(({ value }) => value['price']).filter((price) => typeof price === 'number');
  expect(prices.filter((price) => !Number.isInteger(price))).toEqual([]);
  expect(said.some(({ value }) => value['ts'] === NOW / 1000)).toBe(true);
});

test('posts are plain text in three scripts', () => {
  const texts = messagesOf(tweetsMock, 7).flatMap(({ value }) => value ?? []);
  for (const script of [
    /\p{Script=Latin}/u,
    /\p{Script=Cyrillic}/u,
    /\p{Script=Hiragana}/u,
    /\p{Emoji_Presentation}/u,
  ]) {
    expect(texts.some((text) => script.test(text))).toBe(true);
  }
});

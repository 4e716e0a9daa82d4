import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { count as counting, pipeline, sum, tumbling, type Pipeline } from '../../lib/index.ts';
import { sales } from '../../lib/pipelines/sales.ts';
import { telegramActivity } from '../../lib/pipelines/telegram-activity.ts';
import { amountCategory, payments, transactions } from '../../lib/pipelines/transactions.ts';
import { tweets, wordsOf } from '../../lib/pipelines/tweets.ts';
import { decode } from '../../lib/source/decode.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { delivery, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, directory, keptOf } from '../support/scene.ts';

/** Everything a pipeline makes of one partition's records once every window is closed: rows by window, as written. */
async function resultsOf(of: Pipeline, records: readonly TestRecord[]) {
  const store = memoryStore();
  const { runtime } = testRuntime({ store, now: at('19:00:00') });
  await count(delivery(of.source.topic, { 0: records }), [of], runtime);
  await finalize({}, [of], runtime);
  const rows = store.dump('results').filter((item) => /^\d{9}$/.test(String(item['row_id'])));
  const named = [...of.groupBy, ...of.columns];
  const shown = rows.map((row) => [
    [String(row['window_id']).split('/')[1], String(row['window_start']).slice(11, 19)].join(' '),
    ...named.map((name) => String(row[name] ?? null)),
  ]);
  return { rows: shown, store };
}

const paid = (offset: number, time: string, more: object): TestRecord => ({
  offset,
  timestamp: at(time),
  value: {
    transaction_id: `txn_${String(offset).padStart(4, '0')}`,
    user_id: 'user_1',
    amount: 10,
    type: 'purchase',
    timestamp: '2026-01-08 18:00:00',
    location: 'store',
    ...more,
  },
});

describe('transactions', () => {
  test('are added up to the cent, and averaged half-even, by the time of their Kafka records', async () => {
    //  18:50            18:55        18:56 watermark 18:55
    //    a b c      d     |             e
    const { rows } = await resultsOf(transactions, [
      paid(0, '18:50:00', { amount: 0.1 }),
      paid(1, '18:50:01', { amount: 0.2 }),
      paid(2, '18:51:00', { amount: 10, type: 'refund' }),
      paid(3, '18:54:59', { amount: 10.01, type: 'refund' }),
      paid(4, '18:56:00', { amount: 1 }),
    ]);
    expect(rows).toEqual([
      ['5m 18:50:00', 'refund', '2', '20.01', '10'], // 10.005 to the even cent
      ['5m 18:50:00', 'purchase', '2', '0.3', '0.15'],
    ]);
  });

  test('with more than cents, of another type or without an amount are kept as rejections', async () => {
    const bad = [{ amount: 19.999 }, { type: 'gift' }, { amount: '10' }, { location: 'moon' }];
    const { rows, store } = await resultsOf(
      transactions,
      bad.map((more, offset) => paid(offset, '18:50:00', more)),
    );
    expect(rows).toEqual([]);
    expect(keptOf(store, 'rejected').map(({ reason }) => String(reason).split(':')[0])).toEqual([
      'value',
      'schema',
      'schema',
      'schema',
    ]);
  });

  test('without a Kafka timestamp have no time', async () => {
    const { store } = await resultsOf(transactions, [{ ...paid(0, '18:50:00', {}), timestamp: -1 }]);
    expect(String(keptOf(store, 'rejected')[0]?.['reason'])).toContain('instant');
  });

  test.each([
    [0.01, 'small'],
    [99.99, 'small'],
    [100, 'medium'],
    [499.99, 'medium'],
    [500, 'large'],
    [1_000, 'large'],
  ])('of %d are %s', (amount, category) => {
    expect(amountCategory(amount)).toBe(category);
  });

  test('can be grouped by their category: the column an enrichment adds is one like any other', async () => {
    const byCategory = pipeline({
      name: 'payments-by-size',
      revision: 1,
      source: payments,
      watermark: '1 minute',
      groupBy: ['amount_category', 'location'],
      windows: { '5m': tumbling('5 minutes', { emit: 'final' }) },
      aggregate: { transaction_count: counting(), total_amount: sum('amount', { scale: 2 }) },
      orderBy: 'transaction_count',
      retain: '30 days',
    });
    const { rows } = await resultsOf(byCategory, [
      paid(0, '18:50:00', { amount: 99.99 }),
      paid(1, '18:50:00', { amount: 500 }),
      paid(2, '18:50:00', { amount: 20 }),
      paid(3, '18:50:00', { amount: 100, location: 'online' }),
      paid(4, '18:57:00', {}),
    ]);
    expect(rows).toEqual([
      ['5m 18:50:00', 'small', 'store', '2', '119.99'],
      ['5m 18:50:00', 'large', 'store', '1', '500'],
      ['5m 18:50:00', 'medium', 'online', '1', '100'],
    ]);
  });
});

test('telegram-activity reads both forms of time, and counts ten minutes out of order', async () => {
  const said = (offset: number, timestamp: string, username: string | null): TestRecord => ({
    offset,
    timestamp: at('19:00:00'),
    value: { username, timestamp, channel_id: 1, message_text: 'да' },
  });
  const { rows, store } = await resultsOf(telegramActivity, [
    said(0, '2026-01-08 18:30:15', 'alice'),
    said(1, '2026-01-08T18:30:20.5+00:00', 'alice'),
    said(2, '2026-01-08T18:40:00Z', 'bob'),
    said(3, '2026-01-08T18:30:10Z', null), // as old as the watermark is wide: still in every window
    said(4, '2026-01-08T18:42:00Z', 'bob'),
    said(5, '8 January', 'eve'),
  ]);
  expect(rows.filter(([window]) => window?.startsWith('1m'))).toEqual([
    ['1m 18:29:30', 'alice', '2'],
    ['1m 18:29:30', 'null', '1'],
    ['1m 18:30:00', 'alice', '2'],
    ['1m 18:30:00', 'null', '1'],
  ]);
  expect(Object.keys(directory(store)).filter((name) => name.startsWith('10m'))).toHaveLength(4);
  expect(keptOf(store, 'rejected').map(({ offset }) => offset)).toEqual([5]);
});

test('sales add up exactly per store and half minute; cents are not cut off', async () => {
  const sold = (offset: number, store: string, time: string, price: number): TestRecord => ({
    offset,
    timestamp: at('19:00:00'),
    value: { store, item: 'book', price, ts: at(time) / 1000 },
  });
  const { rows } = await resultsOf(sales, [
    sold(0, 'harbour', '18:50:00', 18),
    sold(1, 'market', '18:50:29', 0.1),
    sold(2, 'market', '18:50:29.9', 0.2),
    sold(3, 'harbour', '18:50:30', 4),
    sold(4, 'market', '18:51:30', 9),
  ]);
  expect(rows).toEqual([
    ['30s 18:50:00', 'harbour', '18'],
    ['30s 18:50:00', 'market', '0.3'],
    ['30s 18:50:30', 'harbour', '4'],
  ]);
});

describe('words', () => {
  test.each([
    ['to be or not to be', ['to', 'be', 'or', 'not', 'to', 'be']],
    ['  доброе\tутро \n', ['доброе', 'утро']],
    ['おはよう\u3000ございます', ['おはよう', 'ございます']],
    ['a\u00a0b\u2003c\u2028d\u0085e', ['a', 'b', 'c', 'd', 'e']],
    ['👩‍🚀 #море, End.', ['👩‍🚀', '#море,', 'End.']],
    ['zero\u200bwidth', ['zero\u200bwidth']], // no white space, says Unicode
    [' \u2003\n', []],
  ])('of %j', (text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });

  test('of a post are counted each, of a blank one none; a word too long for a key makes the post a rejection', () => {
    const decoded = ['to be or not to be', ' \n', `a ${'b'.repeat(513)}`].map((text, offset) => {
      const value = Buffer.from(text).toString('base64');
      return decode(tweets, { offset, timestamp: at('18:50:00'), key: null, value }, at('19:00:00'));
    });
    expect(decoded.map(({ outputs }) => outputs.map(({ key }) => key))).toEqual([
      wordsOf('to be or not to be'),
      [],
      [],
    ]);
    expect(decoded.map(({ reason }) => reason?.split(':')[0])).toEqual([undefined, undefined, 'key']);
  });
});

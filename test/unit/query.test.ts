import { describe as group, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { count as counting, kafka, pipeline, tumbling } from '../../lib/index.ts';
import { keptRecords } from '../../lib/kept.ts';
import { TelegramMessage, telegram } from '../../lib/pipelines/telegram.ts';
import { finalWindows, openWindows, windowAt, type WindowResult } from '../../lib/query.ts';
import { status } from '../../lib/status.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { delivery, message, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';

const at = (time: string): number => Date.parse(`2026-01-08T${time}Z`);
const minute = (time: string) => ({ name: '1m', start: at(time), end: at(time) + 60_000 });

/** Telegram counted and finalized in memory, in pages of a few items, and a reader of it. */
function world(now = at('19:01:00')) {
  const test = testRuntime({ now, store: memoryStore({ pageBytes: 2_000 }) });
  const { runtime } = test;
  const next: Record<number, number> = {};
  const deliver = async (partition: number, ...records: [user: string | null, time: string][]): Promise<void> => {
    const list = records.map(([user, time]): TestRecord => {
      const offset = (next[partition] = (next[partition] ?? -1) + 1);
      return { offset, value: message(user, `2026-01-08T${time}Z`) };
    });
    await count(delivery('telegram_messages', { [partition]: list }), [telegram], runtime);
  };
  const retry = { clock: runtime.clock, random: () => 0.5, deadline: Number.POSITIVE_INFINITY };
  return {
    ...test,
    deliver,
    finalize: () => finalize({}, [telegram], runtime),
    reader: { store: runtime.store, retry },
  };
}

/** Three users in two closed minutes; the minute of 19:00 is open. */
async function threeMinutes() {
  const it = world();
  await it.deliver(0, ['alice', '18:58:01'], ['bob', '18:58:02'], ['alice', '18:58:03'], [null, '18:58:04']);
  await it.deliver(0, ['bob', '18:59:10'], ['carol', '19:00:40'], ['carol', '19:00:41']);
  await it.finalize();
  return it;
}

const all = async (results: AsyncIterable<WindowResult>): Promise<WindowResult[]> => {
  const list: WindowResult[] = [];
  for await (const result of results) list.push(result);
  return list;
};
const starts = (results: readonly WindowResult[]): string[] =>
  results.map(({ window }) => new Date(window.start).toISOString().slice(11, 19));
const rowsOf = ({ rows }: WindowResult): unknown[] =>
  rows.map(({ rank, row }) => [rank, row['username'], row['message_count']]);

group('final windows', () => {
  test('the last closed one, in rank order', async () => {
    const { reader } = await threeMinutes();
    const [last, before] = await all(finalWindows(reader, telegram, '1m'));
    expect(last).toMatchObject({ window: minute('18:59:00'), status: 'final', keys: 1, incomplete: undefined });
    expect(before && rowsOf(before)).toEqual([
      [1, 'alice', 2],
      [2, undefined, 1],
      [3, 'bob', 1],
    ]);
    expect(before?.totals).toEqual({ message_count: 4 });
  });

  test('newest first, oldest first, after an instant, and so many', async () => {
    const { reader } = await threeMinutes();
    const windows = async (history: object) => starts(await all(finalWindows(reader, telegram, '1m', history)));
    expect(await windows({})).toEqual(['18:59:00', '18:58:00']);
    expect(await windows({ windows: 1 })).toEqual(['18:59:00']);
    expect(await windows({ order: 'oldest' })).toEqual(['18:58:00', '18:59:00']);
    expect(await windows({ order: 'oldest', after: at('18:58:00') })).toEqual(['18:59:00']);
  });

  test('rows without their directory item are not shown', async () => {
    const { reader, runtime } = await threeMinutes();
    const key = { table: 'results', partition: 'telegram@1/1m', sort: '2026-01-08T18:59:00.000Z' } as const;
    await runtime.store.write({ kind: 'delete', key });
    expect(starts(await all(finalWindows(reader, telegram, '1m')))).toEqual(['18:58:00']);
  });

  test('what has expired is not shown, though it can still be read', async () => {
    const { reader, push } = await threeMinutes();
    push(7 * 86_400_000 + 1_000);
    expect(await all(finalWindows(reader, telegram, '1m'))).toEqual([]);
    const gone = await windowAt(reader, telegram, minute('18:58:00'));
    expect(gone).toMatchObject({ status: 'final', rows: [], incomplete: expect.stringContaining('expired') });
  });

  test('by key: a text, the null group, and nobody', async () => {
    const { reader } = await threeMinutes();
    const rows = async (username: string | null) =>
      (await all(finalWindows(reader, telegram, '1m', { key: { username } }))).map(rowsOf);
    expect(await rows('bob')).toEqual([[[1, 'bob', 1]], [[3, 'bob', 1]]]);
    expect(await rows(null)).toEqual([[], [[2, undefined, 1]]]);
    expect(await rows('null')).toEqual([[], []]);
  });

  test('a limit gives the first rows', async () => {
    const { reader } = await threeMinutes();
    const result = await windowAt(reader, telegram, minute('18:58:00'), { limit: 2 });
    expect(result?.rows.map(({ rank }) => rank)).toEqual([1, 2]);
    expect(result?.keys).toBe(3);
  });

  test('a window of several blocks is read through', async () => {
    const it = world();
    const users = Array.from({ length: 10_001 }, (_, i): [string, string] => [`user${i}`, '18:58:01']);
    await it.deliver(0, ...users, ['late', '19:00:45']);
    await it.finalize();
    const result = await windowAt(it.reader, telegram, minute('18:58:00'));
    expect(result?.rows).toHaveLength(10_001);
    expect(result?.rows.at(-1)?.rank).toBe(10_001);
  });
});

group('one window', () => {
  test('that holds nothing is final and empty', async () => {
    const { reader } = await threeMinutes();
    expect(await windowAt(reader, telegram, minute('18:50:00'))).toMatchObject({ status: 'final', keys: 0, rows: [] });
  });

  test('that is open says so and shows what is counted so far', async () => {
    const { reader } = await threeMinutes();
    const result = await windowAt(reader, telegram, minute('19:00:00'));
    expect(result).toMatchObject({ status: 'open', keys: 1, totals: { message_count: 2 }, watermark: at('19:00:11') });
  });

  test('that is closed but not written yet is closing', async () => {
    const it = await threeMinutes();
    const key = { table: 'progress', partition: 'telegram@1', sort: 'registry' } as const;
    await it.runtime.store.write({ kind: 'update', key, set: { closed: at('19:01:00') } });
    expect(await windowAt(it.reader, telegram, minute('19:00:00'))).toMatchObject({ status: 'closing', keys: 1 });
  });

  test('of a pipeline that never ran is unknown', async () => {
    const { reader } = world();
    expect(await windowAt(reader, telegram, minute('19:00:00'))).toBeUndefined();
    expect(await all(openWindows(reader, telegram, '1m'))).toEqual([]);
  });

  test('of another declaration under the same revision is refused', async () => {
    const { reader } = await threeMinutes();
    const other = pipeline({
      name: 'telegram',
      revision: 1,
      source: kafka({ topic: 'telegram_messages', startAt: 'latest', value: TelegramMessage, eventTime: 'event_time' }),
      watermark: '30 seconds',
      groupBy: ['first_name'],
      windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
      aggregate: { message_count: counting() },
      orderBy: 'message_count',
      retain: '7 days',
    });
    await expect(windowAt(reader, other, minute('18:58:00'))).rejects.toMatchObject({ code: 'FINGERPRINT_DIFFERS' });
  });
});

group('open windows', () => {
  test('are merged exactly over partitions, newest first', async () => {
    const it = await threeMinutes();
    await it.deliver(1, ['dave', '19:00:50'], ['carol', '19:01:10']);
    const open = await all(openWindows(it.reader, telegram, '1m'));
    expect(starts(open)).toEqual(['19:01:00', '19:00:00']);
    expect(open.map(rowsOf)).toEqual([
      [[1, 'carol', 1]],
      [
        [1, 'carol', 2],
        [2, 'dave', 1],
      ],
    ]);
    expect(starts(await all(openWindows(it.reader, telegram, '1m', { windows: 1 })))).toEqual(['19:01:00']);
  });

  test('see an event only when they had not ended as it came', async () => {
    //            watermark 19:00:11
    //  18:59:30 erin comes late: her minute and the sliding window that ended by then do not count her, 19 of 20 do
    const it = await threeMinutes();
    await it.deliver(0, ['erin', '18:59:30']);
    const minutes = await all(openWindows(it.reader, telegram, '1m'));
    expect(minutes.flatMap(rowsOf)).toEqual([[1, 'carol', 2]]);
    const sliding = await all(openWindows(it.reader, telegram, '10m', { key: { username: 'erin' } }));
    expect(sliding.filter(({ rows }) => rows.length > 0).every(({ window }) => window.end > at('19:00:11'))).toBe(true);
    expect(sliding.filter(({ rows }) => rows.length > 0)).toHaveLength(19);
  });

  test('are what the final result will be', async () => {
    const it = await threeMinutes();
    const open = await windowAt(it.reader, telegram, minute('19:00:00'));
    await it.deliver(0, ['zoe', '19:02:00']);
    await it.finalize();
    const final = await windowAt(it.reader, telegram, minute('19:00:00'));
    expect(final?.status).toBe('final');
    expect(final?.rows).toEqual(open?.rows);
  });
});

group('status', () => {
  test('before anything was counted, with a broker that knows the topic', async () => {
    const { reader } = world();
    const found = await status(reader, telegram, new Map([[0, 5]]));
    expect(found).toMatchObject({ state: 'new', partitions: [{ partition: 0, state: 'new', end: 5, lag: undefined }] });
  });

  test('offsets, lag, watermark, counters, and what closes next', async () => {
    const { reader } = await threeMinutes();
    const found = await status(reader, telegram, new Map([[0, 10]]));
    expect(found).toMatchObject({
      state: 'active',
      watermark: at('19:00:11'),
      closed: at('19:00:11'),
      partitions: [{ partition: 0, state: 'active', next: 7, end: 10, lag: 3, clock: at('19:00:41') }],
      counters: { records: 7, counted: 7, late: 0, rejected: 0 },
    });
    expect(found.windows[0]).toEqual({
      name: '1m',
      open: 1,
      oldest: minute('19:00:00'),
      next: minute('19:00:00'),
      eventTimeLeftMs: 49_000,
      wallTimeLeftMs: 30_000,
    });
    expect(found.windows[1]).toMatchObject({ name: '10m', next: { end: at('19:00:30') } });
  });

  test('without a broker the lag is unknown', async () => {
    const { reader } = await threeMinutes();
    expect((await status(reader, telegram, undefined)).partitions).toMatchObject([{ end: undefined, lag: undefined }]);
  });
});

test('kept records come newest first and bounded', async () => {
  const it = await threeMinutes();
  await it.deliver(0, ['late1', '18:40:00'], ['late2', '18:41:00'], ['late3', '18:42:00']);
  await it.deliver(1, ['ok', '19:00:59'], ['late4', '18:42:30']);
  const offsets = (await keptRecords(it.reader, telegram, 'late', 3)).map(({ partition, offset }) => [
    partition,
    offset,
  ]);
  expect(offsets).toEqual([
    [1, 1],
    [0, 9],
    [0, 8],
  ]);
  expect(await keptRecords(it.reader, telegram, 'rejected', 3)).toEqual([]);
  it.push(7 * 86_400_000 + 1_000);
  expect(await keptRecords(it.reader, telegram, 'late', 3)).toEqual([]);
});

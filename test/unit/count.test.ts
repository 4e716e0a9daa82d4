import { describe as group, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { telegram } from '../../lib/pipelines/telegram.ts';
import { delivery, message, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';

const at = (time: string) => `2026-01-08T${time}Z`;
const records = (...list: [offset: number, user: string | null, time: string][]): TestRecord[] =>
  list.map(([offset, user, time]) => ({ offset, value: message(user, at(time)) }));

group('from a delivery to a final table', () => {
  test('counts per user and minute, sorted', async () => {
    //  18:58          18:59          19:00
    //  a a b          a              b (19:00:45: watermark 19:00:15)
    const { runtime, reports } = testRuntime();
    await count(
      delivery('telegram_messages', {
        0: records(
          [0, 'alice', '18:58:01'],
          [1, 'bob', '18:58:02'],
          [2, 'alice', '18:58:59.999'],
          [3, 'alice', '18:59:00'],
          [4, 'bob', '19:00:45'],
        ),
      }),
      [telegram],
      runtime,
    );
    await finalize({ pipeline: 'telegram' }, [telegram], runtime);
    const minutes = reports.filter(({ window }) => window === '1m');
    expect(minutes.map(({ start, rows }) => [new Date(start).toISOString(), rows])).toEqual([
      [
        at('18:58:00.000'),
        [
          { username: 'alice', message_count: 2 },
          { username: 'bob', message_count: 1 },
        ],
      ],
      [at('18:59:00.000'), [{ username: 'alice', message_count: 1 }]],
    ]);
    expect(reports.filter(({ window, status }) => window === '10m' && status === 'open')).toHaveLength(1);
  });

  test('a delivery counted twice counts once', async () => {
    const { runtime } = testRuntime();
    const event = delivery('telegram_messages', { 0: records([0, 'alice', '18:58:01'], [1, 'bob', '18:58:02']) });
    await count(event, [telegram], runtime);
    await count(event, [telegram], runtime);
    const [checkpoint] = (await runtime.store.query({ table: 'progress', partition: 'telegram@1#p0' })).items;
    expect(checkpoint?.['counters']).toMatchObject({ records: 2, counted: 2 });
  });
});

import { describe, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, deliver, keptOf } from '../support/scene.ts';
import { bigClicks, memorySink, outboxIn, rowsIn } from '../support/side-output.ts';

const pipelines = [bigClicks()];
const NOW = at('19:00:00');

function world(of = pipelines, withSink = true) {
  const store = memoryStore();
  const sink = memorySink();
  const test = testRuntime({ store, now: NOW, ...(withSink && { sink }) });
  return {
    ...test,
    store,
    sink,
    count: (...list: Parameters<typeof deliver>[1][]) => count(deliver(0, ...list), of, test.runtime),
    finalize: () => finalize({}, of, test.runtime),
    offsets: async () => (await rowsIn(sink)).map(({ offset }) => Number(offset)),
  };
}

describe('rows of the side output', () => {
  test('wait in the table, one item per commit, and say where they come from', async () => {
    const { count, finalize, store, sink } = world();
    await count([0, 'alice', '19:00:00', 600], [1, 'bob', '19:00:01', 20], [2, 'alice', '19:00:02', 900.5]);
    expect(store.dump('buckets').find((item) => item['pk'] === 'clicks@1#out#p0')).toEqual({
      pk: 'clicks@1#out#p0',
      sk: '000000000001',
      topic: 'clicks',
      partition: 0,
      rows: `[0,"alice","60000",${at('19:00:00')}]\n[2,"alice","90050",${at('19:00:02')}]`,
      row_count: 2,
      row_bytes: 67,
      stored_at: NOW,
    });
    await finalize();
    expect(sink.files.size).toBe(0);
    expect(outboxIn(store)).toEqual({ waiting: ['000000000001'], head: undefined });
  });

  test('become a file when there are enough of them', async () => {
    const { count, finalize, store, sink, metrics } = world();
    await count([0, 'alice', '19:00:00', 600], [1, 'bob', '19:00:01', 700]);
    await count([2, 'carol', '19:00:02', 800.25]);
    await finalize();
    const [incarnation] = String(store.dump('progress').find((item) => item['sk'] === 'checkpoint')?.['version']).split(
      ':',
    );
    expect([...sink.files.keys()]).toEqual([`clicks@1/big/p0-${incarnation}-000000000001-000000000002.parquet`]);
    expect(await rowsIn(sink)).toEqual([
      row(0, 'alice', 600, '19:00:00'),
      row(1, 'bob', 700, '19:00:01'),
      row(2, 'carol', 800.25, '19:00:02'),
    ]);
    expect(outboxIn(store)).toMatchObject({ waiting: [], head: { upTo: 2 } });
    expect(metrics).toMatchObject({ sideOutputRows: 3, sideOutputFiles: 1 });
  });

  test('become one when the first of them has waited long enough', async () => {
    const { count, finalize, push, offsets } = world();
    await count([0, 'alice', '19:00:00', 600]);
    push(59_999);
    await finalize();
    expect(await offsets()).toEqual([]);
    push(1);
    await finalize();
    expect(await offsets()).toEqual([0]);
  });

  test('become one when they have enough bytes', async () => {
    const { count, finalize, offsets } = world([bigClicks({ bytes: 60 })]);
    await count([0, 'alice', '19:00:00', 600]);
    await finalize();
    expect(await offsets()).toEqual([]);
    await count([1, 'alice', '19:00:00', 600]);
    await finalize();
    expect(await offsets()).toEqual([0, 1]);
  });

  test('of a backlog become several files of whole commits, none much larger than the least size', async () => {
    const { count, finalize, sink, store } = world();
    for (let i = 0; i < 7; i++) await count([2 * i, 'alice', '19:00:00', 600], [2 * i + 1, 'bob', '19:00:00', 600]);
    await finalize();
    expect([...sink.files.keys()].map((name) => name.slice(-'000000000001-000000000002.parquet'.length))).toEqual([
      '000000000001-000000000002.parquet',
      '000000000003-000000000004.parquet',
      '000000000005-000000000006.parquet',
    ]);
    expect(outboxIn(store)).toMatchObject({ waiting: ['000000000007'], head: { upTo: 6 } });
  });

  test('are those of late events, too, and not of rejections', async () => {
    const { count, finalize, push, store, offsets } = world();
    await count([0, 'alice', '19:00:00', 600]);
    await count([1, 'bob', '19:20:00', 700], [2, 'late', '19:00:00', 800], [3, 'scale', '19:20:00', 800.001]);
    push(60_000);
    await finalize();
    expect(await offsets()).toEqual([0, 1, 2]);
    expect(keptOf(store, 'late')).toMatchObject([{ offset: 2 }]);
    expect(keptOf(store, 'rejected')).toMatchObject([
      { offset: 3, reason: 'side output: a value does not fit amount decimal(2)' },
    ]);
  });

  test('are written once when records come again', async () => {
    const { count, finalize, push, offsets } = world();
    await count([0, 'alice', '19:00:00', 600], [1, 'bob', '19:00:01', 700]);
    await count([0, 'alice', '19:00:00', 600], [1, 'bob', '19:00:01', 700], [2, 'carol', '19:00:02', 800]);
    push(60_000);
    await finalize();
    await count([1, 'bob', '19:00:01', 700], [2, 'carol', '19:00:02', 800]);
    push(60_000);
    await finalize();
    expect(await offsets()).toEqual([0, 1, 2]);
  });

  test('do not wait when their revision is retired', async () => {
    const { count, finalize, store, offsets } = world();
    await count([0, 'alice', '19:00:00', 600]);
    await store.write({
      kind: 'update',
      key: { table: 'progress', partition: 'clicks@1', sort: 'registry' },
      set: { state: 'retired' },
    });
    await finalize();
    expect(await offsets()).toEqual([0]);
  });

  test('wait, and that is told, while nobody says where they go', async () => {
    const { count, finalize, push, store, logs } = world(pipelines, false);
    await finalize();
    await count([0, 'alice', '19:00:00', 600]);
    push(3_600_000);
    await finalize();
    expect(outboxIn(store).waiting).toEqual(['000000000001']);
    expect(logs.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'rows of the side output wait: SINK_URL is not set', fields: { pipeline: 'clicks@1', partition: 0 } },
    ]);
  });

  test('hold no window when the sink fails', async () => {
    const { count, push, store, runtime } = world();
    const broken = { put: () => Promise.reject(new Error('no space left')) };
    await count([0, 'alice', '19:00:00', 600], [1, 'bob', '19:05:00', 20]);
    push(60_000);
    await expect(finalize({}, pipelines, { ...runtime, sink: broken })).rejects.toThrow('no space left');
    expect(store.dump('results').filter((item) => item['row_count'] !== undefined)).toHaveLength(1);
    expect(outboxIn(store)).toMatchObject({ waiting: ['000000000001'], head: { pending: expect.any(String) } });
  });
});

const row = (offset: number, username: string, amount: number, time: string) => ({
  topic: 'clicks',
  partition: 0,
  offset: BigInt(offset),
  username,
  amount,
  event_time: new Date(at(time)),
});

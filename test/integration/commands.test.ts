import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { count as countAll, kafka, pipeline, tumbling, type Pipeline } from '../../lib/index.ts';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { telegram, TelegramMessage } from '../../lib/pipelines/telegram.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import { createTables, tableDefinitions } from '../../lib/store/tables.ts';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';
import { delivery, message, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';

const project = join(import.meta.dirname, '..', '..');
const launcher = join(project, 'lib', 'cli', 'tidemark.mjs');

// Rounded to an hour long past, so that windows close by event time alone.
const T0 = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3_600_000;
const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();
const clockText = (seconds: number): string => at(seconds).replace('T', ' ').slice(0, 19);

/** A revision whose code is not there any more when the command runs: messages per channel and minute. */
const former: Pipeline = pipeline({
  name: 'telegram',
  revision: 7,
  source: kafka({ topic: 'telegram_messages', startAt: 'earliest', value: TelegramMessage, eventTime: 'event_time' }),
  watermark: '30 seconds',
  groupBy: ['channel_name'],
  windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
  aggregate: { n: countAll() },
  orderBy: 'n',
  retain: '7 days',
});

let dynoxide: Dynoxide;
let runtime: Runtime;

beforeAll(async () => {
  dynoxide = await startDynoxide();
  const client = dynoxide.client();
  await createTables(client, tableDefinitions(readFileSync(join(project, 'serverless.yml'), 'utf8'), {}));
  const tables = {
    buckets: 'tidemark-dev-buckets',
    progress: 'tidemark-dev-progress',
    results: 'tidemark-dev-results',
  };
  runtime = testRuntime({ store: dynamodbStore(client, tables), clock: systemClock }).runtime;
});
afterAll(() => dynoxide.stop());

type Said = readonly [offset: number, user: string, seconds: number, timestamp?: number];

async function feed(of: Pipeline, partition: number, ...said: Said[]): Promise<void> {
  const records = said.map(([offset, user, seconds, timestamp]): TestRecord => ({
    offset,
    value: message(user, at(seconds), { channel_name: 'news' }),
    ...(timestamp !== undefined && { timestamp: T0 + timestamp * 1000 }),
  }));
  await count(delivery('telegram_messages', { [partition]: records }), [of], runtime);
  await finalize({}, [of], runtime);
}

async function run(...args: string[]) {
  const { AWS_REGION: _, NO_COLOR: __, FORCE_COLOR: ___, KAFKA_BROKERS: ____, ...rest } = process.env;
  const env = { ...rest, AWS_ENDPOINT_URL_DYNAMODB: dynoxide.endpoint };
  const child = spawn(process.execPath, [launcher, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, notes, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: code as number, out, notes };
}

interface Partition {
  readonly state: string;
  readonly next_offset: number | null;
  readonly counters: Record<string, number>;
  readonly gaps: unknown[];
}
async function partitionOf(number: number): Promise<Partition | undefined> {
  const { out } = await run('status', 'telegram', '--json');
  return (JSON.parse(out) as { pipelines: { partitions: Partition[] }[] }).pipelines[0]?.partitions[number];
}

describe('a pipeline is changed', () => {
  test('plan says what the code would do', async () => {
    await feed(former, 0, [0, 'alice', 10], [1, 'bob', 95]);
    const { code, out } = await run('plan', 'telegram');
    expect(code).toBe(0);
    expect(out).toBe(`telegram@1 · begins anew, beside what is stored
  telegram@7 is active, final up to ${clockText(65)} UTC; once telegram@1 counts: npx tidemark retire telegram@7
`);
  });

  test('retire waits for the new revision, and for a yes', async () => {
    const early = await run('retire', 'telegram@7', '--yes');
    expect(early.code).toBe(2);
    expect(early.notes).toContain('telegram@1 has not counted anything yet. --force retires it all the same');
    await feed(telegram, 0, [2, 'carol', 100]);
    const unasked = await run('retire', 'telegram@7');
    expect(unasked.code).toBe(2);
    expect(unasked.notes).toContain(`windows that end after ${clockText(65)} UTC, its watermark, are closed`);
    expect(unasked.notes).toContain('this changes stored state: say --yes to agree');
    expect((await run('plan', 'telegram')).out).toContain('telegram@7 is active');
  });

  test('retire closes what the old revision holds, without its code', async () => {
    expect(await run('retire', 'telegram@7', '--yes')).toMatchObject({
      code: 0,
      out: 'telegram@7 is retired; windows closed: 1, of them incomplete: 1\n',
    });
    const query = { table: 'results', partition: 'telegram@7/1m' } as const;
    const { items } = await runtime.store.query(query);
    expect(items.map((item) => [item['window_start'], item['totals'], item['incomplete']])).toEqual([
      [at(0), { n: 1 }, undefined],
      [at(60), { n: 1 }, 'the revision was retired before the window was over'],
    ]);
    const rows = await runtime.store.query({ table: 'results', partition: `telegram@7/1m/${at(60)}` });
    expect(rows.items).toMatchObject([{ channel_name: 'news', n: 1, row_id: '000000001' }]);
    await feed(former, 0, [3, 'dave', 110]);
    expect(await run('retire', 'telegram@7', '--yes')).toMatchObject({
      code: 0,
      out: 'telegram@7 is retired; windows closed: 0, of them incomplete: 0\n',
    });
    expect((await run('plan', 'telegram')).out).toContain(`telegram@7 is retired, final up to ${clockText(120)} UTC`);
  });

  test('activate goes back', async () => {
    expect(await run('activate', 'telegram@7', '--yes')).toMatchObject({ code: 0, out: 'telegram@7 is active\n' });
    await feed(former, 0, [5, 'eve', 130]);
    const [checkpoint] = (await runtime.store.query({ table: 'progress', partition: 'telegram@7#p0' })).items;
    expect(checkpoint).toMatchObject({ state: 'active', next: 6, gaps: [{ from: 2, to: 5, kind: 'unclassified' }] });
    expect((await run('activate', 'telegram@9', '--yes')).notes).toContain('no such revision has been finalized');
  });

  test('plan refuses a shape that changed: exit code 3', async () => {
    const changed = pipeline({
      name: 'telegram-activity',
      revision: 1,
      source: kafka({ topic: 'telegram_data', startAt: 'earliest', value: TelegramMessage, eventTime: 'event_time' }),
      watermark: '30 seconds',
      groupBy: ['username'],
      windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
      aggregate: { n: countAll() },
      orderBy: 'n',
      retain: '7 days',
    });
    const records = [{ offset: 0, value: message('alice', at(10)) }];
    await count(delivery('telegram_data', { 0: records }), [changed], runtime);
    const { code, out } = await run('plan');
    expect(code).toBe(3);
    expect(out).toContain('telegram-activity@1 · is refused: the declaration changed but its revision did not');
    expect(out).toContain("window 1m: stored 'tumbling 60000 ms");
  });
});

describe('a partition is held', () => {
  test('skip passes over what nobody can count', async () => {
    await feed(telegram, 1, [0, 'alice', 200], [1, 'bob', 201]);
    expect((await run('skip', 'telegram', '1', '--to', '4', '--yes')).notes).toContain('--reason has 0 characters');
    expect(
      await run('skip', 'telegram', '1', '--to', '4', '--reason', 'no function can read it', '--yes'),
    ).toMatchObject({
      code: 0,
      out: 'skipped offsets 2 to 3; 4 is next\n',
    });
    await feed(telegram, 1, [3, 'poison', 202], [4, 'carol', 203]);
    expect(await partitionOf(1)).toMatchObject({
      next_offset: 5,
      counters: { records: 5, counted: 3, skipped: 2 },
      gaps: [{ from: 2, to: 4, kind: 'skipped', reason: 'no function can read it' }],
    });
    expect((await run('status', 'telegram')).out).toContain(
      'partition 1: offsets 2 to 3 were not counted: skipped: no function can read it',
    );
    expect(await run('skip', 'telegram', '1', '--to', '3', '--reason', 'again', '--yes')).toMatchObject({ code: 2 });
  });

  test('reset begins a recreated topic anew', async () => {
    await expect(feed(telegram, 1, [0, 'new', 204, 3_000])).rejects.toThrow('is stopped: recreated topic');
    expect(await partitionOf(1)).toMatchObject({ state: 'stopped' });
    expect((await run('reset', 'telegram', '1', '--from', 'latest', '--yes')).notes).toContain('no broker says where');
    expect(await run('reset', 'telegram', '1', '--from', 'earliest', '--yes')).toMatchObject({
      code: 0,
      out: 'telegram@1, partition 1 was reset\n',
      notes: expect.stringContaining('telegram@1, partition 1 is stopped: recreated topic: offset 0 was processed'),
    });
    await feed(telegram, 1, [0, 'new', 205, 3_000], [1, 'new', 206, 3_001]);
    expect(await partitionOf(1)).toMatchObject({ state: 'active', next_offset: 2, counters: { counted: 5 }, gaps: [] });
    expect(await run('reset', 'telegram', '1', '--from', '0', '--yes')).toMatchObject({
      code: 2,
      notes: expect.stringContaining('partition 1 is not stopped'),
    });
  });
});

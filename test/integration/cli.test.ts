import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { StatusDocument } from '../../lib/cli/documents.ts';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { telegram } from '../../lib/pipelines/telegram.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import { kafkaProducer } from '../../lib/source/producer.ts';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import { createTables, tableDefinitions } from '../../lib/store/tables.ts';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';
import { kafkaBroker } from '../support/kafka-broker.ts';
import { delivery, message, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';

const project = join(import.meta.dirname, '..', '..');
const launcher = join(project, 'lib', 'cli', 'tidemark.mjs');

let dynoxide: Dynoxide;
let runtime: Runtime;
let offset = 0;
// Rounded to a minute long past, so that it closes by event time alone.
const T0 = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3_600_000;
const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

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
  await say(['алиса', 1], ['alice', 2], ['алиса', 3], [null, 59], ['bob', 60], ['bob', 95]);
});
afterAll(() => dynoxide.stop());
afterEach(() => {
  settings = {};
});

/** Counts messages of these users, so many seconds after the start, and closes what they close. */
async function say(...messages: [user: string | null, seconds: number][]): Promise<void> {
  const records = messages.map(([user, seconds]): TestRecord => ({
    offset: offset++,
    value: message(user, at(seconds)),
  }));
  await count(delivery('telegram_messages', { 0: records }), [telegram], runtime);
  await finalize({}, [telegram], runtime);
}

let settings: Record<string, string> = {};

function tidemark(...args: string[]): ChildProcess {
  const { AWS_REGION: _, NO_COLOR: __, FORCE_COLOR: ___, KAFKA_BROKERS: ____, ...rest } = process.env;
  const env = { ...rest, AWS_ENDPOINT_URL_DYNAMODB: dynoxide.endpoint, ...settings };
  return spawn(process.execPath, [launcher, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function run(...args: string[]) {
  const child = tidemark(...args);
  if (!child.stdout || !child.stderr) throw new Error('no pipes');
  const [out, notes, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: code as number, out, notes };
}

test('results and status come from the real tables', async () => {
  const { code, out } = await run('results', 'telegram', '1m');
  expect(code).toBe(0);
  expect(out.split('\n').slice(1)).toEqual([
    '  username  message_count',
    '  ────────  ─────────────',
    '  алиса                 2',
    '  (null)                1',
    '  alice                 1',
    '  ────────  ─────────────',
    '  3 keys                4',
    '',
  ]);
  const open = JSON.parse((await run('results', 'telegram', '1m', '--open', '--json')).out) as unknown;
  expect(open).toMatchObject({
    windows: [{ window_start: at(60), status: 'open', rows: [{ rank: 1, username: 'bob', message_count: 2 }] }],
  });
  const status = JSON.parse((await run('status', 'telegram', '--json')).out) as unknown;
  expect(status).toMatchObject({ pipelines: [{ watermark: at(65), counters: { records: 6, counted: 6 }, lag: null }] });
});

test('--follow prints each window once as it closes, until it is told to stop', async () => {
  const child = tidemark('results', 'telegram', '1m', '--follow', '--json');
  const lines: string[] = [];
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(1);
  await say(['carol', 155], ['dave', 215]);
  await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(3);
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([0, null]);
  const starts = lines.map(
    (line) => (JSON.parse(line) as { windows: [{ window_start: string }] }).windows[0].window_start,
  );
  expect(starts).toEqual([at(0), at(60), at(120)]);
});

test('a reader that has seen enough is no failure', async () => {
  const child = tidemark('results', 'telegram', '10m', '--open');
  child.stdout?.destroy();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('a mistake is code 2, a failure code 1, and says where it looked', async () => {
  expect(await run('results', 'telegram', '3m')).toMatchObject({ code: 2, out: '' });
  settings = { AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1' };
  const unanswered = await run('status');
  expect(unanswered).toMatchObject({
    code: 1,
    out: '',
    notes: expect.stringContaining('nothing answers at http://127.0.0.1:1'),
  });
});

test('the lag is what the broker has beyond what is counted', async () => {
  const kafka = await kafkaBroker();
  const producer = kafkaProducer(kafka.brokers, 'test');
  try {
    await producer.connect();
    await producer.ensureTopic('telegram_messages', 2);
    const messages = Array.from({ length: 20 }, (_, i) => ({ key: `user${i}`, value: '{}' }));
    await producer.send('telegram_messages', messages);
    settings = { KAFKA_BROKERS: kafka.brokers.join(',') };
    const [pipeline] = (JSON.parse((await run('status', '--json')).out) as StatusDocument).pipelines;
    const [counted, joining] = pipeline?.partitions ?? [];
    expect((counted?.end_offset ?? 0) + (joining?.end_offset ?? 0)).toBe(20);
    expect(counted).toMatchObject({ state: 'active', lag: Math.max(0, (counted?.end_offset ?? 0) - offset) });
    expect(joining).toMatchObject({ partition: 1, state: 'new', next_offset: null, lag: null });

    await kafka.down();
    const { code, out } = await run('status');
    expect(code).toBe(0);
    expect(out).toContain('the lag is unknown: no broker answered');
  } finally {
    await producer.close();
    await kafka.close();
  }
});

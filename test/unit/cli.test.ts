import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe as group, expect, test } from 'vitest';
import { runCommand, type World } from '../../lib/cli/command.ts';
import { localWorld, targetOf } from '../../lib/cli/connection.ts';
import { late, rejected } from '../../lib/cli/kept.ts';
import { pipelines } from '../../lib/cli/pipelines.ts';
import { results } from '../../lib/cli/results.ts';
import { statusCommand } from '../../lib/cli/status.ts';
import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { telegram } from '../../lib/pipelines/telegram.ts';
import { delivery, message, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';

const COMMANDS = [results, statusCommand, late, rejected, pipelines];
const { runtime } = testRuntime({ now: Date.parse('2026-01-08T19:01:00Z') });

beforeAll(async () => {
  const messages: [user: string | null, time: string][] = [
    ['alice', '18:58:01'],
    ['a,"b"', '18:58:02'],
    ['alice', '18:58:03'],
    [null, '18:58:04'],
    ['', '18:58:05'],
    ['bob\u001b[2J', '18:59:10'],
    ['carol', '19:00:40'],
    ['slow', '18:40:00'],
  ];
  const records = messages.map(([user, time], offset): TestRecord => ({
    offset,
    value: message(user, `2026-01-08T${time}Z`),
  }));
  const broken = { offset: 8, value: 'no JSON\u001b[2J', timestamp: Date.parse('2026-01-08T19:00:50Z') };
  await count(delivery('telegram_messages', { 0: [...records, broken] }), [telegram], runtime);
  await finalize({}, [telegram], runtime);
});

/** Runs a command line on what is counted above. */
async function run(line: string, changes: Partial<World> = {}, signal = new AbortController().signal) {
  const [out, notes]: [string[], string[]] = [[], []];
  const world: World = {
    pipelines: [telegram],
    version: '1.2.3',
    clock: runtime.clock,
    terminal: {
      write: (text) => void out.push(text),
      note: (text) => void notes.push(text),
      colour: false,
      isInteractive: false,
      signal,
    },
    connect: async () => ({
      where: 'memory',
      reader: () => ({
        store: runtime.store,
        retry: { clock: runtime.clock, random: () => 0.5, deadline: Number.POSITIVE_INFINITY },
      }),
      endsOf: async () => new Map([[0, 12]]),
      close: () => undefined,
    }),
    ...changes,
  };
  const code = await runCommand(line.split(' ').filter(Boolean), COMMANDS, world);
  return { code, out: out.join(''), notes: notes.join('\n') };
}
const startOf = (document: string): unknown =>
  (JSON.parse(document) as { windows: { window_start: string }[] }).windows[0]?.window_start.slice(11, 19);
const json = async (line: string): Promise<unknown> => JSON.parse((await run(line)).out);

group('results', () => {
  test('of a window as a table', async () => {
    const { code, out } = await run('results telegram 1m --window 2026-01-08T18:58:00Z');
    expect(code).toBe(0);
    expect(out).toBe(`telegram 1m · 2026-01-08 18:58:00 to 18:59:00 UTC · final · watermark 19:00:10
  username  message_count
  ────────  ─────────────
  alice                 2
  (null)                1
  ""                    1
  a,"b"                 1
  ────────  ─────────────
  4 keys                5
`);
  });

  test('of the last closed window, with its control characters harmless', async () => {
    const { out } = await run('results telegram 1m');
    expect(out).toContain('18:59:00 to 19:00:00');
    expect(out).toContain('"bob\\u001b[2J"');
  });

  test('as JSON', async () => {
    expect(await json('results telegram 1m --window 1767898680 --json')).toEqual({
      version: 1,
      pipeline: 'telegram',
      revision: 1,
      window: '1m',
      group_by: ['username'],
      columns: ['username', 'message_count'],
      order_by: 'message_count',
      windows: [
        {
          window_start: '2026-01-08T18:58:00.000Z',
          window_end: '2026-01-08T18:59:00.000Z',
          status: 'final',
          watermark: '2026-01-08T19:00:10.000Z',
          key_count: 4,
          totals: { message_count: 5 },
          incomplete: null,
          rows: [
            { rank: 1, username: 'alice', message_count: 2 },
            { rank: 2, username: null, message_count: 1 },
            { rank: 3, username: '', message_count: 1 },
            { rank: 4, username: 'a,"b"', message_count: 1 },
          ],
        },
      ],
    });
  });

  test('as CSV, where null is empty and the empty text is quoted', async () => {
    const { out } = await run('results telegram 1m --windows 2 --csv');
    const start = '2026-01-08T18:58:00.000Z,2026-01-08T18:59:00.000Z,final';
    expect(out.split('\r\n').slice(2)).toEqual([
      `${start},1,alice,2`,
      `${start},2,,1`,
      `${start},3,"",1`,
      `${start},4,"a,""b""",1`,
      '',
    ]);
    expect(out).toMatch(/^window_start,window_end,status,rank,username,message_count\r\n/);
  });

  test('by key: over the history of a kind, as a table of its own', async () => {
    const { out, notes } = await run('results telegram 1m --key username=alice');
    expect(out).toBe(`window start, UTC    status  rank  username  message_count
───────────────────  ──────  ────  ────────  ─────────────
2026-01-08 18:58:00  final      1  alice                 2
`);
    expect(notes).toBe('username alice: in 1 of 2 windows');
  });

  test('by key: the null group and the empty text are not the same', async () => {
    const rows = async (key: string) =>
      JSON.stringify(await json(`results telegram 1m --window 2026-01-08T18:58:00Z --key ${key} --json`));
    expect(await rows('username')).toContain('"rows":[{"rank":2,"username":null,"message_count":1}]');
    expect(await rows('username=')).toContain('"rows":[{"rank":3,"username":"","message_count":1}]');
  });

  test('of open windows, which say so', async () => {
    const { out } = await run('results telegram 1m --open');
    expect(out).toContain('2026-01-08 19:00:00 to 19:01:00 UTC · open');
    const { windows } = (await json('results telegram 10m --open --limit 1 --json')) as {
      windows: { rows: unknown[] }[];
    };
    expect(windows).toHaveLength(21);
    expect(windows.every(({ rows }) => rows.length === 1)).toBe(true);
  });

  test('followed: what there is at once, one document a line', async () => {
    const lines = async (line: string) => (await run(line, {}, AbortSignal.abort())).out.trimEnd().split('\n');
    expect((await lines('results telegram 1m --follow --windows 2 --json')).map(startOf)).toEqual([
      '18:58:00',
      '18:59:00',
    ]);
    expect(await lines('results telegram 10m --follow --open --json')).toHaveLength(1);
    expect(await lines('results telegram 1m --follow --key username=alice')).toEqual(['']);
  });

  test('nothing yet is said beside an empty document', async () => {
    const empty = testRuntime().runtime;
    const connection = {
      where: 'memory',
      reader: () => ({ store: empty.store, retry: { clock: empty.clock, random: () => 0.5, deadline: Infinity } }),
      endsOf: async () => undefined,
      close: () => undefined,
    };
    const { code, out, notes } = await run('results telegram 1m --json', { connect: async () => connection });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ windows: [] });
    expect(notes).toBe('telegram@1 has not counted anything yet, at memory');
    expect((await run('status', { connect: async () => connection })).out).toContain('new · nothing counted yet');
  });
});

group('status', () => {
  test('as text no wider than 80 columns', async () => {
    const { out, notes } = await run('status telegram');
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(out).toContain('telegram@1 · active · watermark 2026-01-08 19:00:10 UTC');
    expect(out).toMatch(/ 0 {2}active {5}9 {4}3 {2}2026-01-08 19:00:40 {2}2026-01-08 19:00:10/);
    expect(notes).toContain('from memory');
  });

  test('as JSON', async () => {
    expect(await json('status --json')).toMatchObject({
      version: 1,
      at: '2026-01-08T19:01:00.000Z',
      pipelines: [
        {
          pipeline: 'telegram',
          revision: 1,
          state: 'active',
          watermark: '2026-01-08T19:00:10.000Z',
          lag: 3,
          counters: { records: 9, rejected: 1, filtered: 0, late: 1, counted: 7, skipped: 0 },
          partitions: [{ partition: 0, next_offset: 9, end_offset: 12, lag: 3, reason: null, gaps: [] }],
          windows: [
            { window: '1m', open: 1, oldest_open: { window_start: '2026-01-08T19:00:00.000Z' } },
            { window: '10m', next_to_close: { window_end: '2026-01-08T19:00:30.000Z' }, event_time_left_ms: 20_000 },
          ],
        },
      ],
    });
  });
});

group('what was kept', () => {
  test('rejections with where they are and why', async () => {
    const { out } = await run('rejected telegram');
    expect(out).toContain('telegram_messages-0 offset 8 · 2026-01-08 19:00:50 UTC');
    expect(out).toContain('value: no JSON\\u001b[2J');
  });

  test('late events with the windows they missed', async () => {
    expect(await json('late telegram --json')).toMatchObject({
      version: 1,
      kind: 'late',
      topic: 'telegram_messages',
      records: [{ partition: 0, offset: 7, groups: ['slow'], missed: { '1m': '2026-01-08T18:40:00.000Z' } }],
    });
    expect((await run('late telegram')).out).toContain('\n  missed 1m: 2026-01-08T18:40:00.000Z\n');
  });
});

test('pipelines prints the declarations without any table', async () => {
  const connect = (): never => expect.unreachable();
  expect((await run('pipelines', { connect })).out).toContain('telegram_messages');
  expect(JSON.parse((await run('pipelines telegram --json', { connect })).out)).toMatchObject({
    version: 1,
    pipelines: [{ name: 'telegram', shape: { orderBy: 'message_count' } }],
  });
});

group('a command line that makes no sense', () => {
  test.each([
    ['', 'which command?'],
    ['resutls telegram 1m', 'resutls is no command; did you mean results?'],
    ['results', 'which pipeline? expected telegram'],
    ['results telegrm 1m', 'telegrm is no pipeline; did you mean telegram? expected telegram'],
    ['results telegram', 'which window of telegram? expected one of 1m, 10m'],
    ['results telegram 2m', '2m is no window of telegram; expected one of 1m, 10m'],
    ['results telegram 1m more', 'nothing more is expected, found more'],
    ['results telegram 1m --folow', '--folow is no option; did you mean --follow?'],
    ['results telegram 1m --json --csv', '--json and --csv exclude each other'],
    ['results telegram 1m --csv --open --follow', 'use --json'],
    ['results telegram 1m --windows 0', "--windows is '0'; expected a whole number from 1"],
    ['results telegram 1m --window', '--window'],
    ['results telegram 1m --window yesterday', "--window is 'yesterday'; expected a start such as"],
    [
      'results telegram 10m --window 2026-01-08T18:58:20Z',
      'no 10m window starts at 2026-01-08T18:58:20.000Z; the nearest starts are 2026-01-08T18:58:30.000Z and 2026-01-08T18:58:00.000Z',
    ],
    ['results telegram 1m --key user=alice', 'user is no group column of telegram; expected username'],
    ['results telegram 1m --key username=a --key username=b', 'names a column twice'],
    ['--json status', '--json is no option'],
  ])('%s', async (line, said) => {
    const { code, out, notes } = await run(line);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(notes).toContain(said);
  });

  test('help is no mistake', async () => {
    for (const line of ['--help', 'help', 'help results', ...COMMANDS.map(({ name }) => `${name} --help`)]) {
      const { code, out, notes } = await run(line);
      expect({ line, code, notes }).toEqual({ line, code: 0, notes: '' });
      expect(out).toContain('npx tidemark');
      expect(Math.max(...out.split('\n').map((text) => text.length))).toBeLessThanOrEqual(120);
    }
    expect((await run('--version')).out).toBe('1.2.3\n');
  });

  test('a failure is code 1', async () => {
    const connect = () => Promise.reject(new Error('no such host'));
    expect(await run('status', { connect })).toEqual({ code: 1, out: '', notes: 'tidemark: no such host' });
  });
});

group('where the tables are', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const stopped = localWorld({}, join(folder, 'none'));
  const running = { ...stopped, isRunning: true };

  test('an endpoint that is named comes first', () => {
    const env = { AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1', AWS_REGION: 'eu-central-1' };
    expect(targetOf(env, running)).toMatchObject({
      where: 'http://127.0.0.1:1',
      settings: { endpoint: 'http://127.0.0.1:1' },
    });
    const own = { ...env, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    expect(targetOf(own, running).settings).toEqual({ endpoint: 'http://127.0.0.1:1' });
  });

  test('then the local world while it runs, then AWS where settings say so, then the local default', () => {
    const aws = { AWS_REGION: 'eu-central-1' };
    expect(targetOf(aws, running)).toMatchObject({ where: 'http://127.0.0.1:8000', isLocal: true });
    expect(targetOf(aws, stopped)).toEqual({ where: 'AWS, eu-central-1', isLocal: false, settings: {} });
    expect(targetOf({}, stopped)).toMatchObject({ where: 'http://127.0.0.1:8000', isLocal: true });
  });

  test('the local world says its addresses while its process lives', () => {
    const addresses = { brokers: '127.0.0.1:19092', dynamodbEndpoint: 'http://127.0.0.1:18000' };
    const claim = (pid: number) =>
      writeFileSync(join(folder, 'processes.json'), JSON.stringify({ owner: { pid }, addresses }));
    const env = { TIDEMARK_DATA: folder };
    claim(process.pid);
    expect(localWorld(env, '/')).toEqual({ isRunning: true, ...addresses });
    claim(2 ** 30);
    expect(localWorld({ ...env, DYNAMODB_PORT: '8001' }, '/')).toMatchObject({
      isRunning: false,
      dynamodbEndpoint: 'http://127.0.0.1:8001',
    });
  });
});

import { describe as group, expect, test } from 'vitest';
import { runCommand, type World } from '../../lib/cli/command.ts';
import { results } from '../../lib/cli/results.ts';
import { statusCommand } from '../../lib/cli/status.ts';
import { jsonReport } from '../../lib/sink/json.ts';
import { tableReport } from '../../lib/sink/table.ts';
import { posts, wordsWorld } from '../support/words.ts';

/** Counted and refreshed, and one post that no refresh has seen yet. */
async function counted() {
  const it = wordsWorld({ top: 2 });
  await it.count(posts(0, 0, 'b a b', 'c b'));
  await it.count(posts(1, 0, 'a "x,y"'));
  await it.refresh();
  await it.count(posts(0, 2, 'c c c c'));
  const run = async (line: string, signal = new AbortController().signal) => {
    const [out, notes]: [string[], string[]] = [[], []];
    const world: World = {
      pipelines: [it.declared],
      version: '1.2.3',
      clock: it.runtime.clock,
      terminal: {
        write: (text) => void out.push(text),
        note: (text) => void notes.push(text),
        colour: false,
        isInteractive: false,
        signal,
      },
      connect: async () => ({
        where: 'memory',
        reader: () => it.reader,
        endsOf: async () => undefined,
        close: () => undefined,
      }),
    };
    const code = await runCommand(line.split(' '), [results, statusCommand], world);
    return { code, out: out.join(''), notes: notes.join('\n') };
  };
  return { ...it, run };
}

group('results of running totals', () => {
  test('as last refreshed, as a table', async () => {
    const { run } = await counted();
    expect((await run('results words')).out).toBe(`words all · over all time · open
  word      n  total
  ────────  ─  ─────
  b         3      0
  a         2      0
  … 2 more
  ────────  ─  ─────
  4 keys    7      0
`);
  });

  test('merged at this moment, all of them or the first', async () => {
    const { run } = await counted();
    const { out } = await run('results words all --open --json');
    const { windows } = JSON.parse(out) as { windows: { rows: { word: string; n: number; rank: number }[] }[] };
    expect(windows).toMatchObject([
      { window_start: null, window_end: null, status: 'open', watermark: null, key_count: 4, totals: { n: 11 } },
    ]);
    expect(windows[0]?.rows.map(({ rank, word, n }) => [rank, word, n])).toEqual([
      [1, 'c', 5],
      [2, 'b', 3],
      [3, 'a', 2],
      [4, '"x,y"', 1],
    ]);
    const first = await run('results words --open --limit 1 --csv');
    expect(first.out).toBe('window_start,window_end,status,rank,word,n,total\r\n,,open,1,c,5,0\r\n');
  });

  test('of one key, read directly: what was counted a moment ago is in it', async () => {
    const { run } = await counted();
    const { out, notes } = await run('results words --key word=c');
    expect(out).toBe(`window start, UTC  status  rank  word  n  total
─────────────────  ──────  ────  ────  ─  ─────
over all time      open       -  c     5      0
`);
    expect(notes).toBe('word c: in 1 of 1 windows');
    expect(JSON.parse((await run('results words --key word=c --json')).out)).toMatchObject({
      windows: [{ rows: [{ rank: null, word: 'c', n: 5 }] }],
    });
    expect(JSON.parse((await run('results words --key word=none --json')).out)).toMatchObject({
      windows: [{ rows: [] }],
    });
  });

  test('followed: one state a line', async () => {
    const { run } = await counted();
    const { out } = await run('results words --follow --json', AbortSignal.abort());
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(out)).toMatchObject({ windows: [{ key_count: 4, totals: { n: 7 } }] });
  });

  test('nothing yet is said', async () => {
    const it = await counted();
    await it.store.write({ kind: 'delete', key: { table: 'results', partition: 'words@1/all/live', sort: 'total' } });
    expect((await it.run('results words')).notes).toContain('has not been refreshed yet; --open merges');
  });

  test.each(['--window 2026-01-08T18:58:00Z', '--windows 3', '--follow --csv'])('%s makes no sense', async (option) => {
    const { code } = await (await counted()).run(`results words ${option}`);
    expect(code).toBe(2);
  });

  test('status says where partitions stand', async () => {
    const { code, out } = await (await counted()).run('status words');
    expect(code).toBe(0);
    expect(out).toContain('words@1 · active');
  });
});

test('a refresh is shown as a table for people and a line for machines', async () => {
  const { reports } = await counted();
  const [report] = reports;
  const texts: string[] = [];
  const lines: unknown[] = [];
  const log = (message: string, fields?: object) => void lines.push({ message, ...fields });
  for (const shown of report ? [report] : []) {
    tableReport((text) => void texts.push(text), { colour: false })(shown);
    jsonReport({ debug: log, info: log, warn: log, error: log })(shown);
  }
  expect(texts.join('')).toContain('words all · over all time · open\n  word');
  expect(lines).toEqual([
    expect.objectContaining({
      message: 'window result',
      window_start: null,
      window_end: null,
      watermark: null,
      key_count: 4,
    }),
  ]);
});

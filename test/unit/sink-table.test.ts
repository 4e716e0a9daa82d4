import stringWidth from 'string-width';
import { describe as group, expect, test } from 'vitest';
import { Decimal } from '../../lib/aggregate/decimal.ts';
import { cellText, cutToWidth, grid, timeText } from '../../lib/sink/grid.ts';
import type { WindowReport } from '../../lib/sink/report.ts';
import { tableReport, windowTable } from '../../lib/sink/table.ts';

const at = (time: string): number => Date.parse(`2026-01-08T${time}Z`);
const report: WindowReport = {
  pipeline: 'telegram',
  window: '1m',
  start: at('18:58:00'),
  end: at('18:59:00'),
  status: 'final',
  emit: 'final',
  watermark: at('18:59:03'),
  keys: 2,
  totals: { message_count: 21 },
  rows: [{ username: 'alice', message_count: 12 }, { message_count: 9 }],
  columns: ['username', 'message_count'],
  incomplete: undefined,
};
const plain = { colour: false };
const table = (changes: Partial<WindowReport> = {}): string => windowTable({ ...report, ...changes }, plain);

group('a window as a table', () => {
  test('has a heading, rows in rank order and totals', () => {
    expect(table()).toBe(`telegram 1m · 2026-01-08 18:58:00 to 18:59:00 UTC · final · watermark 18:59:03
  username  message_count
  ────────  ─────────────
  alice                12
  (null)                9
  ────────  ─────────────
  2 keys               21
`);
  });

  test('decimals of a column have as many digits after the point, so that the points stand below each other', () => {
    const amount = (username: string, total: Decimal | number) => ({ username, message_count: 1, total });
    const text = table({
      columns: ['username', 'message_count', 'total'],
      rows: [amount('alice', new Decimal('1234.5')), amount('bob', 20), amount('carol', new Decimal('0.03'))],
      totals: { message_count: 3, total: new Decimal('1254.53') },
      keys: 3,
    });
    expect(text.split('\n').slice(3, 6).join('\n')).toBe(`  alice                 1  1234.50
  bob                   1    20.00
  carol                 1     0.03`);
    expect(text).toContain('  3 keys                3  1254.53\n');
  });

  test('says how many rows and changed windows are not shown, and why records may be missing', () => {
    const text = table({ status: 'open', keys: 14, others: 3, incomplete: 'partition 0, offsets 10 to 19: expired' });
    expect(text).toContain('· open ·');
    expect(text).toContain('  … 12 more\n');
    expect(text).toContain('  14 keys               21\n');
    expect(text).toContain('  may lack records: partition 0, offsets 10 to 19: expired\n');
    expect(text).toContain('  3 other open windows changed\n');
    expect(table({ others: 0 })).not.toContain('other');
  });

  test('an empty window has no table, and a window over midnight names both days', () => {
    expect(table({ keys: 0, rows: [], totals: {} })).toContain('\n  no events\n');
    const text = table({ start: at('23:59:00'), end: at('23:59:00') + 60_000 });
    expect(text).toContain('2026-01-08 23:59:00 to 2026-01-09 00:00:00 UTC');
  });

  test('columns stay aligned under wide characters and long keys are cut', () => {
    const names = ['алиса', '漢字かな', '👩‍👩‍👧', 'x'.repeat(100), '漢'.repeat(50)];
    const lines = table({ keys: 5, rows: names.map((username) => ({ username, message_count: 1 })) }).split('\n');
    const widths = lines.slice(3, 8).map((line) => stringWidth(line));
    expect(new Set(widths).size).toBe(1);
    expect(widths[0]).toBeLessThanOrEqual(80);
    expect(lines[6]).toContain('x…');
  });

  test('colours come only when asked for, and do not move columns', () => {
    const coloured = windowTable(report, { colour: true });
    // oxlint-disable-next-line no-control-regex
    expect(coloured.replace(/\u001b\[\d+m/g, '')).toBe(table());
    expect(coloured).not.toBe(table());
  });

  test('a report is written at once, after an empty line', () => {
    const written: string[] = [];
    tableReport((text) => written.push(text), plain)(report);
    expect(written).toEqual([`\n${table()}`]);
  });
});

group('a cell', () => {
  test.each([
    ['alice', 'alice'],
    ['', '""'],
    [null, '(null)'],
    [undefined, '(null)'],
    ['(null)', '"(null)"'],
    ['null', 'null'],
    ['a\nb', '"a\\nb"'],
    ['\u001b[31mred', '"\\u001b[31mred"'],
    ['\u009b31m', '"\\u009b31m"'],
    ['abc\u202edef', '"abc\\u202edef"'],
    [' padded ', '" padded "'],
    ['say "hi"', 'say "hi"'],
    ['"quoted"', '"\\"quoted\\""'],
    ['\ud800', '"\\ud800"'],
    [12, '12'],
    [new Decimal('0.30'), '0.3'],
  ])('shows %j as %j', (value, text) => {
    expect(cellText(value)).toBe(text);
  });

  test('is cut between the characters a person sees', () => {
    expect(cutToWidth('漢字漢字', 6)).toBe('漢字…');
    expect(cutToWidth('ab👩‍👩‍👧cd', 4)).toBe('ab…');
    expect(cutToWidth('abcd', 4)).toBe('abcd');
  });
});

test('a grid without rows is its headings', () => {
  expect(grid([['a', 'long'], 'rule'], [false, true])).toEqual(['a  long', '─  ────']);
});

test('an instant that has not happened is none, and milliseconds show when there are any', () => {
  expect(timeText(Number.NEGATIVE_INFINITY)).toBe('none');
  expect(timeText(at('18:58:00') + 5)).toBe('2026-01-08 18:58:00.005');
});

import { setImmediate } from 'node:timers/promises';

import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';

import { cutToWidth } from '../../lib/sink/grid.ts';
import { createScreen, statusText } from '../../localstack/status-line.ts';

const at = (time: string): number => Date.parse(`2026-01-08T${time}Z`);

/** A stream that keeps what is written. */
function recorder(more: { isTTY?: boolean; columns?: number }) {
  const written: string[] = [];
  return { ...more, written, write: (text: string) => written.push(text) };
}

test('on a terminal lines appear above one status line, redrawn in place', async () => {
  const stream = recorder({ isTTY: true, columns: 20 });
  const screen = createScreen(stream, () => 0);
  screen.status('one');
  screen.line('a table');
  screen.line('of two lines');
  await setImmediate();
  screen.status('one');
  screen.status('two');
  screen.status('');
  const erase = '\r\u001B[2K';
  expect(stream.written).toEqual(['one', `${erase}a table\n`, 'of two lines\n', 'one', `${erase}two`, erase]);
});

test('on a pipe there are plain lines, a status at most every 30 s', () => {
  const stream = recorder({});
  let now = 0;
  const screen = createScreen(stream, () => now);
  for (; now <= 61_000; now += 1_000) screen.status(`at ${now}`);
  screen.line('a table');
  expect(stream.written).toEqual(['at 30000\n', 'at 60000\n', 'a table\n']);
});

describe('a line cut by what the eye sees', () => {
  test.each([
    ['short', 10, 'short'],
    ['exactly ten', 11, 'exactly ten'],
    ['one too long', 11, 'one too lo…'],
    ['日本語のメッセージ', 7, '日本語…'],
    ['семь букв', 5, 'семь…'],
    ['👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 5, '👩‍👩‍👧‍👦👩‍👩‍👧‍👦…'],
  ])('%s to %i columns', (text, columns, cut) => {
    expect(cutToWidth(text, columns)).toBe(cut);
    expect(stringWidth(cutToWidth(text, columns))).toBeLessThanOrEqual(columns);
  });
});

describe('the status', () => {
  test('says rate, watermark and the window to close next', () => {
    const facts = { watermark: at('18:58:30'), nextWindowEnd: at('18:59:00') };
    const samples = [
      { recordsTotal: 100, seenMs: 0, ...facts },
      { recordsTotal: 160, seenMs: 10_000, ...facts },
    ];
    expect(statusText(samples)).toBe(
      '6.0 messages/s | watermark 18:58:30 UTC | window until 18:59:00 closes in about 30 s',
    );
  });

  test('says what it knows, and never a negative rate', () => {
    expect(statusText([])).toBe('waiting for the first message');
    expect(statusText([{ recordsTotal: 9, seenMs: 0 }])).toBe('0.0 messages/s');
    expect(
      statusText([
        { recordsTotal: 9, seenMs: 0 },
        { recordsTotal: 1, seenMs: 1_000 },
      ]),
    ).toBe('0.0 messages/s');
  });
});

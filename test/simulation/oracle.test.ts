import { describe, expect, test } from 'vitest';
import { sliding, tumbling } from '../../lib/window/window.ts';
import type { Entry, Truth } from './kafka.ts';
import { oracle, windowsHolding, type Decision } from './oracle.ts';

const entry = (offset: number, truth: Truth): Entry => ({
  offset,
  timestamp: 0,
  key: null,
  value: null,
  truth,
  appendedAt: 0,
  state: 'visible',
  isDoomed: false,
});
const event = (offset: number, seconds: number): Entry =>
  entry(offset, { kind: 'event', instant: seconds * 1000, adds: [{ keys: ['a'], amount: 1 }], rows: [] });

const TEN = new Map([['t', tumbling('10 seconds', { emit: 'final' })]]);

function judge(decisions: readonly Decision[], kinds = TEN): string[] {
  const lines: string[] = [];
  oracle(kinds, decisions, ({ offset }, windows, missed, watermark) => {
    lines.push(`${offset}: ${windows.join(' ') || 'none'}, missed ${missed}, at ${watermark / 1000}`);
  });
  return lines;
}

describe('the oracle', () => {
  test('judges each record by the watermark before it', () => {
    //  [0        10)[10        20)
    //     1  9  12  2 (clock 12, delay 1: watermark 11)
    const records = [event(0, 1), event(1, 9), event(2, 12), event(3, 2)];
    expect(
      judge([
        { kind: 'join', watermark: -Infinity },
        { kind: 'count', records, delayMs: 1_000, commits: 1 },
      ]),
    ).toEqual([
      '0: t/0, missed 0, at -Infinity',
      '1: t/0, missed 0, at 0',
      '2: t/10000, missed 0, at 8',
      '3: none, missed 1, at 11',
    ]);
  });

  test('follows raises, never falls, and lets rejections without an instant pass', () => {
    const decisions: Decision[] = [
      { kind: 'join', watermark: 5_000 },
      { kind: 'raise', target: 10_000 },
      { kind: 'raise', target: 7_000 },
      { kind: 'count', records: [event(0, 9)], delayMs: 0, commits: 1 },
      { kind: 'count', records: [entry(1, { kind: 'rejected', reason: 'json' })], delayMs: -90_000, commits: 1 },
      { kind: 'count', records: [event(2, 11)], delayMs: 0, commits: 1 },
    ];
    expect(judge(decisions)).toEqual([
      '0: none, missed 1, at 10',
      '1: none, missed 0, at 10',
      '2: t/10000, missed 0, at 10',
    ]);
  });

  test('tries every window, also before 1970, with offsets and sizes that are no multiple of the step', () => {
    const kinds = new Map([['s', sliding('5 seconds', { every: '2 seconds', offset: '1 second', emit: 'final' })]]);
    // ... [-7, -2) [-5, 0) [-3, 2) [-1, 4) ...
    expect(windowsHolding(kinds, -2_500).map(({ id }) => id)).toEqual(['s/-7000', 's/-5000', 's/-3000']);
    expect(windowsHolding(kinds, -2_000).map(({ id }) => id)).toEqual(['s/-5000', 's/-3000']);
  });
});

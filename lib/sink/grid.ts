import stringWidth from 'string-width';
import { Decimal } from '../aggregate/decimal.ts';
import type { Value } from '../store/store.ts';
import { formatInstant, isInstant } from '../time/instant.ts';

/** A line of a grid: its cells, or a rule across all columns. */
export type GridLine = readonly string[] | 'rule';

/**
 * Cells in aligned columns, two spaces apart, by the columns a terminal gives each character.
 *
 * @param right which columns are aligned to the right: numbers.
 */
export function grid(lines: readonly GridLine[], right: readonly boolean[]): string[] {
  const cells = lines.filter((line) => line !== 'rule');
  const widths = right.map((_, i) => cells.reduce((width, line) => Math.max(width, stringWidth(line[i] ?? '')), 0));
  return lines.map((line) => {
    if (line === 'rule') return widths.map((width) => '─'.repeat(width)).join('  ');
    const padded = widths.map((width, i) => {
      const cell = line[i] ?? '';
      const space = ' '.repeat(width - stringWidth(cell));
      return right[i] ? space + cell : cell + space;
    });
    return padded.join('  ').trimEnd();
  });
}

/** Widest text in a cell. */
const MAX_CELL = 40;

/**
 * A value as a cell shows it, on one line and never more than 40 columns wide.
 *
 * A text that could be mistaken for another, or that would move the cursor or turn the line around, is shown quoted and
 * escaped, so what is not quoted stands for itself; null, and nothing else, is `(null)`.
 */
export function cellText(value: Value | undefined): string {
  if (value === null || value === undefined) return '(null)';
  if (typeof value === 'string') return cutToWidth(PLAIN.test(value) ? value : quoted(value), MAX_CELL);
  if (typeof value === 'number' || typeof value === 'boolean' || value instanceof Decimal) return String(value);
  return cutToWidth(quoted(JSON.stringify(value)), MAX_CELL);
}

/** Whether a value is aligned to the right. */
export const isNumber = (value: Value | undefined): boolean => typeof value === 'number' || value instanceof Decimal;

/**
 * Controls, line separators, lone surrogates, and marks that reverse what follows.
 *
 * @source Trojan Source: Boucher and Anderson, USENIX Security 2023: bidirectional controls.
 */
const UNSAFE = '\\p{Cc}\\p{Zl}\\p{Zp}\\p{Cs}\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069';
const PLAIN = new RegExp(`^(?![\\s"]|\\(null\\)$)[^${UNSAFE}]+(?<!\\s)$`, 'u');
const UNSAFE_CHARACTER = new RegExp(`[${UNSAFE}]`, 'gu');

const quoted = (text: string): string => safeText(JSON.stringify(text));

/** Text with what would move the cursor or turn the line around escaped, for a line of its own. */
export const safeText = (text: string): string =>
  text.replace(UNSAFE_CHARACTER, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Cuts a text to so many terminal columns, never inside a character a person sees; wide ones count two. */
export function cutToWidth(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let cut = '';
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    cut += segment;
  }
  return `${cut}…`;
}

/** An instant for people: `2026-01-08 18:58:00`, UTC; 'none' when it has not happened. */
export const timeText = (at: number): string =>
  isInstant(at)
    ? formatInstant(at)
        .replace('T', ' ')
        .replace(/(\.000)?Z$/, '')
    : at > 0
      ? formatInstant(at)
      : 'none';

/** A second instant beside a first: its time of day alone when both are of one day. */
export function timeTextAfter(first: number, at: number): string {
  const [day, text] = [timeText(first).slice(0, 10), timeText(at)];
  return text.slice(0, 10) === day ? text.slice(11) : text;
}

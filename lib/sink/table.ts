import { styleText } from 'node:util';
import type { Row } from '../store/results.ts';
import type { Value } from '../store/store.ts';
import { cellText, grid, isNumber, safeText, timeText, timeTextAfter, type GridLine } from './grid.ts';
import type { Report, WindowReport } from './report.ts';

export interface TableOptions {
  /** Whether the reader sees ANSI colours. */
  readonly colour: boolean;
}

/** A window as a table shows it; a reader may also meet one that is closed but not all written. */
export type ShownWindow = Omit<WindowReport, 'status' | 'emit'> & {
  readonly status: WindowReport['status'] | 'closing';
};

/**
 * Results as tables for people, each preceded by an empty line.
 *
 * A window that was shown while it was open is one line when it becomes final: its table was on the screen before.
 */
export const tableReport =
  (write: (text: string) => void, options: TableOptions): Report =>
  (report) => {
    const isKnown = report.status === 'final' && report.emit === 'update';
    write(`\n${isKnown ? windowLine(report, options) : windowTable(report, options)}`);
  };

/**
 * A window as a sorted table: a heading, the rows, a line of totals over all groups, and what else has to be said.
 *
 * @returns lines, each ended.
 * @example
 * telegram 1m · 2026-01-08 18:58:00 to 18:59:00 UTC · final · watermark 18:59:03
 *   username  message_count
 *   ────────  ─────────────
 *   alice                12
 *   (null)                9
 *   ────────  ─────────────
 *   2 keys               21
 */
export function windowTable(shown: ShownWindow, options: TableOptions): string {
  const paint = painter(options);
  const { incomplete, others } = shown;
  const notes = [
    ...(incomplete === undefined ? [] : [paint('yellow', `may lack records: ${safeText(incomplete)}`)]),
    ...(others === undefined || others <= 0
      ? []
      : [paint('dim', `${others} other open window${others === 1 ? '' : 's'} changed`)]),
  ];
  const body = rowsTable(shown).map((line, i) => (i === 0 ? paint('bold', line) : line));
  return [headingOf(shown, options), ...[...body, ...notes].map((line) => `  ${line}`), ''].join('\n');
}

/** A window in one line: its heading and what it comes to. */
function windowLine(shown: ShownWindow, options: TableOptions): string {
  const totals = Object.entries(shown.totals).map(([column, value]) => `${column} ${cellText(value)}`);
  const known = [keysText(shown.keys), ...totals, ...(shown.incomplete === undefined ? [] : ['may lack records'])];
  return `${headingOf(shown, options)} · ${known.join(' · ')}\n`;
}

function headingOf(shown: ShownWindow, options: TableOptions): string {
  const paint = painter(options);
  const { pipeline, window, start, end, status, watermark } = shown;
  const isRunning = !Number.isFinite(end);
  return [
    paint('bold', `${pipeline} ${window}`),
    isRunning ? 'over all time' : `${timeText(start)} to ${timeTextAfter(start, end)} UTC`,
    paint(status === 'final' ? 'green' : 'yellow', status),
    ...(isRunning ? [] : [paint('dim', `watermark ${timeTextAfter(start, watermark)}`)]),
  ].join(' · ');
}

const painter =
  ({ colour }: TableOptions) =>
  (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;

const keysText = (keys: number): string => `${keys} key${keys === 1 ? '' : 's'}`;

/** Columns, rows, how many more there are, and totals. */
function rowsTable({
  columns,
  rows,
  keys,
  totals,
}: Pick<ShownWindow, 'columns' | 'rows' | 'keys' | 'totals'>): string[] {
  if (keys === 0) return ['no events'];
  const right = columns.map((column) => [...rows, totals].some((row) => isNumber(row[column])));
  const digits = columns.map((column) => Math.max(...[...rows, totals].map((row) => fractionDigits(row[column]))));
  const cells = (row: Row): string[] => columns.map((column, i) => paddedText(row[column], digits[i] ?? 0));
  const more = keys - rows.length;
  const lines: GridLine[] = [
    columns,
    'rule',
    ...rows.map(cells),
    ...(more > 0 ? [[`… ${more} more`]] : []),
    'rule',
    columns.map((column, i) =>
      i === 0 ? keysText(keys) : totals[column] === undefined ? '' : paddedText(totals[column], digits[i] ?? 0),
    ),
  ];
  return grid(lines, right);
}

const fractionDigits = (value: Value | undefined): number =>
  isNumber(value) ? (cellText(value).split('.')[1]?.length ?? 0) : 0;

/** A number with so many digits after the point, so that in a column the points stand below each other. */
function paddedText(value: Value | undefined, digits: number): string {
  const text = cellText(value);
  if (!isNumber(value) || digits === 0) return text;
  const [whole, fraction = ''] = text.split('.');
  return `${whole}.${fraction.padEnd(digits, '0')}`;
}

import { styleText } from 'node:util';
import type { Row } from '../store/results.ts';
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
  const known = [`${shown.keys} keys`, ...totals, ...(shown.incomplete === undefined ? [] : ['may lack records'])];
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

/** Columns, rows, how many more there are, and totals. */
function rowsTable({
  columns,
  rows,
  keys,
  totals,
}: Pick<ShownWindow, 'columns' | 'rows' | 'keys' | 'totals'>): string[] {
  if (keys === 0) return ['no events'];
  const cells = (row: Row): string[] => columns.map((column) => cellText(row[column]));
  const right = columns.map((column) => [...rows, totals].some((row) => isNumber(row[column])));
  const more = keys - rows.length;
  const label = `${keys} key${keys === 1 ? '' : 's'}`;
  const lines: GridLine[] = [
    columns,
    'rule',
    ...rows.map(cells),
    ...(more > 0 ? [[`… ${more} more`]] : []),
    'rule',
    columns.map((column, i) => (i === 0 ? label : totals[column] === undefined ? '' : cellText(totals[column]))),
  ];
  return grid(lines, right);
}

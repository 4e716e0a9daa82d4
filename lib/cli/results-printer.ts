import { columnsOf, type WindowResult } from '../query.ts';
import { cellText, grid, isNumber, timeText } from '../sink/grid.ts';
import { windowTable } from '../sink/table.ts';
import type { Terminal } from './command.ts';
import { csvHeader, csvRows } from './csv.ts';
import { jsonText, resultsDocument } from './documents.ts';
import type { Asked } from './results-arguments.ts';

/** Prints windows as they come, in the format asked for. */
export interface Printer {
  /** A new state follows, which replaces the one before. */
  begin(): void;
  window(result: WindowResult): void;
  /** What was asked for is complete. */
  end(): void;
}

const CLEAR_SCREEN = '\u001B[H\u001B[2J';

export function printer(asked: Asked, terminal: Terminal): Printer {
  if (asked.format === 'json') return jsonPrinter(asked, terminal);
  if (asked.format === 'csv') return csvPrinter(asked, terminal);
  return asked.selection.key === undefined ? tablePrinter(asked, terminal) : keyPrinter(asked, terminal);
}

/** One document; while following, one a line: each window that closed, or each state of all open ones. */
function jsonPrinter({ pipeline, name, isFollowing, isOpen }: Asked, { write }: Terminal): Printer {
  const isOneByOne = isFollowing && !isOpen && !pipeline.running;
  let results: WindowResult[] = [];
  return {
    begin: () => {
      results = [];
    },
    window: (result) => {
      if (isOneByOne) write(jsonText(resultsDocument(pipeline, name, [result]), true));
      else results.push(result);
    },
    end: () => write(jsonText(resultsDocument(pipeline, name, results), isFollowing)),
  };
}

function csvPrinter({ pipeline }: Asked, { write }: Terminal): Printer {
  write(csvHeader(pipeline));
  return { begin: () => undefined, window: (result) => write(csvRows(pipeline, result)), end: () => undefined };
}

function tablePrinter({ pipeline, name }: Asked, { write, colour, isInteractive }: Terminal): Printer {
  let isFirst = true;
  return {
    begin: () => {
      if (isInteractive) write(CLEAR_SCREEN);
      isFirst ||= isInteractive;
    },
    window: ({ window: { start, end }, status, watermark, keys, totals, rows, incomplete }) => {
      const shown = { pipeline: pipeline.name, window: name, start, end, status, watermark, keys, totals, incomplete };
      const table = windowTable(
        { ...shown, columns: columnsOf(pipeline), rows: rows.map(({ row }) => row) },
        { colour },
      );
      write(`${isFirst ? '' : '\n'}${table}`);
      isFirst = false;
    },
    end: () => undefined,
  };
}

/** One group's history as one table; the windows it is not in are only counted. */
function keyPrinter({ pipeline, isFollowing, isOpen, selection }: Asked, terminal: Terminal): Printer {
  const { write, note, isInteractive } = terminal;
  const columns = columnsOf(pipeline);
  const headings = ['window start, UTC', 'status', 'rank', ...columns];
  const isOneByOne = isFollowing && !isOpen && !pipeline.running;
  let results: WindowResult[] = [];
  let isHeaded = false;
  const print = (): void => {
    const rows = results.flatMap(({ window, status, rows }) => rows.map((ranked) => ({ window, status, ...ranked })));
    if (rows.length === 0) return;
    const cells = rows.map(({ window, status, rank, row }) => [
      Number.isFinite(window.end) ? timeText(window.start) : 'over all time',
      status,
      rank === undefined ? '-' : String(rank),
      ...columns.map((column) => cellText(row[column])),
    ]);
    const right = [false, false, true, ...columns.map((column) => rows.some(({ row }) => isNumber(row[column])))];
    // The headings give the columns their least widths also where they have been printed before.
    const lines = grid([headings, 'rule', ...cells], right).slice(isHeaded ? 2 : 0);
    isHeaded = isOneByOne;
    write(lines.map((line) => `${line}\n`).join(''));
  };
  return {
    begin: () => {
      results = [];
      if (isInteractive) write(CLEAR_SCREEN);
    },
    window: (result) => {
      results.push(result);
      if (!isOneByOne) return;
      print();
      results = [];
    },
    end: () => {
      print();
      const holding = results.filter(({ rows }) => rows.length > 0).length;
      const key = Object.entries(selection.key ?? {}).map(([column, value]) => `${column} ${cellText(value)}`);
      if (results.length > 0) note(`${key.join(', ')}: in ${holding} of ${results.length} windows`);
    },
  };
}

import type { Pipeline } from '../pipeline.ts';
import { columnsOf, type WindowResult } from '../query.ts';
import type { Value } from '../store/store.ts';
import { formatInstant } from '../time/instant.ts';

/** The header line of {@link csvRows}. */
export const csvHeader = (pipeline: Pipeline): string =>
  line(['window_start', 'window_end', 'status', 'rank', ...columnsOf(pipeline)]);

/** A window's rows as CSV; null is an empty field, the empty text `""`. */
export const csvRows = (pipeline: Pipeline, { window, status, rows }: WindowResult): string =>
  rows
    .map(({ rank, row }) =>
      line([
        boundText(window.start),
        boundText(window.end),
        status,
        rank,
        ...columnsOf(pipeline).map((column) => row[column]),
      ]),
    )
    .join('');

/** Running totals have no bounds. */
const boundText = (at: number): string | undefined => (Number.isFinite(at) ? formatInstant(at) : undefined);

/** @source RFC 4180: fields with commas, quotes or line breaks are quoted, lines end with CRLF. */
const line = (values: readonly (Value | undefined)[]): string => `${values.map(field).join(',')}\r\n`;

function field(value: Value | undefined): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value).replace(/^"|"$/g, '');
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

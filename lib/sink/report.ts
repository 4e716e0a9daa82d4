import type { Row } from '../store/results.ts';

/** A window's result, ready to be shown. */
export interface WindowReport {
  readonly pipeline: string;
  readonly window: string;
  readonly start: number;
  readonly end: number;
  readonly status: 'final' | 'open';
  /** How the window's kind was declared. */
  readonly emit: 'final' | 'update';
  readonly watermark: number;
  /** Groups in the window, shown or not. */
  readonly keys: number;
  /** Columns over all groups. */
  readonly totals: Row;
  /** The first rows in rank order. */
  readonly rows: readonly Row[];
  readonly columns: readonly string[];
  /** Why the result may lack records; undefined when it does not. */
  readonly incomplete: string | undefined;
  /** For open windows: how many other windows of this kind changed since the last trigger. */
  readonly others?: number;
}

/** Where `finalize` shows results: JSON lines for machines, a table for people. */
export type Report = (window: WindowReport) => void;

/** Rows of a window that a report carries. */
export const REPORTED_ROWS = 20;

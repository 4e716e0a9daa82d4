import { parseDuration, type Duration } from '../time/duration.ts';

/**
 * Windows of one kind, as declared: `[start, start + sizeMs)` for every start on the grid
 * `offsetMs + n * everyMs`. Tumbling windows are those whose step is their size.
 */
export interface WindowKind {
  readonly kind: 'tumbling' | 'sliding';
  readonly sizeMs: number;
  readonly everyMs: number;
  readonly offsetMs: number;
  /** `final`: one result when the window closes. `update`: also refreshed while it is open. */
  readonly emit: 'final' | 'update';
  /** Shortest time between two refreshes of open windows; only with `emit: 'update'`. */
  readonly triggerMs?: number;
  /** Rows kept per window, live and final; totals always count everything. */
  readonly top?: number;
  /** What is wrong with the declaration; empty when nothing is. */
  readonly problems: readonly string[];
}

type Emit =
  | { readonly emit: 'final'; readonly top?: number; readonly offset?: Duration }
  | { readonly emit: 'update'; readonly trigger: Duration; readonly top?: number; readonly offset?: Duration };

/**
 * Totals over all time, as declared: one window that never ends, so nothing is late for it and nothing in it is final.
 * A pipeline has either windows in event time, or one of these.
 */
export interface RunningKind {
  readonly kind: 'running';
  /** Shortest time between two refreshes of the snapshot. */
  readonly triggerMs: number;
  /** Rows of the snapshot; totals always count everything. */
  readonly top: number;
  readonly problems: readonly string[];
}

/** An event may be in this many windows of one kind; more is a declaration nobody meant. */
const MAX_WINDOWS_PER_EVENT = 10_000;
const MAX_SIZE_MS = 366 * 86_400_000;
const MAX_TOP = 1_000_000;
/** Rows of an open window's snapshot when `top` is not declared, and the most there can be: it is one item. */
export const LIVE_ROWS = 100;
export const MAX_LIVE_ROWS = 1_000;

/**
 * Windows that follow each other without gap or overlap.
 *
 * @example tumbling('1 minute', { emit: 'final' })
 */
export const tumbling = (size: Duration, options: Emit): WindowKind => windowKind('tumbling', size, size, options);

/**
 * Windows of one size that start every step. The size need not be a multiple of the step.
 *
 * @example sliding('10 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 100 })
 */
export const sliding = (size: Duration, options: Emit & { readonly every: Duration }): WindowKind =>
  windowKind('sliding', size, options.every, options);

/**
 * Totals over all time, refreshed at most once per trigger while records flow.
 *
 * @param options `top`: rows of the snapshot, 1 to 1,000; 100 unless said. Totals of every key can always be read.
 * @example running({ trigger: '10 seconds', top: 100 })
 */
export function running({ trigger, top = LIVE_ROWS }: { trigger: Duration; top?: number }): RunningKind {
  const triggerMs = parseDuration(trigger) ?? 0;
  const problems: string[] = [];
  if (triggerMs < 1) problems.push(`running: trigger is '${trigger}'; expected a duration such as '10 seconds'`);
  if (!(Number.isInteger(top) && top >= 1 && top <= MAX_LIVE_ROWS))
    problems.push(`running: top is ${top}; expected a whole number from 1 to ${MAX_LIVE_ROWS}`);
  return Object.freeze({ kind: 'running', triggerMs, top, problems });
}

function windowKind(kind: WindowKind['kind'], size: Duration, every: Duration, options: Emit): WindowKind {
  const problems: string[] = [];
  const duration = (what: string, text: string): number => {
    const ms = parseDuration(text) ?? 0;
    if (ms > 0) return ms;
    problems.push(`${kind}: ${what} is '${text}'; expected a duration such as '30 seconds'`);
    return Number.NaN; // fails every comparison below: one mistake, one sentence
  };
  const sizeMs = duration('size', size);
  const everyMs = duration('every', every);
  const offsetMs = options.offset === undefined ? 0 : (parseDuration(options.offset) ?? -1);
  if (offsetMs < 0) problems.push(`${kind}: offset is '${options.offset}'; expected a duration such as '15 minutes'`);
  if (sizeMs > MAX_SIZE_MS) problems.push(`${kind}: size is '${size}'; the longest window is 366 days`);
  if (everyMs > sizeMs)
    problems.push(`${kind}: every (${every}) is longer than the window (${size}); events would fall between windows`);
  if (sizeMs / everyMs > MAX_WINDOWS_PER_EVENT)
    problems.push(`${kind}: ${size} every ${every} puts each event in more than ${MAX_WINDOWS_PER_EVENT} windows`);
  const { top } = options;
  if (top !== undefined && !(Number.isInteger(top) && top >= 1 && top <= MAX_TOP))
    problems.push(`${kind}: top is ${top}; expected a whole number from 1 to ${MAX_TOP}`);
  return Object.freeze({
    kind,
    sizeMs,
    everyMs,
    offsetMs: offsetMs % everyMs,
    emit: options.emit,
    ...(options.emit === 'update' && { triggerMs: duration('trigger', options.trigger) }),
    ...(top !== undefined && { top }),
    problems,
  });
}

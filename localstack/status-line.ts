import { cutToWidth } from '../lib/sink/grid.ts';

/** Where the local world tells a person what happens. */
export interface Screen {
  /** A line that stays. */
  line(text: string): void;
  /** What is going on now: one line redrawn in place on a terminal, rare plain lines on a pipe. '' clears it. */
  status(text: string): void;
}

/** The part of a stream a screen writes to; `process.stdout` is one. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const plainStatusMs = 30_000;
const eraseLine = '\r\u001B[2K';

/**
 * A screen on a terminal or a pipe.
 *
 * @param monotonic milliseconds that never go back.
 */
export function createScreen(stream: OutputStream, monotonic: () => number): Screen {
  return stream.isTTY ? terminalScreen(stream) : plainScreen(stream, monotonic);
}

function terminalScreen(stream: OutputStream): Screen {
  let wanted = '';
  let drawn = '';
  const draw = (): void => {
    if (wanted === drawn) return;
    stream.write(`${drawn === '' ? '' : eraseLine}${cutToWidth(wanted, (stream.columns || 80) - 1)}`);
    drawn = wanted;
  };
  return {
    line(text) {
      stream.write(`${drawn === '' ? '' : eraseLine}${text}\n`);
      drawn = '';
      setImmediate(draw); // once below a whole table, not below each of its lines
    },
    status(text) {
      wanted = text;
      draw();
    },
  };
}

function plainScreen(stream: OutputStream, monotonic: () => number): Screen {
  let lastMs = monotonic();
  return {
    line(text) {
      stream.write(`${text}\n`);
    },
    status(text) {
      if (text === '' || monotonic() - lastMs < plainStatusMs) return;
      lastMs = monotonic();
      stream.write(`${text}\n`);
    },
  };
}

/** What the status line is made of; the numbers of one pipeline. */
export interface StatusFacts {
  readonly recordsTotal: number;
  /** Instants. */
  readonly watermark?: number;
  readonly nextWindowEnd?: number;
}

/** Asks the running system how far it is; undefined while there is nothing to say. */
export type StatusSource = () => Promise<StatusFacts | undefined>;

/** Facts and when they were seen, in milliseconds that never go back. */
export interface StatusSample extends StatusFacts {
  readonly seenMs: number;
}

/**
 * The status line's text.
 *
 * @param samples the last few, oldest first; the rate is taken over all of them.
 * @example '6.0 messages/s | watermark 18:58:30 UTC | window until 18:59:00 closes in about 30 s'
 */
export function statusText(samples: readonly StatusSample[]): string {
  const oldest = samples[0];
  const newest = samples.at(-1);
  if (!oldest || !newest) return 'waiting for the first message';

  const seconds = (newest.seenMs - oldest.seenMs) / 1000;
  // A second start with --fresh counts from 0 again: a rate is never negative.
  const rate = seconds > 0 ? Math.max(0, newest.recordsTotal - oldest.recordsTotal) / seconds : 0;
  const parts = [`${rate.toFixed(1)} messages/s`];
  if (newest.watermark !== undefined) parts.push(`watermark ${timeOfDay(newest.watermark)} UTC`);
  if (newest.watermark !== undefined && newest.nextWindowEnd !== undefined) {
    // While messages flow the watermark moves with the clock on the wall, a second a second.
    const leftSeconds = Math.max(0, Math.ceil((newest.nextWindowEnd - newest.watermark) / 1000));
    parts.push(`window until ${timeOfDay(newest.nextWindowEnd)} closes in about ${leftSeconds} s`);
  }
  return parts.join(' | ');
}

const timeOfDay = (instant: number): string => new Date(instant).toISOString().slice(11, 19);

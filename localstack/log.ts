import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const limitBytes = 10_000_000;

/** A log file that cannot grow for ever: a large one becomes `.1`, in place of the `.1` before it. */
export interface Log {
  write(line: string): void;
  close(): void;
}

/** Opens a log to append, for a process that writes to it by itself. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes > limitBytes) renameSync(path, `${path}.1`);
  return openSync(path, 'a');
}

/** A log we write line by line. */
export function createLog(path: string): Log {
  let descriptor = openLog(path);
  let bytes = 0;
  return {
    write(line) {
      bytes += writeSync(descriptor, `${line}\n`);
      if (bytes <= limitBytes) return;
      closeSync(descriptor);
      descriptor = openLog(path);
      bytes = 0;
    },
    close: () => closeSync(descriptor),
  };
}

/** The last lines of a log, for an error message. */
export function tail(path: string, lines = 8): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';

import { openLog } from './log.ts';
import { signalGroup } from './process-table.ts';

/** A process we started, leading a group of its own, so that Ctrl-C in the terminal reaches us alone. */
export interface Child {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  readonly process: ChildProcess;
  /** Resolves, never rejects, with how it ended: `code 1`, `killed by SIGKILL`, `spawn java ENOENT`. */
  readonly ended: Promise<string>;
  hasEnded(): boolean;
  /** SIGTERM, and SIGKILL to the whole group after `graceMs`. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/** Starts a process whose output goes to a log file. */
export function spawnToLog(command: string, args: readonly string[], cwd: string, log: string): Child {
  const descriptor = openLog(log);
  try {
    return watch(spawn(command, args, { cwd, detached: true, stdio: ['ignore', descriptor, descriptor] }));
  } finally {
    closeSync(descriptor);
  }
}

/** Gives a process that leads a group the shape of ours. */
export function watch(child: ChildProcess): Child {
  let isOver = false;
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `killed by ${signal}` : `code ${code}`));
  }).then((how) => {
    isOver = true;
    return how;
  });
  return {
    pid: child.pid,
    process: child,
    ended,
    hasEnded: () => isOver,
    async stop(graceMs) {
      const { pid } = child;
      if (pid === undefined) return;
      if (!isOver) child.kill('SIGTERM');
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
      await ended;
      clearTimeout(timer);
      signalGroup(pid, 'SIGKILL'); // whatever it had started itself
    },
  };
}

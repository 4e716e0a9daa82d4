import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** What a run of the simulation in a process of its own came to: patches are applied as modules load. */
export interface Simulated {
  readonly exitCode: number;
  readonly output: string;
}

/** Processes at once. */
export const PROCESSES = Math.min(4, availableParallelism());

export const simulate = (...args: readonly string[]): Promise<Simulated> =>
  new Promise((resolve) => {
    const main = new URL('main.ts', import.meta.url).pathname;
    execFile(process.execPath, [main, '--marks', ...args], (error, output, errors) => {
      resolve({ exitCode: error ? Number(error.code ?? 1) : 0, output: output + errors });
    });
  });

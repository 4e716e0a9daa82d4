import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A process that can be told from a later one with the same id. */
export interface KnownProcess {
  readonly name: string;
  readonly pid: number;
  readonly identity: string;
}

export const isAlive = ({ pid, identity }: KnownProcess): boolean => identityOf(pid) === identity;

/**
 * Tells a process from any other that ever had its id: its start time.
 *
 * @returns undefined when there is no such process, or only its unreaped remains.
 */
export function identityOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(pid, 'lstart=') || undefined;
  const [state, , ...fields] = statOf(pid) ?? [];
  if (state === undefined || state === 'Z' || state === 'X') return undefined;
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[17]}`;
}

/** The parent of a process, and the name of the process's program. */
export function parentOf(pid: number): { readonly parent: number; readonly program: string } | undefined {
  if (process.platform !== 'linux') {
    const [, parent, command] = /^(\d+) (.*)$/.exec(ps(pid, 'ppid=,comm=')) ?? [];
    return parent && command ? { parent: Number(parent), program: basename(command) } : undefined;
  }
  const parent = statOf(pid)?.[1];
  return parent === undefined ? undefined : { parent: Number(parent), program: read(`/proc/${pid}/comm`).trim() };
}

/** Signals a process and what it started; our children lead groups of their own. No such process is fine. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ended in the meantime
  }
}

/**
 * The fields after the command in parentheses: state, parent, and so on.
 *
 * @source proc_pid_stat(5): field 3 is the state, 4 the parent, 22 the start in ticks since boot.
 */
function statOf(pid: number): string[] | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function ps(pid: number, fields: string): string {
  try {
    return execFileSync('ps', ['-o', fields, '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

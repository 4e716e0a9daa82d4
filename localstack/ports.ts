import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

import { TidemarkError } from '../lib/runtime/error.ts';

const run = promisify(execFile);

/** A port we are about to use. */
export interface WantedPort {
  readonly port: number;
  /** Who wants it, as a person would say it. */
  readonly user: string;
  /** The setting that changes it. */
  readonly setting: string;
}

/** Who listens on a port. */
export interface PortOwner {
  readonly pid: number;
  readonly command: string;
}

/** Whether nothing listens on this port of the loopback address. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/**
 * Refuses ports that are in use.
 *
 * @throws TidemarkError `LOCAL_WORLD` naming every such port, its owner where known, and the setting that changes it.
 */
export async function assertPortsFree(wanted: readonly WantedPort[]): Promise<void> {
  const problems: string[] = [];
  for (const { port, user, setting } of wanted) {
    if (await isPortFree(port)) continue;
    const owner = await portOwner(port);
    const by = owner ? `by process ${owner.pid} (${shorten(owner.command)})` : 'by a process this account cannot see';
    problems.push(
      `Port ${port}, which ${user} needs, is in use ${by}. Stop that, or choose another: ${setting}=<port>.`,
    );
  }
  if (problems.length > 0) throw new TidemarkError('LOCAL_WORLD', problems.join('\n'), { problems });
}

/** Who listens on a TCP port, or undefined where that cannot be known. */
export async function portOwner(port: number): Promise<PortOwner | undefined> {
  try {
    return process.platform === 'linux' ? await ownerByProc(port) : await ownerByLsof(port);
  } catch {
    return undefined; // a courtesy: the port is in use all the same
  }
}

/** Linux: /proc/net/tcp names the socket of a listener, /proc/<pid>/fd who holds that socket. */
async function ownerByProc(port: number): Promise<PortOwner | undefined> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  const sockets = new Set(tables.flatMap((table) => listeners(table, port)).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []); // another account's, or just ended
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      if (!sockets.has(target)) continue;
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return { pid: Number(pid), command: command.replaceAll('\0', ' ').trim() };
    }
  }
  return undefined;
}

/**
 * Socket inodes that listen on a port.
 *
 * @param table the text of /proc/net/tcp: `sl local_address rem_address st ... inode`, addresses and ports in hex.
 */
export function listeners(table: string, port: number): string[] {
  const listening = '0A';
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === listening && Number.parseInt(local?.split(':')[1] ?? '', 16) === port)
    .map((columns) => columns[9] ?? '');
}

async function ownerByLsof(port: number): Promise<PortOwner | undefined> {
  const { stdout } = await run('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-t']);
  const pid = Number(stdout.split('\n')[0]);
  if (!pid) return undefined;
  const { stdout: command } = await run('ps', ['-o', 'command=', '-p', String(pid)]);
  return { pid, command: command.trim() };
}

const shorten = (command: string): string => (command.length > 80 ? `${command.slice(0, 79)}…` : command);

import { type ChildProcess, spawn } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { TidemarkError } from '../lib/runtime/error.ts';
import { identityOf, isAlive, type KnownProcess, signalGroup } from './process-table.ts';
import type { Addresses } from './settings.ts';
import type { Screen } from './status-line.ts';

/** The right to run in a data folder, and the list of what runs there. */
export interface Claim {
  add(name: string, pid: number): void;
  remove(pid: number): void;
  release(): void;
}

/** `processes.json`; the `tidemark` command looks there for what runs, and where. */
interface ClaimFile {
  readonly owner: KnownProcess;
  readonly addresses: Addresses;
  readonly children: readonly KnownProcess[];
}

const graceMs = 4_000;

/**
 * Claims a data folder for this process; one system at a time runs on it.
 *
 * What an earlier owner left running when it was killed is stopped first, by id and start time, and said.
 *
 * @param addresses where the servers are, for who looks into the folder.
 * @throws TidemarkError `LOCAL_WORLD` when the owner still runs.
 */
export async function claimFolder(folder: string, addresses: Addresses, screen: Screen): Promise<Claim> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'processes.json');
  const owner = { name: 'owner', pid: process.pid, identity: identityOf(process.pid) ?? '' };
  let children: KnownProcess[] = [];
  const contents = (): ClaimFile => ({ owner, addresses, children });

  // A link is made by one only, and never shows a file half written.
  const claimed = (): boolean => {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(contents()));
    try {
      linkSync(draft, path);
      return true;
    } catch {
      return false;
    } finally {
      rmSync(draft, { force: true });
    }
  };
  while (!claimed()) await stopLeftovers(path, folder, screen);

  const lifeline = startLifeline();
  const save = (): void => {
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(contents()));
    renameSync(`${path}.${process.pid}`, path);
    lifeline?.stdin?.write(`${children.map(({ pid }) => pid).join(' ')}\n`);
  };
  return {
    add(name, pid) {
      const identity = identityOf(pid);
      if (identity === undefined) return; // ended already
      children.push({ name, pid, identity });
      save();
    },
    remove(pid) {
      children = children.filter((child) => child.pid !== pid);
      save();
    },
    release() {
      children = [];
      save();
      rmSync(path, { force: true });
      lifeline?.stdin?.end();
    },
  };
}

/** Stops what a dead owner left behind, so that the folder can be claimed. */
async function stopLeftovers(path: string, folder: string, screen: Screen): Promise<void> {
  const found = readClaim(path);
  if (found && isAlive(found.owner)) {
    throw new TidemarkError(
      'LOCAL_WORLD',
      `Tidemark already runs on ${folder} (process ${found.owner.pid}). Stop it with Ctrl-C or 'kill ${found.owner.pid}', or run beside it with ` +
        'another folder and other ports: TIDEMARK_DATA, KAFKA_PORT, KAFKA_CONTROLLER_PORT, DYNAMODB_PORT, LAMBDA_PORT.',
    );
  }
  await Promise.all(
    (found?.children ?? []).filter(isAlive).map(async (child) => {
      screen.line(`Stopping ${child.name} (process ${child.pid}), left over from a run that was killed.`);
      signalGroup(child.pid, 'SIGTERM');
      const until = performance.now() + graceMs;
      while (isAlive(child) && performance.now() < until) await sleep(50);
      if (isAlive(child)) signalGroup(child.pid, 'SIGKILL');
      while (isAlive(child)) await sleep(20);
    }),
  );
  rmSync(path, { force: true });
}

function readClaim(path: string): ClaimFile | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ClaimFile; // our own file, written whole
  } catch {
    return undefined;
  }
}

/**
 * A shell that outlives us by a moment: when this process dies, even by SIGKILL, its standard input ends and it stops
 * the processes of the last line it read.
 */
function startLifeline(): ChildProcess | undefined {
  if (process.platform === 'win32') return undefined;
  const script = 'pids=; while read -r line; do pids=$line; done; [ -z "$pids" ] || kill $pids';
  const shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.on('error', () => undefined); // without it, the next start cleans up
  shell.stdin?.on('error', () => undefined);
  shell.unref();
  return shell;
}

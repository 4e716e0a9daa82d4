import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { type Child, watch } from '../../localstack/child.ts';
import { claimFolder } from '../../localstack/claim.ts';
import { createCrew, type Part } from '../../localstack/crew.ts';
import { assertPortsFree, isPortFree, listeners, portOwner } from '../../localstack/ports.ts';
import { identityOf } from '../../localstack/process-table.ts';

let folder: string;
const lines: string[] = [];
const screen = { line: (text: string) => void lines.push(text), status: () => undefined };
const addresses = { brokers: '127.0.0.1:1', dynamodbEndpoint: 'http://127.0.0.1:2' };
const monotonic = (): number => performance.now();

beforeEach(async () => {
  lines.length = 0;
  folder = await mkdtemp(join(tmpdir(), 'tidemark-crew-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const shell = (script: string): Child => watch(spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' }));
const part = (name: string, script: string, more: Partial<Part> = {}): Part => ({
  name,
  address: 'nowhere',
  graceMs: 300,
  spawn: () => shell(script),
  ready: () => sleep(20),
  ...more,
});
const eventually = async (holds: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 200 && !holds(); tries++) await sleep(20);
  expect(holds()).toBe(true);
};

describe('a crew', () => {
  test('starts a part again that was killed, and says so', async () => {
    const crew = createCrew(await claimFolder(folder, addresses, screen), screen, monotonic);
    await crew.run(part('Sleeper', 'exec sleep 60'));
    const [first] = crew.members;
    process.kill(first?.pid ?? 0, 'SIGKILL');
    await eventually(() => lines.some((line) => line.startsWith('Sleeper is up again')));
    expect(lines[0]).toBe('Sleeper ended unexpectedly (killed by SIGKILL); starting it again (1 of 5 a minute).');
    expect(crew.members[0]?.pid).not.toBe(first?.pid);
    await crew.stop();
    expect(crew.members).toEqual([]);
  });

  test('gives up on a part that keeps ending', async () => {
    const crew = createCrew(await claimFolder(folder, addresses, screen), screen, monotonic);
    await crew.run(part('Fainter', 'sleep 0.1; exit 3'));
    const { message } = await crew.failed;
    expect(message).toBe('Fainter ended 6 times within a minute (last: code 3)');
    expect(lines.filter((line) => line.includes('starting it again'))).toHaveLength(5);
    await crew.stop();
  });

  test('stops those in front first, and kills with its whole group what does not end', async () => {
    const order: string[] = [];
    const noting = (name: string, script: string, more: Partial<Part> = {}) =>
      part(name, script, {
        ...more,
        spawn: () => {
          const child = shell(script);
          void child.ended.then((how) => order.push(`${name} ${how}`));
          return child;
        },
      });
    const crew = createCrew(await claimFolder(folder, addresses, screen), screen, monotonic);
    await crew.run(noting('server', 'exec sleep 60'));
    await crew.run(noting('front', 'trap "" TERM; sleep 60 & wait; sleep 60', { isFront: true }));
    const pids = crew.members.map(({ pid }) => pid);
    await crew.stop();
    expect(order).toEqual(['front killed by SIGKILL', 'server killed by SIGTERM']);
    expect(pids.map(identityOf)).toEqual([undefined, undefined]);
  });

  test('a part that cannot be started is an error, not a restart', async () => {
    const crew = createCrew(await claimFolder(folder, addresses, screen), screen, monotonic);
    const absent = part('Absent', '', {
      spawn: () => watch(spawn('/nowhere/absent', { detached: true, stdio: 'ignore' })),
      ready: async (child) => {
        throw new Error(await child.ended);
      },
    });
    await expect(crew.run(absent)).rejects.toThrow('ENOENT');
    await crew.stop();
    expect(lines).toEqual([]);
  });
});

describe('a data folder', () => {
  test('is for one system at a time', async () => {
    const claim = await claimFolder(folder, addresses, screen);
    await expect(claimFolder(folder, addresses, screen)).rejects.toThrow(
      `Tidemark already runs on ${folder} (process ${process.pid})`,
    );
    claim.release();
    (await claimFolder(folder, addresses, screen)).release();
  });

  test('an owner killed by SIGKILL takes its processes along', async () => {
    const script = join(import.meta.dirname, '../support/claim-owner.ts');
    const owner = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const child = await new Promise<number>((resolve) => {
      owner.stdout.once('data', (data: Buffer) => resolve(Number(String(data))));
    });
    expect(identityOf(child)).toBeDefined();
    owner.kill('SIGKILL');
    await eventually(() => identityOf(child) === undefined);
  });

  test('is cleared of what a dead owner left, but not of a stranger with a left process’s id', async () => {
    const [left, stranger] = [shell('exec sleep 60'), shell('exec sleep 60')];
    const [leftPid = 0, strangerPid = 0] = [left.pid, stranger.pid];
    const children = [
      { name: 'Kafka', pid: leftPid, identity: identityOf(leftPid) },
      { name: 'DynamoDB', pid: strangerPid, identity: 'started at another time' },
    ];
    const owner = { name: 'owner', pid: process.pid, identity: 'started at another time' };
    await writeFile(join(folder, 'processes.json'), JSON.stringify({ owner, children }));
    (await claimFolder(folder, addresses, screen)).release();
    expect(lines).toEqual([`Stopping Kafka (process ${leftPid}), left over from a run that was killed.`]);
    expect(await left.ended).toBe('killed by SIGTERM');
    expect(stranger.hasEnded()).toBe(false);
    await stranger.stop(0);
  });

  test('lists what runs, with what tells it from a later process of the same id', async () => {
    const claim = await claimFolder(folder, addresses, screen);
    claim.add('itself', process.pid);
    const file: unknown = JSON.parse(await readFile(join(folder, 'processes.json'), 'utf8'));
    expect(file).toMatchObject({
      addresses,
      owner: { pid: process.pid },
      children: [{ name: 'itself', pid: process.pid, identity: identityOf(process.pid) }],
    });
    claim.remove(process.pid); // or releasing would end in our own death
    claim.release();
  });
});

describe('ports', () => {
  test('one in use is refused with its owner and the setting that changes it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await isPortFree(port)).toBe(false);
    expect(await portOwner(port)).toMatchObject({ pid: process.pid });
    await expect(assertPortsFree([{ port, user: 'Kafka', setting: 'KAFKA_PORT' }])).rejects.toThrow(
      new RegExp(`Port ${port}, which Kafka needs, is in use by process ${process.pid} \\(.*KAFKA_PORT=<port>`),
    );
    await new Promise((resolve) => server.close(resolve));
    expect(await isPortFree(port)).toBe(true);
  });

  test('reads the kernel’s table of sockets', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:2384 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4343 1 0 100 0 0 10 0`;
    expect(listeners(table, 9092)).toEqual(['4242']);
    expect(listeners(table, 9093)).toEqual([]);
  });
});

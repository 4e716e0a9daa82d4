import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { isPortFree } from '../../localstack/ports.ts';
import { freePort } from '../support/kafka-broker.ts';

const root = join(import.meta.dirname, '../..');
const cli = createRequire(import.meta.url).resolve('serverless/bin/serverless.js');

/** Handlers that note what they got; `count` fails once. */
const functions = {
  common: `import { appendFileSync } from 'node:fs';
    const names = ['PIPELINES', 'KAFKA_BROKERS', 'KAFKA_AUTH', 'AWS_ENDPOINT_URL_DYNAMODB', 'AWS_REGION', 'AWS_ACCESS_KEY_ID'];
    export const note = (name: string, event: unknown) => {
      const env = Object.fromEntries(names.map((key) => [key, process.env[key]]));
      appendFileSync(process.env['NOTES'] ?? '', JSON.stringify({ name, event, env }) + '\\n');
    };`,
  count: `import { note } from './common.ts';
    let calls = 0;
    export const handler = async (event: unknown) => {
      note('count', event);
      calls += 1;
      if (calls === 1) throw new Error('the first time fails');
      const url = process.env['AWS_ENDPOINT_URL_LAMBDA'] + '/2015-03-31/functions/' + process.env['FINALIZE_FUNCTION'] + '/invocations';
      await fetch(url, { method: 'POST', headers: { 'x-amz-invocation-type': 'Event' }, body: '{"pipeline":"hinted"}' });
    };`,
  emit: `import { kafkaClient } from '../lib/source/kafkajs.ts';
    import { note } from './common.ts';
    export const handler = async (event: unknown) => {
      note('emit', event);
      const producer = kafkaClient((process.env['KAFKA_BROKERS'] ?? '').split(','), 'emit').producer();
      await producer.connect();
      await producer.send({ topic: 'telegram_messages', messages: [{ key: 'k', value: 'v' }] });
      await producer.disconnect();
    };`,
  finalize: `import { note } from './common.ts';
    export const handler = async (event: unknown) => note('finalize', event);`,
};

interface Note {
  readonly name: string;
  readonly event: { readonly records?: Readonly<Record<string, readonly unknown[]>> };
  readonly env: Readonly<Record<string, string>>;
}

let folder: string;
let ports: readonly [number, number, number, number];
let child: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-plugin-'));
  const parts = ['serverless.yml', 'package.json', 'lib', 'localstack'];
  await Promise.all(parts.map((part) => cp(join(root, part), join(folder, part), { recursive: true })));
  await cp(join(root, 'functions'), join(folder, 'functions'), { recursive: true });
  await Promise.all(
    Object.entries(functions).map(([name, code]) => writeFile(join(folder, `functions/${name}.ts`), code)),
  );
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  ports = [await freePort(), await freePort(), await freePort(), await freePort()];
});

afterAll(async () => {
  child?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Runs serverless; what it prints and what the handlers noted can be asked at any time. */
function serverless(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const notes = join(folder, `notes-${Math.random()}`);
  const [kafka, controller, dynamodb, lambda] = ports.map(String) as [string, string, string, string];
  const started = spawn(process.execPath, [cli, ...args], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      KAFKA_PORT: kafka,
      KAFKA_CONTROLLER_PORT: controller,
      DYNAMODB_PORT: dynamodb,
      LAMBDA_PORT: lambda,
      NOTES: notes,
      ...more,
    },
  });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr]) stream.on('data', (data) => (output += String(data)));
  const ended = new Promise<number | null>((resolve) => started.once('exit', resolve));
  return {
    ended,
    output: () => output,
    noted: async (name: string): Promise<Note[]> => {
      const lines = (await readFile(notes, 'utf8').catch(() => '')).split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line) as Note).filter((note) => note.name === name);
    },
    stop: async (signal: NodeJS.Signals): Promise<number> => {
      const before = performance.now();
      started.kill(signal);
      await ended;
      return performance.now() - before;
    },
  };
}

test.each([
  [['offline'], 'SIGINT'],
  [['offline', 'start'], 'SIGTERM'],
] as const)('serverless %j runs events and schedules, and leaves nothing behind', async (args, signal) => {
  const local = serverless(args, { PIPELINES: 'telegram' });
  const [kafka, , dynamodb] = ports;
  await vi.waitFor(
    async () =>
      expect(await local.noted('finalize')).toContainEqual(expect.objectContaining({ event: { pipeline: 'hinted' } })),
    {
      timeout: 40_000,
      interval: 100,
    },
  );

  const [emit] = await local.noted('emit');
  expect(emit?.event).toEqual({ pipeline: 'telegram' });
  expect(await local.noted('finalize')).toContainEqual(expect.objectContaining({ event: { pipeline: 'telegram' } }));

  const [first, again] = await local.noted('count');
  expect(again?.event).toEqual(first?.event);
  expect(first?.env).toEqual({
    PIPELINES: 'telegram',
    KAFKA_BROKERS: `127.0.0.1:${kafka}`,
    KAFKA_AUTH: 'none',
    AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${dynamodb}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
  });
  expect(local.output()).toContain('countTelegram failed (try 1; ');
  expect(Object.values(first?.event.records ?? {}).flat()).toHaveLength(1);

  expect(await local.stop(signal)).toBeLessThan(3_000);
  expect(await Promise.all(ports.map(isPortFree))).toEqual([true, true, true, true]);
});

test('pipelines that were not chosen stay still', async () => {
  const local = serverless(['offline', 'start'], { PIPELINES: 'another' });
  await vi.waitFor(() => expect(local.output()).toContain('listening on'), { timeout: 40_000 });
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect([...(await local.noted('emit')), ...(await local.noted('finalize')), ...(await local.noted('count'))]).toEqual(
    [],
  );
  expect(await local.stop('SIGINT')).toBeLessThan(3_000);
});

test('what the local event source does not know is refused, in words', async () => {
  const path = join(folder, 'serverless.yml');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('batchSize: 1000', 'filterPatterns: [{ value: { a: [1] } }]'));
  const local = serverless(['offline']);
  expect(await local.ended).toBe(1);
  expect(local.output()).toContain('functions.countTelegram.events.msk: Unrecognized key: "filterPatterns"');
  expect(local.output()).not.toContain('at '.padStart(6));
  await writeFile(path, text);
});

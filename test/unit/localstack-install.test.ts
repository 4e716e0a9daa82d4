import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { installKafka, parseLock, progressBar } from '../../localstack/install.ts';

const bodies = new Map(Array.from({ length: 12 }, (_, n) => [`part${n}-1.0.jar`, `jar number ${n}`.repeat(1_000)]));
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const lock = [...bodies]
  .map(([file, body]) => `org.example:${file.replace('-1.0.jar', '')}:1.0 ${sha256(body)}\n`)
  .join('');
const silent = { line: () => undefined, status: () => undefined };
const never = new AbortController().signal;

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'tidemark-install-'));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

/** Runs with a Maven repository on the loopback address. */
async function withRepository<T>(answer: RequestListener, run: (mavenRoot: string) => Promise<T>): Promise<T> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}/maven2`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const serve: RequestListener = (request, response) => {
  const body = bodies.get(request.url?.split('/').at(-1) ?? '');
  response.writeHead(body === undefined ? 404 : 200).end(body);
};

const install = (mavenRoot: string, list = lock) => installKafka(list, { cache, mavenRoot }, silent, never);

describe('the installer', () => {
  test('fetches what is missing by Maven’s layout, and nothing the second time', async () => {
    const asked: string[] = [];
    const counting: RequestListener = (request, response) => {
      asked.push(request.url ?? '');
      serve(request, response);
    };
    await withRepository(counting, async (root) => {
      const folder = await install(root);
      expect(asked).toHaveLength(12);
      expect(asked).toContain('/maven2/org/example/part3/1.0/part3-1.0.jar');
      expect(await readFile(join(folder, 'part3-1.0.jar'), 'utf8')).toBe(bodies.get('part3-1.0.jar'));

      await writeFile(join(folder, 'part3-1.0.jar'), 'half a jar');
      await install(root);
      expect(asked).toHaveLength(13);
    });
  });

  test('two at once leave whole jars and nothing else', async () => {
    await withRepository(serve, async (root) => {
      const [folder] = await Promise.all([install(root), install(root)]);
      expect((await readdir(folder)).toSorted()).toEqual([...bodies.keys()].toSorted());
    });
  });

  test('refuses a wrong checksum, says whose, and keeps no such file', async () => {
    const wrong: RequestListener = (request, response) =>
      request.url?.includes('part5') ? response.end('something else') : serve(request, response);
    await withRepository(wrong, async (root) => {
      await expect(install(root)).rejects.toThrow(/part5-1\.0\.jar has the SHA-256 .* the lock list says/);
      expect(await readdir(join(cache, 'kafka-4.3.1'))).not.toContainEqual(expect.stringContaining('part5'));
    });
  });

  test('a body cut short is tried again; one that stays cut is an error, and the rest goes on next time', async () => {
    let cuts = 0;
    const cutting: (times: number) => RequestListener = (times) => (request, response) => {
      if (!request.url?.includes('part0') || cuts >= times) return serve(request, response);
      cuts += 1;
      response.writeHead(200, { 'content-length': '1000' }).write('x');
      return setTimeout(() => response.destroy(), 10);
    };
    await withRepository(cutting(99), (root) =>
      expect(install(root)).rejects.toThrow(/part0.*could not|could not.*part0/),
    );
    cuts = 0;
    const folder = await withRepository(cutting(2), (root) => install(root));
    expect(await readdir(folder)).toHaveLength(12);
  });

  test('a repository that is not there is named, with the settings that help', async () => {
    const gone = await withRepository(serve, (root) => Promise.resolve(root));
    await expect(install(gone)).rejects.toThrow(/ECONNREFUSED[^]*TIDEMARK_MAVEN_ROOT[^]*KAFKA_BROKERS/);
  });

  test('removes what a killed installer left, once it is old', async () => {
    await withRepository(serve, async (root) => {
      const folder = await install(root);
      const [old, young] = [join(folder, 'a.jar.1.part'), join(folder, 'b.jar.2.part')];
      await Promise.all([writeFile(old, ''), writeFile(young, ''), rm(join(folder, 'part1-1.0.jar'))]);
      await utimes(old, 0, 0);
      await install(root);
      expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual(['b.jar.2.part']);
    });
  });
});

test('the lock list holds 46 jars, each with a checksum', async () => {
  const text = await readFile(join(import.meta.dirname, '../../localstack/kafka-jars.lock'), 'utf8');
  expect(parseLock(text)).toHaveLength(46);
  expect(() => parseLock('org.example:a:1.0')).toThrow("found 'org.example:a:1.0'");
});

test('the progress bar', () => {
  expect(progressBar(23, 46, 20_000_000)).toBe('[##########----------] 23 of 46 files, 20.0 MB');
});

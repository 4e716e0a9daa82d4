import { createHash, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type * as MavenUrl from 'mvn-artifact-url';

import { TidemarkError } from '../lib/runtime/error.ts';
import type { Screen } from './status-line.ts';

// An old CommonJS package whose `default` Node, bundlers and test runners wrap differently; required, it is one thing.
const { default: artifactUrl } = createRequire(import.meta.url)('mvn-artifact-url') as typeof MavenUrl.default;

/** The version the lock list holds; the folder of the cache is named after it. */
export const kafkaVersion = '4.3.1';

const parallel = 8;
const attempts = 3;
const stallMs = 30_000;
const partLifeMs = 600_000;

/** One jar of the lock list: `group:artifact:version sha256`. */
export interface Jar {
  readonly groupId: string;
  readonly artifactId: string;
  readonly version: string;
  readonly file: string;
  readonly sha256: string;
}

/** Reads a lock list, one jar a line. */
export function parseLock(text: string): Jar[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, groupId, artifactId, version, sha256] =
        /^([^:\s]+):([^:\s]+):([^:\s]+) ([0-9a-f]{64})$/.exec(line) ?? [];
      if (!groupId || !artifactId || !version || !sha256) {
        throw new TidemarkError(
          'LOCAL_WORLD',
          `kafka-jars.lock: 'group:artifact:version sha256' is wanted, found '${line}'`,
        );
      }
      return { groupId, artifactId, version, file: `${artifactId}-${version}.jar`, sha256 };
    });
}

/**
 * Makes sure that Kafka's jars are in the cache, each with the checksum of the lock list.
 *
 * Jars that are there and right are kept, so an interrupted run goes on where it stopped. A jar gets its name only when
 * whole and checked, by a rename; two processes that install at once write the same bytes under different temporary
 * names and cannot disturb each other.
 *
 * @returns the folder of the jars.
 * @throws TidemarkError `LOCAL_WORLD` for an address that cannot be reached, or a checksum that differs.
 */
export async function installKafka(
  lock: string,
  settings: { readonly cache: string; readonly mavenRoot?: string },
  screen: Screen,
  signal: AbortSignal,
): Promise<string> {
  const jars = parseLock(lock);
  const folder = join(settings.cache, `kafka-${kafkaVersion}`);
  await mkdir(folder, { recursive: true });

  const missing: Jar[] = [];
  for (const jar of jars) if (!(await isRight(join(folder, jar.file), jar))) missing.push(jar);

  if (missing.length > 0) {
    screen.line(`Fetching Apache Kafka ${kafkaVersion}, once: ${missing.length} of ${jars.length} files to ${folder}`);
    const all = missing.length;
    let done = 0;
    let bytes = 0;
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    const next = async (): Promise<void> => {
      for (let jar = missing.pop(); jar && !stop.aborted; jar = missing.pop()) {
        const size = await fetchJar(jar, folder, settings.mavenRoot, stop);
        bytes += size;
        done += 1;
        screen.status(progressBar(done, all, bytes));
      }
    };
    try {
      await Promise.all(Array.from({ length: parallel }, next));
    } finally {
      failed.abort(); // the first failure ends the other downloads
      screen.status('');
    }
    await removeOldParts(folder);
    screen.line(`Apache Kafka ${kafkaVersion} is there: ${megabytes(bytes)} fetched and checked.`);
  }
  return folder;
}

/** Fetches one jar, checks it, and only then gives it its name. @returns its size in bytes. */
async function fetchJar(jar: Jar, folder: string, root: string | undefined, stop: AbortSignal): Promise<number> {
  const url = await artifactUrl(jar, root && `${root.replace(/\/+$/, '')}/`);
  const bytes = await download(url, stop);
  const sha256 = hash(bytes);
  if (sha256 !== jar.sha256) {
    throw new TidemarkError(
      'LOCAL_WORLD',
      `${url} has the SHA-256 ${sha256}, the lock list says ${jar.sha256}. It was not kept. ` +
        'A proxy that answers in place of the repository, or a changed mirror, does that.',
    );
  }
  const part = join(folder, `${jar.file}.${randomUUID()}.part`);
  try {
    await writeFile(part, bytes);
    await rename(part, join(folder, jar.file));
  } finally {
    await rm(part, { force: true });
  }
  return bytes.length;
}

/** Removes what killed installers left; younger parts may belong to one that runs beside us. */
async function removeOldParts(folder: string): Promise<void> {
  const oldestMs = Date.now() - partLifeMs;
  for (const name of (await readdir(folder)).filter((name) => name.endsWith('.part'))) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && found.mtimeMs < oldestMs) await rm(join(folder, name), { force: true });
  }
}

/** A whole body, or a refusal that says where and why. Tries again unless the server gave a definite answer. */
async function download(url: string, stop: AbortSignal): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    const stalled = new AbortController();
    const timer = setTimeout(() => stalled.abort(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
    try {
      const response = await fetch(url, { signal: AbortSignal.any([stop, stalled.signal]) });
      if (!response.ok) {
        const why = `it answered HTTP ${response.status}`;
        throw response.status < 500 ? unreachable(url, why) : new Error(why);
      }
      const chunks: Uint8Array[] = [];
      for await (const chunk of response.body ?? []) {
        timer.refresh();
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      if (error instanceof TidemarkError || stop.aborted) throw error;
      if (attempt >= attempts) throw unreachable(url, reason(error), error);
    } finally {
      clearTimeout(timer);
    }
  }
}

const unreachable = (url: string, why: string, cause?: unknown): TidemarkError =>
  new TidemarkError(
    'LOCAL_WORLD',
    `Kafka's jars could not be fetched from ${url}: ${why}. What is already there is kept, so starting again goes on. ` +
      'With a mirror, set TIDEMARK_MAVEN_ROOT to its root; with a Kafka of your own, KAFKA_BROKERS=host:port.',
    {},
    cause,
  );

/** fetch says only 'fetch failed'; the reason is in its cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message ? error.cause.message : error.message;
}

/** @example progressBar(23, 46, 20e6) // '[##########----------] 23 of 46 files, 20.0 MB' */
export function progressBar(done: number, all: number, bytes: number): string {
  const width = 20;
  const filled = Math.floor((done / all) * width);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${done} of ${all} files, ${megabytes(bytes)}`;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const hash = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
const isRight = (path: string, jar: Jar): Promise<boolean> =>
  readFile(path).then(
    (bytes) => hash(bytes) === jar.sha256,
    () => false,
  );

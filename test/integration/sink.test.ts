import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fileSink } from '../../lib/sink/files.ts';
import { s3Sink } from '../../lib/sink/s3.ts';
import { sinkAt, sinkPlace } from '../../lib/sink/sink.ts';
import { startS3, type S3Server } from '../support/s3-server.ts';
import { sinkContract } from '../support/sink-contract.ts';

/** Large enough to be cut somewhere. */
const SIZE = 3_000_000;

let folder: string;
let s3: S3Server;
let buckets = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-sink-'));
  s3 = await startS3();
  vi.stubEnv('AWS_ENDPOINT_URL_S3', s3.endpoint);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await s3.stop();
  await rm(folder, { recursive: true });
});

beforeEach(() => {
  s3.conflicts = 0;
  s3.requests.length = 0;
});

const filesUnder = async (place: string): Promise<string[]> => {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1));
};

sinkContract('a folder', async () => {
  const place = await mkdtemp(join(folder, 'sink-'));
  return {
    sink: fileSink(place),
    other: fileSink(place),
    names: () => filesUnder(place),
    content: async (name) => new Uint8Array(await readFile(join(place, name))),
  };
});

sinkContract('a bucket', async () => {
  const bucket = `bucket-${buckets++}`;
  const objects = () => [...s3.objects].filter(([key]) => key.startsWith(`${bucket}/pre/fix/`));
  return {
    sink: s3Sink(bucket, 'pre/fix'),
    other: s3Sink(bucket, 'pre/fix'),
    names: async () => objects().map(([key]) => key.slice(`${bucket}/pre/fix/`.length)),
    content: async (name) => s3.objects.get(`${bucket}/pre/fix/${name}`) ?? Buffer.from('nothing'),
  };
});

describe('a folder', () => {
  test('is made with the first file, and holds nothing else in the end', async () => {
    const place = join(folder, 'not', 'there', 'yet');
    await fileSink(place).put('a/b.parquet', Buffer.from('x'));
    await fileSink(place).put('a/b.parquet', Buffer.from('y'));
    expect(await readdir(place, { recursive: true })).toEqual(['a', 'a/b.parquet']);
  });

  test('that is a file is an error, not a file that was there', async () => {
    const place = join(folder, 'occupied');
    await writeFile(place, '');
    await expect(fileSink(place).put('a/b.parquet', Buffer.from('x'))).rejects.toThrow(/ENOTDIR|EEXIST/);
    await expect(fileSink(folder).put('occupied/b.parquet', Buffer.from('x'))).rejects.toThrow(/ENOTDIR|EEXIST/);
  });

  test('holds only whole files whenever its writer is killed', async () => {
    const place = await mkdtemp(join(folder, 'killed-'));
    const module = pathToFileURL(join(import.meta.dirname, '../../lib/sink/files.ts')).href;
    const program = `const { fileSink } = await import('${module}');
      const sink = fileSink(process.argv[1]);
      for (let i = 0; ; i++) await sink.put('out/' + i + '.parquet', Buffer.alloc(${SIZE}, i));`;
    const writer = spawn(process.execPath, ['--input-type=module', '-e', program, place], { stdio: 'inherit' });
    await vi.waitUntil(async () => (await filesUnder(place)).length > 5, 10_000);
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const files = (await filesUnder(place)).filter((name) => name.endsWith('.parquet'));
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(place, name))).size));
    expect(new Set(sizes)).toEqual(new Set([SIZE]));
    expect(await fileSink(place).put('out/0.parquet', Buffer.from('x'))).toBe('was there');
  });
});

describe('a bucket', () => {
  test('is asked to put only where nothing is', async () => {
    await s3Sink('bucket', '').put('a/b.parquet', Buffer.from('x'));
    expect(s3.requests).toMatchObject([{ 'if-none-match': '*', 'content-length': expect.any(String) }]);
    expect(s3.objects.has('bucket/a/b.parquet')).toBe(true);
  });

  test('where another put of the same file is under way is busy: nobody knows yet which one wins', async () => {
    s3.conflicts = 1;
    const sink = s3Sink('bucket', 'busy');
    await expect(sink.put('a.parquet', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_BUSY' });
    expect(await sink.put('a.parquet', Buffer.from('x'))).toBe('put');
  });

  test('that does not exist is an error', async () => {
    await expect(s3Sink('no-bucket', '').put('a.parquet', Buffer.from('x'))).rejects.toThrow('NoSuchBucket');
  });
});

describe('SINK_URL', () => {
  test.each([
    ['file:.tidemark/sink', { kind: 'file', folder: '.tidemark/sink' }],
    ['file:/var/a b%20c', { kind: 'file', folder: '/var/a b%20c' }],
    ['file:///var/a%20b', { kind: 'file', folder: '/var/a b' }],
    ['s3://my-bucket', { kind: 's3', bucket: 'my-bucket', prefix: '' }],
    ['s3://my.bucket/tidemark/prod/', { kind: 's3', bucket: 'my.bucket', prefix: 'tidemark/prod' }],
  ])('%s is a place', (url, place) => {
    expect(sinkPlace(url)).toEqual(place);
  });

  test.each([
    '',
    'sink',
    'file:',
    'file://host/folder',
    's3:',
    's3://',
    's3://B',
    's3://a',
    'http://x/y',
    'S3://bucket',
  ])("'%s' is none", (url) => {
    expect(sinkPlace(url)).toBeUndefined();
  });

  test('opens the sink it names', async () => {
    const place = sinkPlace(pathToFileURL(join(folder, 'by url')).href);
    expect(place && (await sinkAt(place).put('a.parquet', Buffer.from('x')))).toBe('put');
    expect(await filesUnder(join(folder, 'by url'))).toEqual(['a.parquet']);
  });
});

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Decimal, count, kafka, pipeline, tumbling } from '../../lib/index.ts';
import { count as countDelivery } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { fileSink } from '../../lib/sink/files.ts';
import { parquetOf } from '../../lib/sink/parquet.ts';
import type { Column } from '../../lib/sink/side-output.ts';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import type { Table } from '../../lib/store/store.ts';
import { createTables, tableDefinitions } from '../../lib/store/tables.ts';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';
import { delivery } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';

let folder: string;
let duckdb: DuckDBConnection;
let dynoxide: Dynoxide;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-parquet-'));
  duckdb = await (await DuckDBInstance.create()).connect();
  dynoxide = await startDynoxide();
});

afterAll(async () => {
  duckdb.closeSync();
  await dynoxide.stop();
  await rm(folder, { recursive: true });
});

/** What DuckDB reads, every value as text, so that nothing passes through a double. */
async function read(sql: string): Promise<Record<string, unknown>[]> {
  const reader = await duckdb.runAndReadAll(sql);
  return reader.getRowObjectsJson();
}

const column = (name: string, kind: Column['kind'], scale = 0): Column => ({ name, kind, scale });

async function written(name: string, columns: Column[], rows: readonly (readonly unknown[])[], topic = 't') {
  const lines = rows.map((cells, i) => JSON.stringify([i, ...cells]));
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, await parquetOf(columns, [{ topic, partition: 2, lines }]));
  return path;
}

describe('DuckDB reads', () => {
  test('the types that are declared', async () => {
    const path = await written(
      'types.parquet',
      [
        column('name', 'text'),
        column('at', 'timestamp'),
        column('is_new', 'boolean'),
        column('ratio', 'double'),
        column('pieces', 'integer'),
        column('amount', 'decimal', 2),
      ],
      [['a', 0, true, 0.5, '1', '100']],
    );
    expect(await read(`select column_name, column_type from (describe select * from '${path}')`)).toEqual(
      Object.entries({
        topic: 'VARCHAR',
        partition: 'INTEGER',
        offset: 'BIGINT',
        name: 'VARCHAR',
        at: 'TIMESTAMP WITH TIME ZONE',
        is_new: 'BOOLEAN',
        ratio: 'DOUBLE',
        pieces: 'BIGINT',
        amount: 'DECIMAL(18,2)',
      }).map(([column_name, column_type]) => ({ column_name, column_type })),
    );
  });

  test('decimals to the last of 18 digits, and integers to the last of 64 bits', async () => {
    const units = ['0', '1', '-1', '10', '30', '999999999999999999', '-999999999999999999', '9007199254740993'];
    const integers = ['0', '1', '-1', '9223372036854775807', '-9223372036854775807', '9007199254740993', '10', '30'];
    const path = await written(
      'exact.parquet',
      [column('cents', 'decimal', 2), column('fine', 'decimal', 18), column('whole', 'integer')],
      units.map((unit, i) => [unit, unit, integers[i]]),
    );
    const rows = await read(`select cents::varchar cents, fine::varchar fine, whole::varchar whole from '${path}'`);
    expect(rows.map(({ cents }) => cents)).toEqual([
      '0.00',
      '0.01',
      '-0.01',
      '0.10',
      '0.30',
      '9999999999999999.99',
      '-9999999999999999.99',
      '90071992547409.93',
    ]);
    expect(rows.map(({ fine }) => String(fine).replace(/^(-?)0?\.0*(?=\d)/, '$1'))).toEqual(units);
    expect(rows.map(({ whole }) => whole)).toEqual(integers);
    const [filtered] = await read(`select count(*)::int n from '${path}' where cents > 9999999999999999.98`);
    expect(filtered).toEqual({ n: 1 }); // by the statistics, too
  });

  test('instants of the years 0001 to 9999 to the ms', async () => {
    const instants = ['0001-01-01T00:00:00.000Z', '1969-12-31T23:59:59.999Z', '2026-01-08T18:58:00.123Z'];
    instants.push('9999-12-31T23:59:59.999Z');
    const path = await written(
      'instants.parquet',
      [column('at', 'timestamp')],
      instants.map((text) => [Date.parse(text)]),
    );
    const rows = await read(`select epoch_ms("at")::varchar ms from '${path}'`);
    expect(rows.map(({ ms }) => Number(ms))).toEqual(instants.map((text) => Date.parse(text)));
  });

  test('text of every kind, nulls and nothing else as null', async () => {
    const texts = [
      '',
      'null',
      '\\N',
      'привет',
      '日本語',
      '😀👩‍👩‍👧',
      'tab\tline\nquote"back\\slash',
      '\u0000',
      'x'.repeat(9_000),
      null,
    ];
    const path = await written(
      'text.parquet',
      [column('said', 'text'), column('n', 'integer')],
      texts.map((text, i) => [text, i % 2 ? null : String(i)]),
      'тема',
    );
    const rows = await read(`select topic, "offset"::int o, said, n::int n from '${path}' order by "offset"`);
    expect(rows).toEqual(texts.map((said, o) => ({ topic: 'тема', o, said, n: o % 2 ? null : o })));
    const [nulls] = await read(`select count(*)::int n from '${path}' where said is null`);
    expect(nulls).toEqual({ n: 1 });
  });

  test('doubles as they are', async () => {
    const doubles = [0, -0.1, 1e-300, 1.7976931348623157e308, 0.1 + 0.2];
    const path = await written(
      'doubles.parquet',
      [column('x', 'double')],
      doubles.map((x) => [x]),
    );
    expect((await read(`select x from '${path}'`)).map(({ x }) => x)).toEqual(doubles);
  });

  test('more rows than a page and a row group hold', async () => {
    const rows = Array.from({ length: 120_000 }, (_, i) => [`user_${i % 100}`, String(i), i % 7 ? i * 1000 : null]);
    const path = await written(
      'many.parquet',
      [column('user', 'text'), column('n', 'integer'), column('at', 'timestamp')],
      rows,
    );
    const [totals] = await read(
      `select count(*)::int n, count(distinct "user")::int users, sum(n)::varchar total, count("at")::int dated from '${path}'`,
    );
    expect(totals).toEqual({ n: 120_000, users: 100, total: String((120_000 * 119_999) / 2), dated: 102_857 });
  });
});

describe('the same rows', () => {
  test('make the same bytes', async () => {
    const pack = { topic: 't', partition: 0, lines: ['[1,"a","5"]', '[2,null,"6"]'] };
    const columns = [column('name', 'text'), column('n', 'decimal', 2)];
    expect(await parquetOf(columns, [pack])).toEqual(await parquetOf(columns, [pack]));
  });
});

describe('a folder of files', () => {
  const Payment = z.object({
    id: z.string(),
    amount: z.number(),
    fee: z.string(),
    at: z.string(),
    note: z.string().nullish(),
  });
  const payments = pipeline({
    name: 'payments',
    revision: 1,
    source: kafka({ topic: 'payments', startAt: 'earliest', value: Payment, eventTime: 'at' }).enrich(
      'exact',
      ({ fee }) => ({
        fee: new Decimal(fee),
      }),
    ),
    watermark: '1 minute',
    groupBy: ['id'],
    windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
    aggregate: { n: count() },
    orderBy: 'n',
    retain: '7 days',
    sideOutput: {
      name: 'suspicious',
      where: ({ amount }) => amount > 500,
      columns: { id: 'text', amount: 'decimal(2)', fee: 'decimal(4)', at: 'timestamp', note: 'text' },
      roll: { rows: 50 },
    },
  });

  test('written from records holds what the records said, once each', async () => {
    const sink = fileSink(join(folder, 'sink'));
    const tables = tableDefinitions(await readFile(join(import.meta.dirname, '../../serverless.yml'), 'utf8'), {});
    await createTables(dynoxide.client(), tables);
    const names = Object.fromEntries(tables.map(({ table, name }) => [table, name])) as Record<Table, string>;
    const store = dynamodbStore(dynoxide.client(), names);
    const { runtime, push } = testRuntime({ store, sink });
    const records = Array.from({ length: 400 }, (_, offset) => ({
      offset,
      value: {
        id: `txn_${offset}`,
        amount: 400 + offset / 2 + 0.01,
        fee: `${offset}.0001`,
        at: `2026-01-08 18:${String(offset % 60).padStart(2, '0')}:00.5`, // many of them late
        note: offset % 3 ? `заметка ${offset}` : null,
      },
    }));
    for (let start = 0; start < 400; start += 30) {
      for (const partition of [0, 1]) {
        const batch = delivery('payments', { [partition]: records.slice(start, start + 40) }); // each tail comes again
        await countDelivery(batch, [payments], runtime);
      }
      await finalize({}, [payments], runtime);
    }
    push(60_000);
    await finalize({}, [payments], runtime);

    const all = `'${join(folder, 'sink/payments@1/suspicious/*.parquet')}'`;
    const expected = records.filter(({ value }) => value.amount > 500);
    const rows = await read(
      `select partition::int p, "offset"::int o, id, amount::varchar amount, fee::varchar fee, epoch_ms("at")::varchar ms, note
       from ${all} order by p, o`,
    );
    expect(rows).toEqual(
      [0, 1].flatMap((p) =>
        expected.map(({ offset, value }) => ({
          p,
          o: offset,
          id: value.id,
          amount: value.amount.toFixed(2),
          fee: value.fee,
          ms: String(Date.parse(`${value.at.replace(' ', 'T')}Z`)),
          note: value.note,
        })),
      ),
    );
    const { items } = await store.query({ table: 'buckets', partition: 'payments@1#out#p0' });
    expect(items).toEqual([{ pk: 'payments@1#out#p0', sk: 'head', upTo: expect.any(Number) }]); // no row is left behind
    const [files] = await read(`select count(distinct filename)::int n from read_parquet(${all}, filename = true)`);
    expect(Number(files?.['n'])).toBeLessThanOrEqual(10);
  });
});

import { describe, expect, test } from 'vitest';
import { readSettings } from '../../localstack/settings.ts';
import { Decimal, describe as describePipeline } from '../../lib/index.ts';
import { configFrom } from '../../lib/runtime/config.ts';
import {
  MAX_ROW_BYTES,
  rowsOf,
  sideOutputOf,
  sideOutputProblems,
  type LooseSideOutput,
} from '../../lib/sink/side-output.ts';
import { hasRoom, newDraft, putsOf } from '../../lib/store/draft.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { addRows, bytesOfRows } from '../../lib/store/outbox.ts';
import { MAX_TRANSACTION_ACTIONS } from '../../lib/store/store.ts';
import { clicks } from '../support/scene.ts';
import { bigClicks } from '../support/side-output.ts';

const declared = (columns: object, more: Partial<LooseSideOutput> = {}): LooseSideOutput => ({
  name: 'big',
  where: () => true,
  columns,
  ...more,
});
const rowOf = (type: string, value: unknown) => rowsOf(sideOutputOf(declared({ x: type })), { x: value }, 7);

describe('a row', () => {
  test.each([
    ['text', 'привет', '"привет"'],
    ['text', '\ud800', '"\ufffd"'],
    ['text', 'line\nbreak', '"line\\nbreak"'],
    ['timestamp', '2026-01-08 18:58:00.5', '1767898680500'],
    ['boolean', false, 'false'],
    ['double', 0.1, '0.1'],
    ['integer', 42, '"42"'],
    ['integer', -(2n ** 63n) + 1n, '"-9223372036854775807"'],
    ['decimal(2)', 0.1, '"10"'],
    ['decimal(2)', new Decimal('-12.3'), '"-1230"'],
    ['decimal(0)', 12n, '"12"'],
    ['decimal(18)', 0.5, '"500000000000000000"'],
    ['decimal(2)', undefined, 'null'],
    ['text', null, 'null'],
  ])('holds %s %s', (type, value, cell) => {
    expect(rowOf(type, value)).toEqual([`[7,${cell}]`]);
  });

  test.each([
    ['text', 1],
    ['timestamp', 'yesterday'],
    ['timestamp', 1767898680],
    ['boolean', 'true'],
    ['double', Number.NaN],
    ['double', Number.POSITIVE_INFINITY],
    ['integer', 1.5],
    ['integer', 2n ** 63n],
    ['decimal(2)', 0.001],
    ['decimal(2)', 10n ** 16n],
    ['decimal(2)', '1.00'],
  ])('holds no %s %s: the record is a rejection', (type, value) => {
    expect(rowOf(type, value)).toBe(`side output: a value does not fit x ${type}`);
  });

  test('is none where the predicate does not hold, and a rejection where it throws', () => {
    const of = (where: () => boolean) => rowsOf(sideOutputOf(declared({ x: 'text' }, { where })), { x: 'a' }, 7);
    expect(of(() => false)).toEqual([]);
    expect(
      of(() => {
        throw new Error('no such customer');
      }),
    ).toBe('side output: no such customer');
  });

  test('has a greatest size', () => {
    expect(rowOf('text', 'x'.repeat(MAX_ROW_BYTES - 6))).toHaveLength(1);
    expect(rowOf('text', 'я'.repeat(MAX_ROW_BYTES / 2))).toBe(
      `side output: the row has ${MAX_ROW_BYTES + 6} bytes; at most ${MAX_ROW_BYTES} are allowed`,
    );
  });
});

describe('a declaration', () => {
  test('that makes no sense is told every problem', () => {
    const roll = { rows: 0, bytes: 1e9, age: '2 days' } as const;
    expect(sideOutputProblems(declared({ x: 'decimal(19)', offset: 'text' }, { name: 'Big One', roll }))).toEqual([
      "sideOutput: name is 'Big One'; expected lower-case letters, digits and '-'",
      "sideOutput: column 'x' is 'decimal(19)'; expected text, decimal(2) and so on",
      "sideOutput: column 'offset' is a name of ours; rename the field in a map step",
      'sideOutput: roll.rows is 0; expected 1 to 1,000,000',
      'sideOutput: roll.bytes is 1000000000; expected 1 to 64,000,000',
      "sideOutput: roll.age is '2 days'; expected a duration of at most 1 day",
    ]);
    expect(sideOutputProblems(declared({}))).toEqual(['sideOutput: columns is empty; expected at least one']);
    expect(() => bigClicks({ rows: 0.5 })).toThrow('sideOutput: roll.rows is 0.5');
  });

  test('is part of the fingerprint by name and columns; when files roll is not', () => {
    const big = bigClicks();
    expect(describePipeline(big).shape).toMatchObject({
      'side output big': 'username text, amount decimal(2), event_time timestamp',
    });
    expect(describePipeline(big).settings).toMatchObject({
      'side output rolls at rows': 3,
      'side output rolls at bytes': 16_000_000,
      'side output rolls at age, ms': 60_000,
    });
    expect(bigClicks({ age: '1 hour' }).fingerprint).toBe(big.fingerprint);
    expect(describePipeline(clicks()).shape).not.toHaveProperty('side output big');
  });
});

describe('a transaction', () => {
  test.each([
    ['of the largest rows', MAX_ROW_BYTES],
    ['of rows that leave the most of an item empty', 15_001],
    ['of small rows', 40],
  ])('is full %s before the store refuses it, and loses none', async (_, size) => {
    const pipeline = bigClicks();
    const draft = newDraft();
    const row = 'x'.repeat(size);
    while (hasRoom(draft, 0, bytesOfRows([row]))) addRows(draft.outbox, [row], 1);
    const puts = putsOf(pipeline, { topic: 't', partition: 0 }, draft, new Map(), 'life:41', 99);
    expect(puts.length).toBeLessThanOrEqual(MAX_TRANSACTION_ACTIONS - 10);
    expect(await memoryStore().transact(puts)).toBe('done');
    expect(puts.reduce((sum, { item }) => sum + Number(item['row_count']), 0)).toBe(draft.outbox.rows.length);
    expect(draft.outbox.rows.length * size).toBeGreaterThan(3_000_000);
    expect(puts.map(({ item }) => item['sk'])).toEqual(
      puts.map((_, i) => (i === 0 ? '000000000041' : `000000000041.${String(i).padStart(2, '0')}`)),
    );
  });
});

describe('SINK_URL', () => {
  test('says where files go; without it rows wait', () => {
    expect(configFrom({}, []).sink).toBeUndefined();
    expect(configFrom({ SINK_URL: '' }, []).sink).toBeUndefined();
    expect(configFrom({ SINK_URL: 's3://mine/prod' }, []).sink).toEqual({ kind: 's3', bucket: 'mine', prefix: 'prod' });
  });

  test('of the local world is a folder among its other data, unless it says otherwise', () => {
    expect(readSettings({ TIDEMARK_DATA: 'state' }, '/clone').sinkUrl).toBe('file:/clone/state/sink');
    expect(readSettings({ SINK_URL: 's3://mine' }, '/clone').sinkUrl).toBe('s3://mine');
  });

  test('that names no place is a problem', () => {
    expect(() => configFrom({ SINK_URL: 'ftp://mine', LOG_LEVEL: 'loud' }, [])).toThrow(
      /SINK_URL is 'ftp:\/\/mine'; expected file:folder, file:\/\/\/folder or s3:\/\/bucket\/prefix[^]*LOG_LEVEL/,
    );
  });
});

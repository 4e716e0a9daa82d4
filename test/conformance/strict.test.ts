import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { whyNotApplicable } from './offered.ts';
import { runFile } from './report.ts';
import { runVector } from './run.ts';
import type { Vector, VectorFile } from './schema.ts';
import { byRecord, resultOf, row, tumbling } from './small.ts';

/** The runner finds what nobody knows, and what is wrong. */

describe('what nobody knows fails', () => {
  const vector = {
    kind: 'trace',
    spec: byRecord,
    steps: [
      { op: 'event', t: 1 },
      { op: 'end', expect: { emit_final: [] } },
    ],
  };
  test('as it stands, it passes', async () => expect(await resultOf(vector)).toBe('passed'));
  test.each([
    ['a kind', { ...vector, kind: 'riddle' }, "kind 'riddle'"],
    ['a key', { ...vector, colour: 'red' }, "key 'colour'"],
    ['a key of spec', { ...vector, spec: { ...byRecord, grace: 1 } }, "key 'grace'"],
    ['a key of a window', { ...vector, spec: { ...byRecord, window: { ...tumbling, every: 5 } } }, "key 'every'"],
    ['a window', { ...vector, spec: { ...byRecord, window: { type: 'spiral' } } }, "type 'spiral'"],
    ['a policy', { ...vector, spec: { ...byRecord, watermark: { policy: 'moon' } } }, "policy 'moon'"],
    ['a mode', { ...vector, spec: { ...byRecord, mode: 'loud' } }, "mode 'loud'"],
    ['an op', { ...vector, steps: [{ op: 'shrug' }] }, "op 'shrug'"],
    ['a key of an op', { ...vector, steps: [{ op: 'watermark', t: 1, to: 2 }] }, "key 'to'"],
    [
      'a key of an event',
      {
        ...vector,
        steps: [
          {
            op: 'events',
            events: [
              { t: 1, kk: 'a' },
              { t: 2, k: 'a' },
            ],
          },
        ],
      },
      "key 'kk'",
    ],
    ['an event without time', { ...vector, steps: [{ op: 'events', events: [{ k: 'a' }] }] }, 'without its time'],
    ['an expectation', { ...vector, steps: [{ op: 'end', expect: { applause: 1 } }] }, "key 'applause'"],
    [
      'a key of a row',
      {
        ...vector,
        steps: [
          { op: 'event', t: 1 },
          { op: 'event', t: 11, expect: { emit: [row(0, 1, { hue: 1 })] } },
        ],
      },
      'expected',
    ],
    ['a case', { kind: 'assign', window: tumbling, cases: [{ t: 1, windows: [[0, 10]], odd: 1 }] }, "key 'odd'"],
    [
      'a policy of a differential',
      { kind: 'differential', spec: byRecord, log: [{ o: 0, t: 1 }], expect: { tarot: { kept: 1 } } },
      'tarot',
    ],
  ])('%s', async (_, wrong, problem) => expect(await resultOf(wrong)).toMatch(problem));
  test('a file', async () => {
    const [ran] = await runFile({ schema_version: 2, vectors: [], extra: 1 });
    expect(ran?.outcome).toMatchObject({ problems: ["key 'extra' is not known", 'schema_version is 2; expected 1'] });
  });
});

describe('a wrong expectation fails', () => {
  const { vectors } = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as VectorFile;
  /** Every vector with expected rows or watermarks, the first number in them changed. */
  const applicable = vectors.filter((vector) => vector.kind !== 'reject' && whyNotApplicable(vector) === undefined);
  const slips = applicable.flatMap((vector) => {
    const text = JSON.stringify(vector);
    const at = text.search(
      /"(emit_final|rows|final_state_or_emitted|windows|slice_ends|combined|dropped_late|watermark_after|final_rows_closed)":/,
    );
    const wrong =
      at < 0 ? text : text.slice(0, at) + text.slice(at).replace(/-?\d+/, (digits) => String(Number(digits) + 1));
    return wrong === text ? [] : [{ id: vector.id, vector: JSON.parse(wrong) as Vector }];
  });
  test.each(slips)('$id', async ({ vector }) => {
    expect((await runVector(vector, vectors)).result).toBe('failed');
  });
  test('rows in another order, where an order is declared', async () => {
    const spec = {
      ...byRecord,
      order_by: [
        ['w', 'asc'],
        ['count', 'desc'],
        ['k', 'asc'],
      ],
    };
    const events = [
      { t: 1, k: 'b' },
      { t: 2, k: 'a' },
      { t: 3, k: 'b' },
      { t: 10, k: 'a' },
    ];
    const rows = [row(0, 2, { k: 'b' }), row(0, 1, { k: 'a' })];
    expect(await resultOf({ kind: 'trace', spec, events, expect: { final_rows_closed: rows } })).toBe('passed');
    expect(await resultOf({ kind: 'trace', spec, events, expect: { final_rows_closed: rows.toReversed() } })).toMatch(
      'final_rows_closed',
    );
  });
});

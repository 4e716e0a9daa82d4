import { describe, expect, test } from 'vitest';
import {
  addKept,
  addPartial,
  hasRoom,
  newDraft,
  putsOf,
  sizeOf,
  type Kept,
  type OpenSegments,
} from '../../lib/store/draft.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { ALL } from '../../lib/store/segment.ts';
import { MAX_TRANSACTION_ACTIONS } from '../../lib/store/store.ts';
import { at, clicks } from '../support/scene.ts';

const pipeline = clicks();
const batch = { topic: 'clicks', partition: 3 };
const VERSION = 'life:41';
const slice = at('19:00:00');
const add = (draft: ReturnType<typeof newDraft>, key: string, n = 1, visibleFrom = ALL, of = slice) =>
  addPartial(draft, of, visibleFrom, key, [n, null], pipeline);
const puts = (draft: ReturnType<typeof newDraft>, open: OpenSegments = new Map([[slice, null]])) =>
  putsOf(pipeline, batch, draft, open, VERSION, 99).map(({ item, when }): Record<string, unknown> => ({
    ...item,
    when,
  }));

describe('partials', () => {
  test('of a slice nobody has written become its open segment, if still nobody has', () => {
    const draft = newDraft();
    add(draft, 'bob');
    add(draft, 'alice');
    add(draft, 'bob', 2);
    expect(puts(draft)).toEqual([
      {
        pk: 'clicks@1#p3',
        sk: '2026-01-08T19:00:00.000Z#-#0',
        version: VERSION,
        partials: 'alice\t1\t\nbob\t3\t',
        when: [{ item: 'absent' }],
      },
    ]);
  });

  test('are merged into the open segment as read, if nobody has written it since', () => {
    const draft = newDraft();
    add(draft, 'bob');
    const [put] = puts(draft, new Map([[slice, { version: 'life:40', partials: 'alice\t7\t\nbob\t1\t' }]]));
    expect(put).toMatchObject({
      sk: '2026-01-08T19:00:00.000Z#-#0',
      partials: 'alice\t7\t\nbob\t2\t',
      when: [{ attribute: 'version', equals: 'life:40' }],
    });
  });

  test('that would make it larger than a write unit become a segment of their own, numbered by the commit', () => {
    const draft = newDraft();
    for (let i = 0; i < 200; i++) add(draft, `user${i}`);
    expect(puts(draft)).toMatchObject([{ sk: '2026-01-08T19:00:00.000Z#-#41', when: [{ item: 'absent' }] }]);
  });

  test('of a slice whose open segment was not read do, too', () => {
    const draft = newDraft();
    add(draft, 'bob');
    expect(puts(draft, new Map())).toMatchObject([{ sk: '2026-01-08T19:00:00.000Z#-#41' }]);
  });

  test('of different visibility never share a segment, and only what every window sees is upserted', () => {
    const draft = newDraft();
    add(draft, 'bob');
    add(draft, 'bob', 1, at('19:01:30'));
    add(draft, 'bob', 1, at('19:02:00'));
    expect(puts(draft).map((item) => item['sk'])).toEqual([
      '2026-01-08T19:00:00.000Z#-#0',
      '2026-01-08T19:00:00.000Z#2026-01-08T19:01:30.000Z#41',
      '2026-01-08T19:00:00.000Z#2026-01-08T19:02:00.000Z#41',
    ]);
  });

  test('too many for one item are cut between keys, and lose none', () => {
    const draft = newDraft();
    for (let i = 0; i < 4000; i++) add(draft, `${i}-${'x'.repeat(200)}`);
    const items = puts(draft);
    expect(items.map((item) => item['sk'])).toEqual(
      ['41', '41.1', '41.2'].map((n) => `2026-01-08T19:00:00.000Z#-#${n}`),
    );
    const lines = items.flatMap((item) => String(item['partials']).split('\n'));
    expect(new Set(lines).size).toBe(4000);
  });
});

describe('kept entries', () => {
  const entry = (offset: number, size = 10): Kept => ({ offset, timestamp: 0, reason: 'x', value: 'v'.repeat(size) });

  test('are packed, late and rejected apart, where topic and partition are, and expire', () => {
    const draft = newDraft();
    addKept(draft, 'late', entry(1));
    addKept(draft, 'rejected', entry(2));
    addKept(draft, 'rejected', entry(3));
    expect(puts(draft)).toMatchObject([
      { sk: 'late#000000000041', topic: 'clicks', partition: 3, expires_at: 99, entries: [{ offset: 1 }] },
      { sk: 'rejected#000000000041', entries: [{ offset: 2 }, { offset: 3 }] },
    ]);
  });

  test('that do not fit one item are spread over several', () => {
    const draft = newDraft();
    for (let i = 0; i < 200; i++) addKept(draft, 'rejected', entry(i, 4096));
    const items = puts(draft).map((item) => item as unknown as { sk: string; entries: Kept[] });
    expect(items.map(({ sk }) => sk)).toEqual(['', '.1', '.2'].map((n) => `rejected#000000000041${n}`));
    expect(items.flatMap(({ entries }) => entries.map(({ offset }) => offset))).toEqual([...Array(200).keys()]);
  });
});

describe('a transaction', () => {
  /** Fills a draft to the brim, and lets the store in memory judge it with checkpoint and registry beside. */
  async function fill(one: (draft: ReturnType<typeof newDraft>, i: number) => boolean) {
    const draft = newDraft();
    let taken = 0;
    while (one(draft, taken)) taken++;
    const written = putsOf(pipeline, batch, draft, new Map(), VERSION, 99);
    return { taken, actions: written.length, outcome: await memoryStore().transact(written) };
  }

  test('is full at 86 slices', async () => {
    const { actions, outcome } = await fill((draft, i) => {
      if (!hasRoom(draft, sizeOf(pipeline, [{ key: 'a' }]))) return false;
      add(draft, 'a', 1, ALL, slice + i * 30_000);
      return true;
    });
    expect(actions).toBe(86);
    expect(outcome).toBe('done');
  });

  test.each([
    ['of long keys', 'k'.repeat(500)],
    ['of keys all escaped', '\\\\'.repeat(250)],
    ['of short keys', 'k'],
  ])('is full before 4 MB %s', async (_, key) => {
    const { outcome, actions } = await fill((draft, i) => {
      const id = `${i}${key}`;
      if (!hasRoom(draft, sizeOf(pipeline, [{ key: id }]))) return false;
      add(draft, id, 1e9);
      return true;
    });
    expect(outcome).toBe('done');
    expect(actions + 2).toBeLessThanOrEqual(MAX_TRANSACTION_ACTIONS);
  });

  test.each([
    ['text', 'v'],
    ['control characters, which JSON makes six of', '\u0001'],
    ['emoji', '😀'],
  ])('is full before 4 MB of kept %s', async (_, char) => {
    const { outcome, actions } = await fill((draft, i) => {
      const kept = {
        offset: i,
        timestamp: 0,
        reason: 'x'.repeat(500),
        value: char.repeat(4096 / Buffer.byteLength(char)),
      };
      if (!hasRoom(draft, Buffer.byteLength(JSON.stringify(kept)) + 50)) return false;
      addKept(draft, i % 2 ? 'late' : 'rejected', kept);
      return true;
    });
    expect(outcome).toBe('done');
    expect(actions + 2).toBeLessThanOrEqual(MAX_TRANSACTION_ACTIONS);
  });
});

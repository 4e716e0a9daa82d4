import { describe, expect, test } from 'vitest';
import { Decimal } from '../../lib/aggregate/decimal.ts';
import type { Condition, Item, Key, Store, Table, Value, Write } from '../../lib/store/store.ts';
import { at, fate, itemOf, put } from './store-requests.ts';

/** Contract: what one item holds, under which conditions it is written, and how. */
export function itemContract(store: Store): void {
  const item = (key: Key): Promise<Item | undefined> => itemOf(store, key);

  describe('values', () => {
    const VALUES: Record<string, Value> = {
      text: 'Привет, мир 👋 😀',
      'empty text': '',
      integer: 42,
      'negative zero': 0,
      negative: -17,
      'greatest exact integer': Number.MAX_SAFE_INTEGER,
      'least exact integer': Number.MIN_SAFE_INTEGER,
      fraction: 0.1,
      'very small': 1.5e-100,
      'very great': 1e21,
      'beyond doubles': new Decimal('9007199254740993.02'),
      'integer beyond doubles': new Decimal('-9007199254740993'),
      '38 digits': new Decimal('12345678901234567890.123456789012345678'),
      true: true,
      false: false,
      null: null,
      'empty list': [],
      'empty map': {},
      nested: [[], {}, { имя: [1, null, { 'a.b': [true, ''] }] }],
      prototype: JSON.parse('{"__proto__":{"a":1},"constructor":2}') as Value,
    };
    test.each(Object.entries(VALUES))('%s comes back as it went', async (_, value) => {
      await store.write(put('a', { value, 'имя 👋': value }));
      expect(await item(at('a'))).toEqual({ pk: 'p', sk: 'a', value, 'имя 👋': value });
    });

    test('a number is a number where that is exact, however it was written', async () => {
      const values = [
        new Decimal('1.50'),
        new Decimal('9007199254740993.020'),
        -0,
        new Decimal('100000000000000000000'),
      ];
      await store.write(put('a', { values }));
      expect((await item(at('a')))?.['values']).toEqual([1.5, new Decimal('9007199254740993.02'), 0, 1e20]);
    });

    test('an undefined attribute is absent', async () => {
      await store.write(put('a', { left: undefined }));
      expect(await item(at('a'))).toStrictEqual({ pk: 'p', sk: 'a' });
    });

    test('half of a surrogate pair becomes U+FFFD instead of blocking its batch', async () => {
      await store.write(put('a', { cut: '😀'.slice(0, 1), map: { ['😀'.slice(1)]: 1 } }));
      expect(await item(at('a'))).toEqual({ pk: 'p', sk: 'a', cut: '\uFFFD', map: { '\uFFFD': 1 } });
    });

    test.each([Number.NaN, Infinity, 1e126, 1e-131, new Decimal('1'.repeat(39))])('%s is not taken', async (value) => {
      expect(await fate(store.write(put('a', { value })))).toBe('mistake');
    });

    test('nothing is shared with the caller', async () => {
      const list = [1];
      await store.write(put('a', { list }));
      list.push(2);
      const read = (await item(at('a')))?.['list'] as number[];
      try {
        read.push(3);
      } catch {
        // A store may also hand out what cannot be changed.
      }
      expect((await item(at('a')))?.['list']).toEqual([1]);
    });
  });

  describe('conditions', () => {
    const STORED = {
      text: 'x',
      empty: '',
      n: 5,
      flag: false,
      size: new Decimal('9007199254740993.02'),
      nothing: null,
    };
    const CASES: [string, Condition, onItem: boolean, onNothing: boolean][] = [
      ['no clause', [], true, true],
      ['item absent', [{ item: 'absent' }], false, true],
      ['equals text', [{ attribute: 'text', equals: 'x' }], true, false],
      ['equals empty text', [{ attribute: 'empty', equals: '' }], true, false],
      ['equals another text', [{ attribute: 'text', equals: 'y' }], false, false],
      ['equals number', [{ attribute: 'n', equals: 5 }], true, false],
      ['equals number of another type', [{ attribute: 'n', equals: '5' }], false, false],
      ['equals flag', [{ attribute: 'flag', equals: false }], true, false],
      ['equals, near an exact decimal', [{ attribute: 'size', equals: 9007199254740992 }], false, false],
      ['equals on an absent attribute', [{ attribute: 'no', equals: 5 }], false, false],
      ['below more', [{ attribute: 'n', below: 5.5 }], true, true],
      ['below the same', [{ attribute: 'n', below: 5 }], false, true],
      ['below less', [{ attribute: 'n', below: -6 }], false, true],
      ['below, exactly', [{ attribute: 'size', below: 9007199254740994 }], true, true],
      ['below, exactly not', [{ attribute: 'size', below: 9007199254740992 }], false, true],
      ['below on an absent attribute', [{ attribute: 'no', below: 0 }], true, true],
      ['below on a text', [{ attribute: 'text', below: 9 }], false, true],
      ['below on a null', [{ attribute: 'nothing', below: 9 }], false, true],
      ['attribute absent', [{ attribute: 'no', absent: true }], true, true],
      ['attribute absent, on a null', [{ attribute: 'nothing', absent: true }], false, true],
      ['attribute absent, an inherited name', [{ attribute: 'constructor', absent: true }], true, true],
      [
        'all clauses',
        [
          { attribute: 'n', equals: 5 },
          { attribute: 'text', equals: 'x' },
        ],
        true,
        false,
      ],
      [
        'all but one clause',
        [
          { attribute: 'n', equals: 5 },
          { attribute: 'text', equals: 'y' },
        ],
        false,
        false,
      ],
    ];
    const WRITES: [string, (when: Condition) => Write][] = [
      ['put', (when) => ({ ...put('a', { name: 'new' }), when })],
      ['update', (when) => ({ kind: 'update', key: at('a'), set: { name: 'new' }, when })],
      ['delete', (when) => ({ kind: 'delete', key: at('a'), when })],
    ];
    const WAYS: [string, (write: Write) => Promise<string>][] = [
      ['alone', (write) => store.write(write)],
      ['in a transaction', (write) => store.transact([put('other', {}), write])],
    ];
    for (const [kind, write] of WRITES) {
      for (const [way, send] of WAYS) {
        test.each(CASES)(`${kind} ${way}: %s`, async (_, when, onItem, onNothing) => {
          expect(await send(write(when))).toBe(onNothing ? 'done' : 'refused');
          await store.write(put('a', STORED));
          expect(await send(write(when))).toBe(onItem ? 'done' : 'refused');
          expect((await item(at('a')))?.['text']).toBe(onItem && kind !== 'update' ? undefined : 'x');
        });
      }
    }

    test('50 concurrent creates have one winner', async () => {
      const creates = Array.from({ length: 50 }, (_, n) =>
        store.write({ ...put('a', { n }), when: [{ item: 'absent' }] }),
      );
      expect((await Promise.all(creates)).filter((outcome) => outcome === 'done')).toHaveLength(1);
    });
  });

  describe('writes', () => {
    test('a put replaces the whole item', async () => {
      await store.write(put('a', { old: 1, both: 1 }));
      await store.write(put('a', { both: 2 }));
      expect(await item(at('a'))).toEqual({ pk: 'p', sk: 'a', both: 2 });
    });

    test('an update sets, removes and leaves alone, reserved words too', async () => {
      await store.write(put('a', { status: 1, name: 2, 'a.b': 3, kept: { deep: [1] } }));
      const update: Write = {
        kind: 'update',
        key: at('a'),
        set: { status: [2], left: undefined, year: '' },
        remove: ['name', 'no', 'a.b'],
      };
      expect(await store.write(update)).toBe('done');
      expect(await item(at('a'))).toEqual({ pk: 'p', sk: 'a', status: [2], year: '', kept: { deep: [1] } });
    });

    test('an update creates the item, even when it only removes', async () => {
      await store.write({ kind: 'update', key: at('a'), set: { n: 1 } });
      await store.write({ kind: 'update', key: at('b'), remove: ['n'] });
      expect(await item(at('a'))).toEqual({ pk: 'p', sk: 'a', n: 1 });
      expect(await item(at('b'))).toEqual({ pk: 'p', sk: 'b' });
    });

    test.each<[string, Write]>([
      ['of the key', { kind: 'update', key: at('a'), set: { pk: 'q' } }],
      ['of an attribute twice', { kind: 'update', key: at('a'), set: { n: 1 }, remove: ['n'] }],
    ])('an update %s is not taken', async (_, update) => {
      expect(await fate(store.write(update))).toBe('mistake');
    });

    test('a delete of nothing is done', async () => {
      await store.write(put('a', {}));
      expect(await store.write({ kind: 'delete', key: at('a') })).toBe('done');
      expect(await store.write({ kind: 'delete', key: at('a') })).toBe('done');
      expect(await item(at('a'))).toBeUndefined();
    });

    test('tables are apart', async () => {
      await store.write({ kind: 'put', table: 'buckets', item: { pk: 'p', sk: 'a', n: 1 } });
      await store.write({ kind: 'put', table: 'results', item: { window_id: 'p', row_id: 'a', n: 2 } });
      const keys = (['buckets', 'progress', 'results'] as Table[]).map((table) => ({ ...at('a'), table }));
      const { items } = await store.read(keys);
      expect(items).toHaveLength(2);
      expect(items).toContainEqual({ pk: 'p', sk: 'a', n: 1 });
      expect(items).toContainEqual({ window_id: 'p', row_id: 'a', n: 2 });
    });

    test.each([
      ['without its key', { n: 1 }],
      ['with an empty key', { pk: 'p', sk: '' }],
      ['with a number as key', { pk: 'p', sk: 1 }],
      ['with a sort key of 1,025 bytes', { pk: 'p', sk: 'x'.repeat(1025) }],
    ])('an item %s is not taken', async (_, item: Item) => {
      expect(await fate(store.write({ kind: 'put', table: 'progress', item }))).toBe('mistake');
    });

    test('an item of 390 KB is taken, one of 401 KB is not, however it comes', async () => {
      expect(await store.write(put('a', { text: 'x'.repeat(390 * 1024) }))).toBe('done');
      const big = put('a', { text: 'x'.repeat(401 * 1024) });
      expect(await fate(store.write(big))).toBe('mistake');
      expect(await fate(store.transact([big]))).toBe('mistake');
      expect(await fate(store.writeBatch([big]))).toBe('mistake');
      expect(await fate(store.write({ kind: 'update', key: at('a'), set: { more: 'x'.repeat(11 * 1024) } }))).toBe(
        'mistake',
      );
      expect((await item(at('a')))?.['more']).toBeUndefined();
    });
  });
}

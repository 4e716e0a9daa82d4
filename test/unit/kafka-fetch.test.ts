import type { RecordBatch } from 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
import { expect, test } from 'vitest';

import { committedRecords, type Fetched } from '../../lib/source/kafka-fetch.ts';

const BOUND = 1_000;
const key = (type: number): Buffer => Buffer.from([0, 0, 0, type]);

const record = (offset: number, value: Buffer | null = Buffer.from(`v${offset}`), recordKey: Buffer | null = null) => ({
  offset: String(offset),
  timestamp: String(1_000 + offset),
  key: recordKey,
  value,
});

/** A batch of records at these offsets; of a transaction when a producer is named. */
function batch(offsets: readonly number[], producer?: string, more: Partial<RecordBatch> = {}): RecordBatch {
  const [first = 0] = offsets;
  return {
    firstOffset: String(first),
    lastOffsetDelta: (offsets.at(-1) ?? first) - first,
    producerId: producer ?? '-1',
    inTransaction: producer !== undefined,
    isControlBatch: false,
    records: offsets.map((offset) => record(offset)),
    ...more,
  };
}

const marker = (offset: number, producer: string, type: 'abort' | 'commit'): RecordBatch =>
  batch([offset], producer, {
    isControlBatch: true,
    records: [record(offset, Buffer.alloc(6), key(type === 'abort' ? 0 : 1))],
  });

const fetched = (batches: readonly RecordBatch[], more: Partial<Fetched> = {}): Fetched => ({
  isHole: false,
  lastStable: 100,
  aborted: [],
  batches,
  ...more,
});

const offsetsOf = (answer: Fetched, from = 0, limit = BOUND) => {
  const { records, reached } = committedRecords(answer, from, limit);
  return { offsets: records.map(({ offset }) => offset), reached };
};

test('a record has its key and value in base64, its timestamp in milliseconds and its offset', () => {
  const batches = [batch([7], undefined, { records: [record(7, Buffer.from('ж'), Buffer.alloc(0))] })];
  expect(committedRecords(fetched(batches), 7, BOUND)).toEqual({
    records: [{ offset: 7, timestamp: 1_007, key: '', value: '0LY=' }],
    reached: 8,
  });
  const tombstone = [batch([8], undefined, { records: [record(8, null)] })];
  expect(committedRecords(fetched(tombstone), 8, BOUND).records).toEqual([
    { offset: 8, timestamp: 1_008, key: null, value: null },
  ]);
});

test('a batch is sent whole: what lies before the offset asked is left out', () => {
  expect(offsetsOf(fetched([batch([3, 4, 5, 6])]), 5)).toEqual({ offsets: [5, 6], reached: 7 });
});

test('the limit stops before the first record too many, and passes over markers after the last one taken', () => {
  const batches = [batch([0, 1], 'a'), marker(2, 'a', 'commit'), batch([3, 4])];
  expect(offsetsOf(fetched(batches), 0, 1)).toEqual({ offsets: [0], reached: 1 });
  expect(offsetsOf(fetched(batches), 0, 2)).toEqual({ offsets: [0, 1], reached: 3 });
  expect(offsetsOf(fetched(batches), 0, 3)).toEqual({ offsets: [0, 1, 3], reached: 4 });
});

test('compacted holes and empty batches are passed over', () => {
  // 0 . . 3 [4 5 6: emptied] 7 .
  const batches = [
    batch([0, 3]),
    batch([4, 6], undefined, { records: [] }),
    batch([7], undefined, { lastOffsetDelta: 1 }),
  ];
  expect(offsetsOf(fetched(batches))).toEqual({ offsets: [0, 3, 7], reached: 9 });
  expect(offsetsOf(fetched([batch([4, 6], undefined, { records: [] })]), 5)).toEqual({ offsets: [], reached: 7 });
});

test('no bytes at all: nothing is left up to the last stable offset', () => {
  expect(offsetsOf(fetched([], { isHole: true, lastStable: 20 }), 5)).toEqual({ offsets: [], reached: 20 });
  expect(offsetsOf(fetched([], { isHole: true, lastStable: 5 }), 5)).toEqual({ offsets: [], reached: 5 });
});

test('bytes that cannot be decoded are not passed over', () => {
  expect(offsetsOf(fetched([]), 5)).toEqual({ offsets: [], reached: 5 });
});

test('two aborted transactions that begin before the first record sent are both hidden, whatever their order', () => {
  // a: 0 . 2 . abort     b: . 1 . 3 . abort     asked from 2
  const batches = [batch([2], 'a'), batch([3], 'b'), marker(4, 'b', 'abort'), marker(5, 'a', 'abort'), batch([6], 'a')];
  const aborted = [
    { producerId: 'b', firstOffset: 1 },
    { producerId: 'a', firstOffset: 0 },
  ];
  expect(offsetsOf(fetched(batches, { aborted }), 2)).toEqual({ offsets: [6], reached: 7 });
  expect(offsetsOf(fetched([batch([3], 'b'), ...batches.slice(2)], { aborted }), 3)).toEqual({
    offsets: [6],
    reached: 7,
  });
});

test("an aborted transaction hides neither its producer's other records nor other producers'", () => {
  const batches = [
    batch([0], 'a'),
    marker(1, 'a', 'commit'),
    batch([2], 'a'),
    batch([3], 'b'),
    batch([4]),
    marker(5, 'a', 'abort'),
    batch([6], 'a'),
    marker(7, 'b', 'commit'),
  ];
  const aborted = [{ producerId: 'a', firstOffset: 2 }];
  expect(offsetsOf(fetched(batches, { aborted }))).toEqual({ offsets: [0, 3, 4, 6], reached: 8 });
});

test('a key that looks like an abort marker ends no transaction', () => {
  const lookalike = batch([0, 1], 'a', { records: [record(0, null, key(0)), record(1)] });
  const aborted = [{ producerId: 'a', firstOffset: 0 }];
  expect(offsetsOf(fetched([lookalike, marker(2, 'a', 'abort')], { aborted }))).toEqual({ offsets: [], reached: 3 });
});

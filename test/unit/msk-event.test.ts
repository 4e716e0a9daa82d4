import * as fc from 'fast-check';
import type { KafkaMessage } from 'kafkajs';
import { describe, expect, test } from 'vitest';

import { jsonBytes, mskEvent, mskRecord, type MskRecord } from '../../localstack/msk-event.ts';

const message = (change: object = {}): KafkaMessage => ({
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  timestamp: '1545084650987',
  attributes: 0,
  offset: '15',
  headers: {},
  ...change,
});

describe('mskRecord', () => {
  test('numbers are numbers, bytes are base64', () => {
    expect(mskRecord('t', 3, message())).toEqual({
      topic: 't',
      partition: 3,
      offset: 15,
      timestamp: 1_545_084_650_987,
      timestampType: 'CREATE_TIME',
      key: 'aw==',
      value: 'dg==',
      headers: [],
    });
  });

  test('nothing is null, an empty one is empty', () => {
    expect(mskRecord('t', 0, message({ key: null, value: null }))).toMatchObject({ key: null, value: null });
    expect(mskRecord('t', 0, message({ key: Buffer.alloc(0), value: Buffer.alloc(0) }))).toMatchObject({
      key: '',
      value: '',
    });
  });

  test('the timestamp type is that of the batch the record came in', () => {
    const { timestampType } = mskRecord('t', 0, message({ batchContext: { timestampType: 1 } }));
    expect(timestampType).toBe('LOG_APPEND_TIME');
  });

  test('header bytes are signed, a repeated header is repeated, one without a value is empty', () => {
    const headers = { a: Buffer.from([0, 127, 128, 255]), b: [Buffer.from('x'), Buffer.from('y')], c: null };
    expect(mskRecord('t', 0, message({ headers })).headers).toEqual([
      { a: [0, 127, -128, -1] },
      { b: [120] },
      { b: [121] },
      { c: [] },
    ]);
  });
});

test('an event keys its records by topic and partition', () => {
  const records = [0, 1].map((partition) => [mskRecord('t', partition, message())]);
  const event = mskEvent({ eventSourceArn: 'arn:x', bootstrapServers: 'b:1' }, [...records, []]);
  expect(event).toEqual({
    eventSource: 'aws:kafka',
    eventSourceArn: 'arn:x',
    bootstrapServers: 'b:1',
    records: { 't-0': records[0], 't-1': records[1] },
  });
});

test('jsonBytes is never below the true size, and close to it', () => {
  const bytes = fc.option(fc.base64String());
  const record: fc.Arbitrary<MskRecord> = fc.record({
    topic: fc.stringMatching(/^[\w.-]{1,40}$/),
    partition: fc.nat(2 ** 31 - 1),
    offset: fc.maxSafeNat(),
    timestamp: fc.maxSafeInteger(),
    timestampType: fc.constantFrom('CREATE_TIME', 'LOG_APPEND_TIME'),
    key: bytes,
    value: bytes,
    headers: fc.array(
      fc.dictionary(fc.string(), fc.array(fc.integer({ min: -128, max: 127 })), { minKeys: 1, maxKeys: 1 }),
    ),
  });
  fc.assert(
    fc.property(record, (record) => {
      const excess = jsonBytes(record) - Buffer.byteLength(`${JSON.stringify(record)},`);
      expect(excess).toBeGreaterThanOrEqual(0);
      expect(excess).toBeLessThanOrEqual(60);
    }),
  );
});

import { describe, expect, test } from 'vitest';
import type { KafkaRecord } from '../../lib/source/delivery.ts';
import { foreignLog, identityOf } from '../../lib/source/identity.ts';
import { newCheckpoint, type Checkpoint } from '../../lib/store/progress.ts';
import { clicks } from '../support/scene.ts';

const record = (offset: number, timestamp = 1000, value = `v${offset}`): KafkaRecord => ({
  offset,
  timestamp,
  key: null,
  value,
});

/** Offsets 10 to 19 processed, 14 and 15 never delivered; the greatest timestamp was 1000. */
const checkpoint: Checkpoint = {
  ...newCheckpoint(clicks(), 0, 'life', Number.NEGATIVE_INFINITY, 0),
  from: 10,
  next: 20,
  maxTimestamp: 1000,
  last: { offset: 19, hash: identityOf(record(19)) },
  gaps: [{ from: 14, to: 16, kind: 'discarded', watermark: 0 }],
};

describe('a log is taken to be the same one', () => {
  test.each([
    ['when its records are redelivered as they were', [record(17), record(18), record(19), record(20, 5000)]],
    ['when a gap is delivered after all', [record(14, 5000), record(15, 5000)]],
    ['when records from before counting began appear', [record(3, 5000)]],
    ['when there is only news', [record(20, 5000), record(21, 1)]],
    ['when redelivered records have no timestamp', [record(17, -1)]],
  ])('%s', (_, records) => {
    expect(foreignLog(checkpoint, records)).toBeUndefined();
  });

  test('before the first delivery, whatever comes', () => {
    const fresh = newCheckpoint(clicks(), 0, 'life', 0, 0);
    expect(foreignLog(fresh, [record(0, 9e12)])).toBeUndefined();
    expect(foreignLog({ ...fresh, next: 50 }, [record(0, 9e12)])).toBeUndefined();
  });
});

describe('a recreated topic is found', () => {
  test('by an offset processed that now has a later timestamp than any', () => {
    expect(foreignLog(checkpoint, [record(12, 1001)])).toBe(
      'offset 12 was processed, but now has a Kafka timestamp (1001) greater than any processed (1000)',
    );
  });

  test('by another record at the last offset', () => {
    expect(foreignLog(checkpoint, [record(19, 1000, 'other')])).toMatch('offset 19, the last one processed');
    expect(foreignLog(checkpoint, [record(19, 999)])).toMatch('now holds another record');
  });
});

test('key, value and timestamp make the identity; null is not the text', () => {
  const base = { offset: 1, timestamp: 1, key: 'a', value: 'b' };
  const all = [base, { ...base, key: null }, { ...base, value: null }, { ...base, timestamp: 2 }].map(identityOf);
  expect(new Set(all).size).toBe(4);
  expect(identityOf({ ...base, offset: 9 })).toBe(identityOf(base));
});

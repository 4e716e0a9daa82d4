import { describe, expect, test } from 'vitest';
import type { KafkaRecord } from '../../lib/source/delivery.ts';
import { classify, isIdle } from '../../lib/source/idle.ts';
import { newCheckpoint, type Checkpoint, type Gap } from '../../lib/store/progress.ts';
import { fakeBroker, type FakePartition } from '../support/fake-broker.ts';
import { at, clickSource, clicks, isoOf } from '../support/scene.ts';

const pipeline = clicks();
const NOW = at('20:00:00');
/** Offsets 0 to 9 counted, the last one an hour ago; clock 19:00:00, watermark 18:59:30. */
const counted: Checkpoint = {
  ...newCheckpoint(pipeline, 0, 'life', at('18:59:30'), at('19:00:00')),
  from: 0,
  next: 10,
  clock: at('19:00:00'),
};
const record = (offset: number, time: string, value?: string): KafkaRecord => ({
  offset,
  timestamp: NOW,
  key: null,
  value: Buffer.from(value ?? JSON.stringify({ event_time: isoOf(at(time)), username: 'alice' })).toString('base64'),
});

async function idle(partition: FakePartition, checkpoint: Partial<Checkpoint> = {}, of = pipeline, now = NOW) {
  const { broker, state } = fakeBroker({ 0: partition });
  const offsets = (await broker.offsets('clicks', 'group')).get(0);
  if (!offsets) throw new Error('the partition is there');
  return { isIdle: await isIdle(of, { ...counted, ...checkpoint }, offsets, broker, now), reads: state.reads };
}

describe('a partition is idle', () => {
  test('when everything was delivered, long enough ago; nothing has to be read', async () => {
    expect(await idle({ end: 10 })).toEqual({ isIdle: true, reads: 0 });
  });

  test.each([
    ['transaction markers and a compacted tail', { end: 15 }],
    ['rejections', { end: 11, records: [record(10, '19:30:00', 'not JSON')] }],
    ['late events', { end: 11, records: [record(10, '18:00:00')] }],
  ])('when all that is undelivered is %s', async (_, partition) => {
    expect((await idle(partition)).isIdle).toBe(true);
  });

  test('when what is undelivered is filtered and does not move the clock', async () => {
    const people = clicks({ source: clickSource().filter('people', () => false) });
    expect((await idle({ end: 11, records: [record(10, '18:59:59')] }, {}, people)).isIdle).toBe(true);
    expect((await idle({ end: 11, records: [record(10, '19:00:01')] }, {}, people)).isIdle).toBe(false);
  });

  test('before the first delivery, when the group has committed everything, or the log is empty', async () => {
    const fresh = { from: undefined, next: undefined };
    expect((await idle({ end: 0 }, fresh)).isIdle).toBe(true);
    expect((await idle({ end: 10, committed: 10, records: [record(5, '19:30:00')] }, fresh)).isIdle).toBe(true);
    expect((await idle({ end: 10, committed: 5, records: [record(5, '19:30:00')] }, fresh)).isIdle).toBe(false);
    expect((await idle({ end: 10, records: [record(5, '19:30:00')] }, fresh)).isIdle).toBe(false);
  });

  test('joined at the end of its log: not while the group is further back, where the mapping may begin', async () => {
    const joined = { from: undefined, next: 10 };
    expect((await idle({ end: 10 }, joined)).isIdle).toBe(true);
    expect((await idle({ end: 10, committed: 5, records: [record(5, '19:30:00')] }, joined)).isIdle).toBe(false);
  });
});

describe('a partition is not idle', () => {
  test('before the idle period is over, to the millisecond', async () => {
    const seen = { seen: NOW - 59_999 };
    expect((await idle({ end: 10 }, seen)).isIdle).toBe(false);
    expect((await idle({ end: 10 }, { seen: NOW - 60_000 })).isIdle).toBe(true);
  });

  test.each([
    ['an event that counts', { end: 11, records: [record(10, '19:00:00')] }],
    ['an event that counts in one window only', { end: 11, records: [record(10, '18:58:15')] }],
    ['an open transaction', { end: 15, openFrom: 12 }],
    [
      'more than is looked at',
      { end: 5000, records: Array.from({ length: 1001 }, (_, i) => record(10 + i, '18:00:00')) },
    ],
  ])('with %s undelivered', async (_, partition) => {
    expect((await idle(partition)).isIdle).toBe(false);
  });

  test.each(['stopped', 'retired'] as const)('when it is %s', async (state) => {
    expect((await idle({ end: 10 }, { state })).isIdle).toBe(false);
  });

  test('when the broker does not answer: that is thrown', async () => {
    const { broker, state } = fakeBroker({});
    state.isDown = true;
    const asked = isIdle(pipeline, counted, { start: 0, end: 11, committed: undefined }, broker, NOW);
    await expect(asked).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
  });
});

describe('a gap from offset 10 to 14', () => {
  const gap: Gap = { from: 10, to: 15, kind: 'unclassified', watermark: 0 };
  test.each([
    ['is empty where only markers are', { end: 20 }, 'empty'],
    ['is discarded where a record is still there', { end: 20, records: [record(14, '19:00:00')] }, 'discarded'],
    ['does not hold the record behind it', { end: 20, records: [record(15, '19:00:00')] }, 'empty'],
    ['is expired where retention has reached it', { start: 12, end: 20 }, 'expired'],
    ['is expired where retention has passed it', { start: 100, end: 120 }, 'expired'],
    [
      'is discarded where it is partly gone and partly there',
      { start: 12, end: 20, records: [record(13, '19:00:00')] },
      'discarded',
    ],
    ['is taken to be discarded where nobody can read yet', { end: 20, openFrom: 10 }, 'discarded'],
    ['before a later retention is empty', { start: 10, end: 20 }, 'empty'],
  ] as const)('%s', async (_, partition, kind) => {
    const { broker } = fakeBroker({ 0: partition });
    const offsets = { start: 0, ...partition, committed: undefined };
    expect(await classify(pipeline, 0, gap, offsets, broker)).toBe(kind);
  });
});

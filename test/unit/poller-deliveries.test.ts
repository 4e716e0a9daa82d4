import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Deliveries, type Delivery } from '../../localstack/deliveries.ts';
import type { MskRecord } from '../../localstack/msk-event.ts';

const record = (partition: number, offset: number, value = 'dg=='): MskRecord => ({
  topic: 't',
  partition,
  offset,
  timestamp: 0,
  timestampType: 'CREATE_TIME',
  key: null,
  value,
  headers: [],
});
const records = (partition: number, from: number, to: number): MskRecord[] =>
  Array.from({ length: to - from }, (_, index) => record(partition, from + index));
const offsets = (delivery: Delivery | undefined): Record<number, number[]> =>
  Object.fromEntries(
    [...(delivery?.records ?? [])].map(([partition, run]) => [partition, run.map(({ offset }) => offset)]),
  );
const limits = { batchSize: 4, batchingWindowMs: 500 };
const success = { kind: 'success' } as const;
const failed = { kind: 'failed', reason: 'no' } as const;

function next(deliveries: Deliveries, nowMs: number): Delivery {
  const delivery = deliveries.next(nowMs);
  if (!delivery) throw new Error('no delivery is due');
  return delivery;
}

describe('cutting', () => {
  test('a full batch goes at once, the rest when the window is over', () => {
    const deliveries = new Deliveries(limits);
    deliveries.add(0, records(0, 0, 5), 1_000);
    expect(offsets(deliveries.next(1_000))).toEqual({ 0: [0, 1, 2, 3] });
    expect(deliveries.next(1_499)).toBeUndefined();
    expect(deliveries.dueMs()).toBe(1_500);
    expect(offsets(deliveries.next(1_500))).toEqual({ 0: [4] });
    expect(deliveries.dueMs()).toBeUndefined();
  });

  test('a window of 0 waits for nothing', () => {
    const deliveries = new Deliveries({ ...limits, batchingWindowMs: 0 });
    deliveries.add(0, records(0, 0, 1), 7);
    expect(offsets(deliveries.next(7))).toEqual({ 0: [0] });
  });

  test('partitions share a delivery; what one leaves free the others use', () => {
    const deliveries = new Deliveries({ ...limits, batchSize: 6 });
    deliveries.add(0, records(0, 0, 10), 0);
    deliveries.add(1, records(1, 0, 1), 1);
    deliveries.add(2, records(2, 0, 10), 2);
    expect(offsets(deliveries.next(2))).toEqual({ 0: [0, 1, 2], 1: [0], 2: [0, 1] });
  });

  test('with fewer places than partitions, the one that waited longest goes first', () => {
    const deliveries = new Deliveries({ batchSize: 1, batchingWindowMs: 0 });
    for (const partition of [0, 1, 2]) deliveries.add(partition, records(partition, 0, 2), partition);
    const served = [3, 4, 5, 6].map((nowMs) => Object.keys(offsets(deliveries.next(nowMs))));
    expect(served).toEqual([['0'], ['1'], ['2'], ['0']]);
  });

  test('a delivery stays below the payload limit; a record too large for any goes alone', () => {
    const deliveries = new Deliveries({ batchSize: 100, batchingWindowMs: 0 });
    const value = 'x'.repeat(4_000_000);
    deliveries.add(0, [record(0, 0, value), record(0, 1, value), record(0, 2, 'x'.repeat(9_000_000)), record(0, 3)], 0);
    expect([1, 2, 3, 4].map((nowMs) => offsets(deliveries.next(nowMs)))).toEqual([
      { 0: [0] },
      { 0: [1] },
      { 0: [2] },
      { 0: [3] },
    ]);
  });

  test('a partition is full with a whole batch of its own', () => {
    const deliveries = new Deliveries(limits);
    deliveries.add(0, records(0, 0, 3), 0);
    expect(deliveries.isFull(0)).toBe(false);
    deliveries.add(0, records(0, 3, 4), 0);
    expect([deliveries.isFull(0), deliveries.isFull(1)]).toEqual([true, false]);
  });
});

describe('settling', () => {
  test('success commits what comes next', () => {
    const deliveries = new Deliveries(limits);
    deliveries.add(0, records(0, 7, 9), 0);
    deliveries.add(1, records(1, 0, 2), 0);
    expect(deliveries.settle(next(deliveries, 0), success, 0)).toEqual(
      new Map([
        [0, 9],
        [1, 2],
      ]),
    );
    expect(deliveries.dueMs()).toBeUndefined();
  });

  test('a failed delivery comes again as it was, ever later, and holds its partitions alone', () => {
    const deliveries = new Deliveries({ ...limits, batchSize: 2 });
    deliveries.add(0, records(0, 0, 3), 0);
    let nowMs = 0;
    let delivery = next(deliveries, nowMs);
    const waits: number[] = [];
    for (let tries = 0; tries < 8; tries += 1) {
      expect(deliveries.settle(delivery, failed, nowMs)).toEqual(new Map());
      expect([deliveries.isHeld(0), deliveries.isHeld(1)]).toEqual([true, false]);
      waits.push((deliveries.dueMs() ?? 0) - nowMs);
      nowMs = deliveries.dueMs() ?? 0;
      const again = next(deliveries, nowMs);
      expect(again.records).toEqual(delivery.records);
      delivery = again;
    }
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);

    deliveries.settle(delivery, failed, nowMs);
    deliveries.add(1, records(1, 0, 2), nowMs);
    expect(offsets(deliveries.next(nowMs))).toEqual({ 1: [0, 1] });
    nowMs += 10_000;
    expect(deliveries.settle(next(deliveries, nowMs), success, nowMs)).toEqual(new Map([[0, 2]]));
    expect(offsets(deliveries.next(nowMs + 500))).toEqual({ 0: [2] });
  });

  test('a partial failure commits up to the lowest reported offset and goes on from there', () => {
    const deliveries = new Deliveries({ ...limits, batchSize: 6 });
    deliveries.add(0, records(0, 0, 3), 0);
    deliveries.add(1, records(1, 0, 3), 0);
    const verdict = { kind: 'partial', from: new Map([['t-0', 2]]) } as const;
    expect(deliveries.settle(next(deliveries, 0), verdict, 0)).toEqual(
      new Map([
        [0, 2],
        [1, 3],
      ]),
    );
    expect(offsets(deliveries.next(200))).toEqual({ 0: [2] });
  });

  test('a partial failure of the first record commits nothing of its partition', () => {
    const deliveries = new Deliveries(limits);
    deliveries.add(0, records(0, 5, 9), 0);
    const verdict = { kind: 'partial', from: new Map([['t-0', 5]]) } as const;
    expect(deliveries.settle(next(deliveries, 0), verdict, 0)).toEqual(new Map());
  });
});

test('whatever arrives and fails, each partition is delivered in order, and commits never run ahead', () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(2), count: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ verdict: fc.constantFrom('success', 'failed', 'partial'), at: fc.nat(100) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 7 }), (steps, batchSize) => {
      const deliveries = new Deliveries({ batchSize, batchingWindowMs: 100 });
      const sent = [0, 0, 0];
      const done = [0, 0, 0];
      let nowMs = 0;
      for (const step of steps) {
        nowMs += 50;
        if ('add' in step) {
          const from = sent[step.add] ?? 0;
          sent[step.add] = from + step.count;
          deliveries.add(step.add, records(step.add, from, from + step.count), nowMs);
          continue;
        }
        const delivery = deliveries.next(nowMs);
        if (!delivery) continue;
        const runs = Object.entries(offsets(delivery)).map(([partition, run]) => [Number(partition), run] as const);
        expect(runs.flatMap(([, run]) => run).length).toBeLessThanOrEqual(batchSize);
        for (const [partition, run] of runs) expect(run).toEqual(run.map((_, index) => (done[partition] ?? 0) + index));
        const [[partition, run] = [0, []]] = runs;
        const lowest = run[step.at % run.length] ?? 0;
        const verdict =
          step.verdict === 'partial'
            ? ({ kind: 'partial', from: new Map([[`t-${partition}`, lowest]]) } as const)
            : step.verdict === 'failed'
              ? failed
              : success;
        for (const [partition, offset] of deliveries.settle(delivery, verdict, nowMs)) done[partition] = offset;
      }
      while (deliveries.dueMs() !== undefined) {
        nowMs = Math.max(nowMs, deliveries.dueMs() ?? 0);
        const delivery = next(deliveries, nowMs);
        for (const [partition, offset] of deliveries.settle(delivery, success, nowMs)) done[partition] = offset;
      }
      expect(done).toEqual(sent);
    }),
  );
});

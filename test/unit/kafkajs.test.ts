import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import '../../lib/source/kafkajs.ts';

/** What kafkajs' own connection does with its queue. */
interface Queue {
  push(request: { entry: { correlationId: number }; expectResponse: boolean; sendRequest: () => void }): void;
  maybeThrottle(ms: number): void;
  fulfillRequest(response: { correlationId: number; payload: unknown; size: number }): void;
  rejectAll(error: Error): void;
  destroy(): void;
}
const Queue = RequestQueue as unknown as new (options: object) => Queue;
const sent: number[] = [];
const rejected: number[] = [];
const logger = { debug: () => undefined, warn: () => undefined };
const queue = (maxInFlightRequests?: number): Queue =>
  new Queue({ maxInFlightRequests, requestTimeout: 1_000, clientId: 'c', broker: 'b', logger });
const request = (correlationId: number) => ({
  entry: { correlationId, resolve: () => undefined, reject: () => rejected.push(correlationId) },
  expectResponse: true,
  sendRequest: () => sent.push(correlationId),
});
const answer = (correlationId: number) => ({ correlationId, payload: null, size: 0 });

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  sent.length = 0;
  rejected.length = 0;
});

test('a queue with nothing waiting sets no timer', () => {
  const idle = queue();
  idle.push(request(1));
  idle.fulfillRequest(answer(1));
  expect(sent).toEqual([1]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a throttled request goes out when the throttle ends, the next one too, and then all is quiet', async () => {
  const throttled = queue();
  throttled.maybeThrottle(200);
  throttled.push(request(1));
  await vi.advanceTimersByTimeAsync(150);
  expect(sent).toEqual([]);
  throttled.push(request(2));
  await vi.advanceTimersByTimeAsync(60);
  expect(sent).toEqual([1, 2]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a throttle that begins while nothing waits holds back what comes later', async () => {
  const throttled = queue();
  throttled.push(request(1));
  throttled.fulfillRequest(answer(1));
  throttled.maybeThrottle(200);
  await vi.advanceTimersByTimeAsync(100);
  throttled.push(request(2));
  expect(sent).toEqual([1]);
  await vi.advanceTimersByTimeAsync(110);
  expect(sent).toEqual([1, 2]);
});

test('a request beyond what may be in flight follows the answer to an earlier one', () => {
  const narrow = queue(1);
  narrow.push(request(1));
  narrow.push(request(2));
  expect(sent).toEqual([1]);
  narrow.fulfillRequest(answer(1));
  expect(sent).toEqual([1, 2]);
});

test('a lost connection rejects what waits, and the queue serves the next connection', async () => {
  const broken = queue(1);
  broken.push(request(1));
  broken.push(request(2));
  broken.rejectAll(new Error('closed'));
  await vi.advanceTimersByTimeAsync(100);
  expect([sent, rejected]).toEqual([[1], [1, 2]]);
  broken.push(request(3));
  expect(sent).toEqual([1, 3]);
  broken.destroy();
  expect(vi.getTimerCount()).toBe(0);
});

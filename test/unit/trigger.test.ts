import { expect, test } from 'vitest';
import { isTriggerDue } from '../../lib/time/trigger.ts';
import { at } from '../support/scene.ts';

const seconds = 1_000;
const isDue = (last: number, now: number) => isTriggerDue(last, now, 30 * seconds);

test('a trigger is due once in each interval of the clock, however far apart the calls are', () => {
  //  19:00:00      :30      19:01:00
  //  [--- a ---------)[--- b ---)
  expect(isDue(at('19:00:00'), at('19:00:29.999'))).toBe(false);
  expect(isDue(at('19:00:29.999'), at('19:00:30'))).toBe(true);
  expect(isDue(at('19:00:30'), at('19:00:30'))).toBe(false);
  expect(isDue(at('19:00:30'), at('19:05:00'))).toBe(true);
});

test('a trigger is due when there was no last time, and not when the clock went back', () => {
  expect(isDue(Number.NEGATIVE_INFINITY, at('19:00:00'))).toBe(true);
  expect(isDue(at('19:01:00'), at('19:00:00'))).toBe(false);
});

import { describe, expect, test } from 'vitest';
import { TidemarkError } from '../../lib/runtime/error.ts';
import { inParallel, retrying, type Retry } from '../../lib/runtime/retry.ts';
import { busy } from '../support/faulty-store.ts';

/** A retry whose clock moves by what is slept; `waits` are the sleeps. */
function retryWith(more: Partial<Retry> = {}) {
  let now = 0;
  const waits: number[] = [];
  const sleep = async (ms: number): Promise<void> => {
    waits.push(ms);
    now += ms;
  };
  const clock = { now: () => now, monotonic: () => now, sleep };
  return { waits, retry: { clock, random: () => 0.5, deadline: Number.POSITIVE_INFINITY, ...more } };
}

describe('trying again', () => {
  test('a lost race and a busy store are tried again, after waits that grow', async () => {
    const { retry, waits } = retryWith();
    const answers = [() => undefined, () => Promise.reject(busy()), () => undefined, () => 'done'];
    expect(await retrying('it', retry, async () => answers.shift()?.())).toBe('done');
    expect(waits).toEqual([20, 40, 80]);
  });

  test('falsy answers are answers', async () => {
    const { retry } = retryWith();
    expect(await retrying('it', retry, async () => false)).toBe(false);
    expect(await retrying('it', retry, async () => 0)).toBe(0);
  });

  test('is bounded: waits never exceed 2 s, and after the last try the cause is told', async () => {
    const { retry, waits } = retryWith({ random: () => 0.999 });
    const failure = retrying('partition 7', retry, () => Promise.reject(busy()));
    await expect(failure).rejects.toMatchObject({
      code: 'GAVE_UP',
      message: expect.stringMatching('partition 7'),
      cause: { code: 'STORE_BUSY' },
    });
    expect(waits).toHaveLength(11);
    expect(Math.max(...waits)).toBeLessThanOrEqual(2_000);
  });

  test('neither begins nor sleeps beyond the deadline', async () => {
    const { retry, waits } = retryWith({ deadline: 100, random: () => 0.999 });
    let tries = 0;
    const attempt = async () => void tries++;
    await expect(retrying('it', retry, attempt)).rejects.toMatchObject({ code: 'GAVE_UP' });
    expect(waits.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(100);
    expect(tries).toBe(2);
    await expect(retrying('it', { ...retry, deadline: -1 }, attempt)).rejects.toMatchObject({ code: 'GAVE_UP' });
    expect(tries).toBe(2);
  });

  test('what is not busy passes through at once', async () => {
    const { retry, waits } = retryWith();
    const failure = new TidemarkError('BROKEN_INVARIANT', 'a bug');
    await expect(retrying('it', retry, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(waits).toEqual([]);
  });
});

describe('in parallel', () => {
  test('at most so many run at once, all run, and outcomes keep the order of calls', async () => {
    let running = 0;
    let most = 0;
    const calls = Array.from({ length: 10 }, (_, i) => async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      if (i === 3) throw new Error('three');
      return i;
    });
    const outcomes = await inParallel(calls, 4);
    expect(most).toBe(4);
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 'failed'))).toEqual([
      0,
      1,
      2,
      'failed',
      4,
      5,
      6,
      7,
      8,
      9,
    ]);
  });

  test('nothing to do is done', async () => {
    expect(await inParallel([], 8)).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { TidemarkError } from '../../lib/runtime/error.ts';
import { declaredTicks, startTicks, type Tick } from '../../localstack/schedules.ts';
import type { Service } from '../../localstack/serverless.ts';

const service = (...schedules: unknown[]): Service => ({
  provider: {},
  package: {},
  getAllFunctions: () => ['emit'],
  getFunction: () => ({ handler: 'h', name: 'n', events: schedules.map((schedule) => ({ schedule })) }),
});

describe('declaredTicks', () => {
  test('reads rates, inputs and what is enabled', () => {
    const input = { pipeline: 'telegram' };
    expect(
      declaredTicks(
        service(
          'rate(1 minute)',
          { rate: ['rate(2 hours)', 'rate(1 day)'], input },
          { rate: ['rate(5 minutes)'], enabled: false },
        ),
      ),
    ).toEqual([
      { functionKey: 'emit', everyMs: 60_000, input: {} },
      { functionKey: 'emit', everyMs: 7_200_000, input },
      { functionKey: 'emit', everyMs: 86_400_000, input },
    ]);
  });

  test('refuses what is no rate, all at once', () => {
    expect(() => declaredTicks(service('cron(0 12 * * ? *)', 'rate(1 fortnight)'))).toThrow(TidemarkError);
    expect(() => declaredTicks(service('cron(0 12 * * ? *)', 'rate(1 fortnight)'))).toThrow(
      /functions\.emit: "cron\(0 12 \* \* \? \*\)" is not a rate.*\n.*"rate\(1 fortnight\)"/,
    );
  });
});

describe('startTicks', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());
  const ticks: Tick[] = [{ functionKey: 'emit', everyMs: 1_000, input: { pipeline: 'a' } }];
  const silent = { line: () => undefined, debug: () => undefined };

  test('fires at once and then at its rate, until ended', async () => {
    const invoke = vi.fn(() => Promise.resolve());
    const end = startTicks(ticks, invoke, silent);
    expect(invoke.mock.calls).toEqual([['emit', { pipeline: 'a' }]]);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(invoke).toHaveBeenCalledTimes(3);
    end();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(invoke).toHaveBeenCalledTimes(3);
  });

  test('never overlaps itself: a tick that was due meanwhile follows, once', async () => {
    // ticks   0    1    2    3    4
    // runs    [------2.5-----][--------]
    let running = 0;
    let most = 0;
    const starts: number[] = [];
    const began = Date.now();
    const end = startTicks(
      ticks,
      async () => {
        starts.push(Date.now() - began);
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        running -= 1;
      },
      silent,
    );
    await vi.advanceTimersByTimeAsync(4_900);
    end();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(most).toBe(1);
    expect(starts).toEqual([0, 2_500]);
  });

  test('a failure is one line, and the next tick tries again', async () => {
    const lines: string[] = [];
    const invoke = vi.fn(() => Promise.reject(new Error('no broker')));
    const end = startTicks(ticks, invoke, { line: (text) => lines.push(text), debug: () => undefined });
    await vi.advanceTimersByTimeAsync(1_000);
    end();
    expect(invoke).toHaveBeenCalledTimes(2);
    expect(lines).toEqual(Array.from({ length: 2 }, () => 'emit failed, the next tick tries again: Error: no broker'));
  });
});

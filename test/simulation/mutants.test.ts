import { beforeAll, describe, expect, test } from 'vitest';
import { inParallel } from '../../lib/runtime/retry.ts';
import { MUTANTS, SMALL_LIMITS } from './mutants.ts';
import { PROCESSES, simulate, type Simulated } from './processes.ts';

const SMALL_LIMITS_WORLDS = 300;

const found = new Map<string, Simulated>();

beforeAll(async () => {
  const tasks = [SMALL_LIMITS, ...MUTANTS].map(({ number, withinWorlds }) => async () => {
    const runs = `${withinWorlds || SMALL_LIMITS_WORLDS}`;
    found.set(number, await simulate('--seed', '1', '--runs', runs, '--plant', number));
  });
  await inParallel(tasks, PROCESSES);
});

describe('planted deviations are found', () => {
  test.for(MUTANTS)('$number: $name, within $withinWorlds worlds', ({ number }) => {
    const { exitCode, output } = found.get(number) ?? { exitCode: -1, output: '' };
    expect(output).toContain(`replay: npm run simulate -- --seed `);
    expect(exitCode).toBe(1);
  });
});

test('limits so small that every world meets them change nothing', () => {
  const { exitCode, output } = found.get(SMALL_LIMITS.number) ?? { exitCode: -1, output: '' };
  expect(output).toContain('0 failed');
  expect(output).toContain('cursor');
  expect(exitCode).toBe(0);
});

import { execFile } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import { inParallel } from '../../lib/runtime/retry.ts';
import { MUTANTS, SMALL_LIMITS, type Mutant } from './mutants.ts';

const SMALL_LIMITS_WORLDS = 300;
const PROCESSES = 2;

interface Found {
  readonly exitCode: number;
  readonly output: string;
}

/** A process of its own: patches are applied as modules load. */
const simulate = ({ number, withinWorlds }: Mutant): Promise<Found> =>
  new Promise((resolve) => {
    const main = new URL('main.ts', import.meta.url).pathname;
    const runs = String(withinWorlds || SMALL_LIMITS_WORLDS);
    const args = [main, '--seed', '1', '--runs', runs, '--plant', number, '--marks'];
    execFile(process.execPath, args, (error, output, errors) => {
      resolve({ exitCode: error ? Number(error.code ?? 1) : 0, output: output + errors });
    });
  });

const found = new Map<string, Found>();

beforeAll(async () => {
  const tasks = [SMALL_LIMITS, ...MUTANTS].map(
    (mutant) => async () => void found.set(mutant.number, await simulate(mutant)),
  );
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

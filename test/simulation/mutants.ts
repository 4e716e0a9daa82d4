import type { Mutant } from './mutant.ts';
import { RUNNING_MUTANTS } from './mutants-running.ts';
import { WINDOW_MUTANTS } from './mutants-windows.ts';
import type { Patch } from './plant.ts';

/** What section H lists, and what else a small change of the code would break. */
export const MUTANTS: readonly Mutant[] = [...WINDOW_MUTANTS, ...RUNNING_MUTANTS];

/**
 * No deviation, planted always: running totals that are compacted after a few commits, in shards that keys share, and
 * swept often.
 */
export const SMALL_RUNNING: readonly Patch[] = [
  {
    file: 'running.ts',
    find: 'const LIMITS: Limits = { stepBytes: 2_000_000, compactFromBytes: 256_000 };',
    replace: 'const LIMITS: Limits = { stepBytes: 400, compactFromBytes: 100 };',
  },
  { file: 'store/shard.ts', find: 'export const SHARDS = 4096;', replace: 'export const SHARDS = 8;' },
  { file: 'compaction.ts', find: 'const SHARDS_AT_ONCE = 50;', replace: 'const SHARDS_AT_ONCE = 2;' },
  { file: 'compaction.ts', find: 'const SWEEP_EVERY = 16;', replace: 'const SWEEP_EVERY = 3;' },
];

/** No deviation: limits made so small that small worlds meet them. Nothing may be found. */
export const SMALL_LIMITS: Mutant = {
  number: 'small-limits',
  name: 'blocks, rounds, looks ahead and open segments of a few entries',
  withinWorlds: 0,
  patches: [
    {
      file: 'store/results.ts',
      find: 'export const ROWS_PER_BLOCK = 10_000;',
      replace: 'export const ROWS_PER_BLOCK = 2;',
    },
    { file: 'emission.ts', find: 'const MAX_ENDS = 5_000;', replace: 'const MAX_ENDS = 2;' },
    { file: 'source/idle.ts', find: 'const LOOK_AHEAD = 1_000;', replace: 'const LOOK_AHEAD = 20;' },
    {
      file: 'store/draft.ts',
      find: 'const MAX_OPEN_SEGMENT_BYTES = 900;',
      replace: 'const MAX_OPEN_SEGMENT_BYTES = 30;',
    },
    {
      file: 'store/draft.ts',
      find: 'const MAX_ACTIONS = MAX_TRANSACTION_ACTIONS - 10;',
      replace: 'const MAX_ACTIONS = 7;',
    },
    { file: 'count.ts', find: 'const MANY_GAPS = 20;', replace: 'const MANY_GAPS = 2;' },
  ],
};

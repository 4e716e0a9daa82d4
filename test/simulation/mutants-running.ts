import type { Mutant } from './mutant.ts';

/** What can be broken where totals are running, and where rows go to files. */
export const RUNNING_MUTANTS: readonly Mutant[] = [
  {
    number: '15a',
    name: 'compaction of running totals under a shared generation name',
    withinWorlds: 250,
    only: 'running',
    patches: [
      {
        file: 'compaction.ts',
        find: 'generationOf(read.number + 1, newIncarnation(random))',
        replace: "generationOf(read.number + 1, 'shared' + newIncarnation(random).slice(8))",
      },
    ],
  },
  {
    number: '15b',
    name: 'deltas collected by version instead of upTo',
    withinWorlds: 20,
    only: 'running',
    patches: [
      {
        file: 'compaction.ts',
        find: "import { newIncarnation } from './store/progress.ts';",
        replace: "import { checkpointKey, commitsOf, newIncarnation, readCheckpoint } from './store/progress.ts';",
      },
      {
        file: 'compaction.ts',
        find: "import { pagesOf, writeAll } from './store/drain.ts';",
        replace: "import { pagesOf, readAll, writeAll } from './store/drain.ts';",
      },
      {
        file: 'compaction.ts',
        find: 'deltas(pipeline, partition, 0, head.upTo), () => true',
        replace: `deltas(pipeline, partition, 0, Number(commitsOf(readCheckpoint(
          (await readAll(store, [checkpointKey(pipeline, partition)], retry))[0] ?? {}).version))), () => true`,
      },
    ],
  },
  {
    number: '16',
    name: 'two flushers of an outbox choosing their own ranges',
    withinWorlds: 20,
    only: 'side-output',
    patches: [
      {
        file: 'outbox.ts',
        find: `  await retrying('outbox range', retry, () =>
    store.write(claimRange(headKey(pipeline, partition), head, incarnation, found)),
  );`,
        replace:
          "  await writeRange(outbox, String(claimRange(headKey(pipeline, partition), head, incarnation, found).set?.['pending']));",
      },
      { file: 'outbox.ts', find: '  if ((await headOf(outbox)).pending !== pending) return;\n', replace: '' },
      {
        file: 'store/outbox.ts',
        find: "when: [{ attribute: 'pending', equals: pending }],",
        replace: 'when: [],',
      },
    ],
  },
  {
    number: 'E1',
    name: 'the head of running totals put whatever it is now',
    withinWorlds: 60,
    only: 'running',
    patches: [
      {
        file: 'store/running.ts',
        find: "const when = read.number === 0 ? versionIs(undefined) : [{ attribute: 'number', equals: read.number }];",
        replace: 'const when: never[] = [];',
      },
    ],
  },
  {
    number: 'E4',
    name: 'the heads of running totals not read again',
    withinWorlds: 40,
    only: 'running',
    patches: [
      {
        file: 'store/running.ts',
        find: 'return [...read].every(([partition, { number }]) => now.get(partition)?.number === number);',
        replace: 'return now.size >= 0;',
      },
    ],
  },
  {
    number: 'ranks',
    name: 'rows of running totals told from those before although a total fell',
    withinWorlds: 60,
    only: 'running',
    patches: [
      {
        file: 'totals.ts',
        find: 'if (!isRead || !isExact) return undefined;',
        replace: 'if (!isRead) return undefined;',
      },
    ],
  },
  {
    number: 'joined',
    name: 'running totals shown again without a partition that has joined since',
    withinWorlds: 100,
    only: 'running',
    patches: [
      {
        file: 'running.ts',
        find: 'if (partitionsIn(before).some((partition) => !partitions.includes(partition))) return NOTHING;',
        replace: '',
      },
    ],
  },
];

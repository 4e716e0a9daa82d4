import type { Patch } from './plant.ts';

/** Worlds that can be asked for: of a kind, or those whose pipeline has a side output. */
export const SELECTIONS = ['windows', 'running', 'five', 'side-output'] as const;
export type Selection = (typeof SELECTIONS)[number];

/** A deviation from the protocol that loses, doubles or changes a result. */
export interface Mutant {
  /** As protocol section H numbers them; a name for what is not in there. */
  readonly number: string;
  readonly name: string;
  readonly patches: readonly Patch[];
  /** In so many worlds from seed 1, of those selected, it must be found. */
  readonly withinWorlds: number;
  /** Worlds it is looked for in; all unless said. */
  readonly only?: Selection;
}

/** What section H lists and this code has; 15 and 16 belong to running totals and outboxes. */
export const MUTANTS: readonly Mutant[] = [
  {
    number: '1',
    name: 'no version condition on the checkpoint',
    withinWorlds: 100,
    patches: [
      {
        file: 'store/progress.ts',
        find: "return { kind: 'put', table: 'progress', item, when: versionIs(read?.version) };",
        replace: "return { kind: 'put', table: 'progress', item, when: read ? [] : versionIs(undefined) };",
      },
    ],
  },
  {
    number: '2',
    name: 'segments read before the checkpoint, with no version condition on the segment',
    withinWorlds: 1_000,
    patches: [
      {
        file: 'count.ts',
        find: 'const items = await readAll(runtime.store, [checkpointKey, ...openKeys], retry);',
        replace: `const early = await readAll(runtime.store, openKeys, retry);
  const items = [...early, ...(await readAll(runtime.store, [checkpointKey], retry))];`,
      },
      {
        file: 'store/draft.ts',
        find: "when: versionIs(read?.['version'] as string | undefined),",
        replace: 'when: [],',
      },
    ],
  },
  {
    number: '3',
    name: "judging by the clock at the batch's start",
    withinWorlds: 50,
    patches: [
      {
        file: 'fold.ts',
        find: 'fateOf(pipeline, decoded, tide.watermark, verdictOf)',
        replace: 'fateOf(pipeline, decoded, from.watermark, verdictOf)',
      },
    ],
  },
  {
    number: '4',
    name: 'visible-from ignored',
    withinWorlds: 100,
    patches: [
      {
        file: 'store/merge.ts',
        find: 'if (visibleFrom <= window.end) decodePartials',
        replace: 'decodePartials',
      },
    ],
  },
  {
    number: '5',
    name: 'deletion before emission',
    withinWorlds: 10,
    patches: [
      {
        file: 'finalize.ts',
        find: 'const emitted = await emitWindows(pipeline, registry, runtime, retry);',
        replace: `await collect(pipeline, registry.partitions, registry.closed, runtime, retry);
  const emitted = await emitWindows(pipeline, registry, runtime, retry);`,
      },
    ],
  },
  {
    number: '6',
    name: '`emitted` not read again after the last page',
    withinWorlds: 1_500,
    patches: [
      {
        file: 'emission.ts',
        find: `    const partials = await mergeWindow(pipeline, registry.partitions, window, runtime.store, retry);
`,
        replace: '',
      },
      {
        file: 'emission.ts',
        find: `    if (current.emitted >= end) return current.emitted;
`,
        replace: `    if (current.emitted >= end) return current.emitted;
    const partials = await mergeWindow(pipeline, registry.partitions, window, runtime.store, retry);
`,
      },
    ],
  },
  {
    number: '7',
    name: '`emitted` advanced before the rows are written',
    withinWorlds: 30,
    patches: [
      {
        file: 'emission.ts',
        find: '    if (!(await emitWindow(pipeline, current,',
        replace: `    await advanceEmitted(pipeline, end, runtime, retry);
    if (!(await emitWindow(pipeline, current,`,
      },
    ],
  },
  {
    number: '8',
    name: '`emitted` advanced unconditionally',
    withinWorlds: 50,
    patches: [{ file: 'emission.ts', find: "when: [{ attribute: 'emitted', below: emitted }],", replace: 'when: [],' }],
  },
  {
    number: '9',
    name: '`closed` advanced unconditionally',
    withinWorlds: 300,
    patches: [
      {
        file: 'finalize.ts',
        find: 'registryChange(pipeline, registry, { closed: target, incompleteUntil }, shape),',
        replace: '{ ...registryChange(pipeline, registry, { closed: target, incompleteUntil }, shape), when: [] },',
      },
    ],
  },
  {
    number: '10',
    name: 'idle partitions left out of the minimum with their watermark raised once',
    withinWorlds: 10,
    patches: [
      {
        file: 'finalize.ts',
        find: 'if (checkpoint.watermark >= target) continue;',
        replace: 'if (checkpoint.watermark > checkpoint.clock - pipeline.delayMs) continue;',
      },
    ],
  },
  {
    number: '11',
    name: 'checkpoints read before the registry',
    withinWorlds: 400,
    patches: [
      {
        file: 'finalize.ts',
        find: `  const [item] = await readAll(store, [registryKey(pipeline)], retry);
  const registry =`,
        replace: `  const [known] = await readAll(store, [registryKey(pipeline)], retry);
  const early = known ? await checkpointsOf({ store, retry }, pipeline, readRegistry(known)) : [];
  const [item] = await readAll(store, [registryKey(pipeline)], retry);
  const registry =`,
      },
      {
        file: 'finalize.ts',
        find: 'const checkpoints = registry ? await checkpointsOf({ store, retry }, pipeline, registry) : [];',
        replace: 'const checkpoints = early;',
      },
    ],
  },
  {
    number: '12',
    name: 'join without the registry bump',
    withinWorlds: 500,
    patches: [
      {
        file: 'store/registry.ts',
        find: 'set: registryAttributes({ ...changes, version: read.version + 1 }),',
        replace:
          'set: registryAttributes({ ...changes, version: changes.partitions ? read.version : read.version + 1 }),',
      },
    ],
  },
  {
    number: '13',
    name: 'join without w = closed',
    withinWorlds: 100,
    patches: [{ file: 'store/progress.ts', find: '  watermark: closed,\n', replace: '  watermark: NEVER,\n' }],
  },
  {
    number: '14',
    name: "no listing of the broker's partitions",
    withinWorlds: 20,
    patches: [
      {
        file: 'finalize.ts',
        find: 'if (newcomers.length > 0) return',
        replace: 'if (newcomers.length > 0 && Math.abs(0)) return',
      },
    ],
  },
  {
    number: '17',
    name: 'watermark recomputed from the clock after the delay was raised',
    withinWorlds: 20,
    patches: [
      {
        file: 'window/verdict.ts',
        find: 'const watermark = Math.max(tide.watermark, clock - delayMs);',
        replace: 'const watermark = clock - delayMs;',
      },
    ],
  },
  {
    number: '18',
    name: '`seen` renewed by late events',
    withinWorlds: 60,
    patches: [{ file: 'fold.ts', find: 'seen: counted > 0 ||', replace: 'seen: counted > 0 || late > 0 ||' }],
  },
  {
    number: '19',
    name: 'idle by an old end offset',
    withinWorlds: 300,
    patches: [
      { file: 'finalize.ts', find: '  const listing = await askBroker(pipeline, runtime);\n', replace: '' },
      {
        file: 'finalize.ts',
        find: `  const [item] = await readAll(store, [registryKey(pipeline)], retry);
  const registry =`,
        replace: `  const listing = await askBroker(pipeline, runtime);
  const [item] = await readAll(store, [registryKey(pipeline)], retry);
  const registry =`,
      },
    ],
  },
  {
    number: '20',
    name: 'a gap closed over before it was classified',
    withinWorlds: 20,
    patches: [
      {
        file: 'finalize.ts',
        find: 'if (gapped.length > 0 && runtime.broker) {',
        replace: `const least = targetOf(pipeline, checkpoints, new Set(), now);
  if (gapped.length > 0 && runtime.broker && least <= registry.closed) {`,
      },
    ],
  },
  {
    number: '15a',
    name: 'compaction of running totals under a shared generation name',
    withinWorlds: 300,
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
    withinWorlds: 100,
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
    number: '16a',
    name: 'two flushers of an outbox choosing their own ranges: what is not stored before it is written',
    withinWorlds: 100,
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
    ],
  },
  {
    number: '16b',
    name: "an outbox's head not read again after the rows",
    withinWorlds: 600,
    only: 'side-output',
    patches: [{ file: 'outbox.ts', find: '  if ((await headOf(outbox)).pending !== pending) return;\n', replace: '' }],
  },
  {
    number: '16c',
    name: 'a range settled by whoever wrote it, whatever is pending now',
    withinWorlds: 600,
    only: 'side-output',
    patches: [
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
    withinWorlds: 600,
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
    withinWorlds: 600,
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
    withinWorlds: 600,
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
    withinWorlds: 600,
    only: 'running',
    patches: [
      {
        file: 'running.ts',
        find: 'if (partitionsIn(before).some((partition) => !partitions.includes(partition))) return NOTHING;',
        replace: '',
      },
    ],
  },
  {
    number: 'S7',
    name: 'all idle: everything closed at once instead of with the wall clock',
    withinWorlds: 20,
    patches: [
      {
        file: 'finalize.ts',
        find: 'Math.min(lastEndHolding(pipeline.geometry, clock), clock + (now - seen) - pipeline.delayMs)',
        replace: 'lastEndHolding(pipeline.geometry, clock)',
      },
    ],
  },
];

/**
 * No deviation, planted always: running totals that are compacted after a few commits, in shards that keys share, and
 * swept often.
 */
export const SMALL_RUNNING: readonly Patch[] = [
  {
    file: 'running.ts',
    find: 'const LIMITS: Limits = { stepBytes: 2_000_000, compactFromBytes: 256_000 };',
    replace: 'const LIMITS: Limits = { stepBytes: 500, compactFromBytes: 200 };',
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

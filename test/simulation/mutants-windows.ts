import type { Mutant } from './mutant.ts';

/** What can be broken where windows are in event time. */
export const WINDOW_MUTANTS: readonly Mutant[] = [
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
        find: 'registryChange(pipeline, registry, { closed: target, incompleteUntil }, shape)',
        replace: '{ ...registryChange(pipeline, registry, { closed: target, incompleteUntil }, shape), when: [] }',
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

import type { Pipeline } from './pipeline.ts';
import type { Runtime } from './runtime/runtime.ts';
import * as progress from './store/progress.ts';
import type { Checkpoint } from './store/progress.ts';
import { registryAttributes, registryKey, type Incomplete, type Registry } from './store/registry.ts';
import type { Update } from './store/store.ts';
import { lastEndHolding } from './window/geometry.ts';

/** A change of a registry whatever its state, IF nobody has made another since it was read. */
export const changeRegistry = (pipeline: Pipeline, read: Registry, changes: Partial<Registry>): Update => ({
  kind: 'update',
  key: registryKey(pipeline),
  set: registryAttributes({ ...changes, version: read.version + 1 }),
  when: progress.versionIs(read.version),
});

/**
 * Closes what a retired revision holds: nothing more will be counted, so every partition is idle, and windows close up
 * to the last one that can hold data (protocol G1).
 *
 * A window that ends after a partition's watermark was not over when that partition was retired: it is marked. Every
 * step may be repeated; it goes on where a crash left it.
 *
 * @param registry as read, retired.
 * @param checkpoints read after it.
 * @returns the registry as stored; undefined when something moved meanwhile: the caller starts over.
 */
export async function closeRetired(
  pipeline: Pipeline,
  registry: Registry,
  checkpoints: readonly Checkpoint[],
  { store, log }: Runtime,
): Promise<Registry | undefined> {
  const retired: Checkpoint[] = [];
  for (const checkpoint of checkpoints) {
    const version = progress.nextVersion(checkpoint.version);
    const told = checkpoint.state === 'retired' ? checkpoint : { ...checkpoint, state: 'retired' as const, version };
    // A delivery may be counted at this moment: then it counts, and this starts over.
    if (told !== checkpoint && (await store.write(progress.putCheckpoint(pipeline, told, checkpoint))) === 'refused')
      return undefined;
    retired.push(told);
  }
  // From here on no partition moves but by this function.
  const target = lastEnd(pipeline, retired);
  if (target <= registry.closed) return registry;

  // Marks before the first raise: a raised watermark no longer says how far its partition had come.
  let current = registry;
  const news = marksOf(retired, target).filter((mark) => !registry.incomplete.some((old) => isSame(old, mark)));
  if (news.length > 0) {
    const incomplete = [...registry.incomplete, ...news];
    if ((await store.write(changeRegistry(pipeline, registry, { incomplete }))) === 'refused') return undefined;
    current = { ...registry, incomplete, version: registry.version + 1 };
  }
  for (const { partition, version, watermark } of retired) {
    if (watermark >= target) continue;
    const outcome = await store.write({
      kind: 'update',
      key: progress.checkpointKey(pipeline, partition),
      set: { watermark: target, version: progress.nextVersion(version) },
      when: [...progress.versionIs(version), { attribute: 'state', equals: 'retired' }],
    });
    if (outcome === 'refused') return undefined;
  }
  if ((await store.write(changeRegistry(pipeline, current, { closed: target }))) === 'refused') return undefined;
  log.info('retired revision closed', { pipeline: pipeline.id });
  return { ...current, closed: target, version: current.version + 1 };
}

const clockOf = (checkpoints: readonly Checkpoint[]): number =>
  Math.max(progress.NEVER, ...checkpoints.map(({ clock }) => clock));

/** The end of the last window that can hold data; `NEVER` when none does, or when it never ends. */
function lastEnd(pipeline: Pipeline, checkpoints: readonly Checkpoint[]): number {
  const clock = clockOf(checkpoints);
  return pipeline.running || clock === progress.NEVER ? progress.NEVER : lastEndHolding(pipeline.geometry, clock);
}

/** Windows that were not over when the revision was retired, and those that unexplained gaps may have touched. */
function marksOf(retired: readonly Checkpoint[], target: number): Incomplete[] {
  const upTo = clockOf(retired);
  const behind = retired.filter(({ watermark }) => watermark < target);
  const marks = behind.flatMap(({ partition, gaps }) =>
    gaps
      .filter(({ kind }) => kind === 'unclassified')
      .map(({ from, to, watermark }) => ({
        after: watermark,
        upTo,
        reason: `partition ${partition}, offsets ${from} to ${to - 1}: never delivered`,
      })),
  );
  if (behind.length === 0) return marks;
  const after = Math.min(...behind.map(({ watermark }) => watermark));
  return [...marks, { after, upTo, reason: 'the revision was retired before the window was over' }];
}

/** After a crash some partitions are raised already: the first mark had all of them, so the reason tells, not `after`. */
const isSame = (a: Incomplete, b: Incomplete): boolean => a.reason === b.reason && a.upTo === b.upTo;

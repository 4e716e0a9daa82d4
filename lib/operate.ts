import { latestLost } from './evidence.ts';
import { describe, type Pipeline } from './pipeline.ts';
import { TidemarkError } from './runtime/error.ts';
import { retrying, type Retry } from './runtime/retry.ts';
import type { Runtime } from './runtime/runtime.ts';
import { readAll } from './store/drain.ts';
import * as progress from './store/progress.ts';
import type { Checkpoint, Gap } from './store/progress.ts';
import {
  checkFingerprint,
  readRegistry,
  registryChange,
  registryKey,
  type Incomplete,
  type Registry,
} from './store/registry.ts';

/** Where one partition stands, with what it shares. */
export interface Position {
  readonly registry: Registry;
  readonly checkpoint: Checkpoint;
}

/**
 * Reads what a decision about a partition depends on.
 *
 * @throws BAD_ARGUMENTS when it has not joined, or its revision is retired; FINGERPRINT_DIFFERS.
 */
export async function positionOf(
  pipeline: Pipeline,
  partition: number,
  { store }: Runtime,
  retry: Retry,
): Promise<Position> {
  const keys = [registryKey(pipeline), progress.checkpointKey(pipeline, partition)];
  const items = await readAll(store, keys, retry);
  const [stored, found] = ['registry', 'checkpoint'].map((sort) => items.find((item) => item['sk'] === sort));
  const registry = stored && readRegistry(stored);
  if (registry) checkFingerprint(pipeline, registry, describe(pipeline).shape);
  if (!registry || !found) {
    const joined = registry?.partitions.join(', ') || 'none';
    throw refused(`${pipeline.id} has no partition ${partition} yet; joined: ${joined}`);
  }
  const checkpoint = progress.readCheckpoint(found);
  if (checkpoint.state === 'retired') throw refused(`${pipeline.id} is retired: nothing of it is counted`);
  return { registry, checkpoint };
}

const refused = (message: string): TidemarkError => new TidemarkError('BAD_ARGUMENTS', message);

/**
 * Passes over the records from where a partition stands up to an offset, by a person's decision (protocol G3).
 *
 * The range is stored in the checkpoint, counted as skipped, and marks the windows it may have belonged to: those that
 * end after the partition's watermark and begin before the latest event time such records can have.
 *
 * @param to the first offset that is counted again.
 * @param end one past the last offset of the log; undefined when nobody could be asked.
 * @returns the range, as stored.
 * @throws BAD_ARGUMENTS when there is nothing to skip up to there.
 */
export async function skip(
  pipeline: Pipeline,
  partition: number,
  to: number,
  reason: string,
  end: number | undefined,
  runtime: Runtime,
  retry: Retry,
): Promise<Gap> {
  return await retrying(`skip ${pipeline.id} partition ${partition}`, retry, async () => {
    const position = await positionOf(pipeline, partition, runtime, retry);
    const { checkpoint } = position;
    const done = checkpoint.gaps.find((gap) => gap.kind === 'skipped' && gap.to === to && gap.reason === reason);
    if (done) return done; // by a try whose answer was lost
    const next = skipFrom(checkpoint, to, end);
    const { watermark, counters } = checkpoint;

    const skipped = { ...progress.NO_COUNTERS, records: to - next, skipped: to - next };
    const gap: Gap = { from: next, to, kind: 'skipped', watermark, reason };
    const moved: Checkpoint = {
      ...checkpoint,
      next: to,
      gaps: [...checkpoint.gaps, gap],
      counters: progress.addCounters(counters, skipped),
      committedAt: runtime.clock.now(),
      version: progress.nextVersion(checkpoint.version),
    };
    const mark: Incomplete = {
      after: watermark,
      upTo: latestLost(pipeline, checkpoint, runtime),
      reason: `partition ${partition}, offsets ${next} to ${to - 1}: skipped: ${reason}`,
    };
    const outcome = await decide(pipeline, position, moved, [mark], runtime);
    return outcome === 'done' ? gap : undefined;
  });
}

/**
 * Where a skip begins.
 *
 * @throws BAD_ARGUMENTS when there is nothing to skip up to `to`.
 */
export function skipFrom({ partition, next, from }: Checkpoint, to: number, end: number | undefined): number {
  if (next === undefined || from === undefined)
    throw refused(`partition ${partition} has counted nothing yet; npx tidemark reset says where it begins`);
  if (to <= next)
    throw refused(`--to is ${to}; partition ${partition} has gone on to offset ${next}: expected a later one`);
  if (end !== undefined && to > end) throw refused(`--to is ${to}; the log of partition ${partition} ends at ${end}`);
  return next;
}

/** Where counting begins after a reset: at the first delivery, wherever that is, or at an offset. */
export type Start = 'first delivery' | number;

/**
 * Begins a partition anew, as after its topic was recreated (protocol G2).
 *
 * A new incarnation, so that no commit under way fits; the commit counter goes on, so that no segment is numbered twice.
 * The watermark stays, so nothing final changes. Windows that records nobody will count may have belonged to are marked.
 *
 * @param force also when the partition is not stopped: if it is still the same log, records may count twice.
 * @throws BAD_ARGUMENTS for a partition that is not stopped, without `force`.
 */
export async function reset(
  pipeline: Pipeline,
  partition: number,
  start: Start,
  force: boolean,
  runtime: Runtime,
  retry: Retry,
): Promise<Checkpoint> {
  const incarnation = progress.newIncarnation(runtime.random);
  const first = start === 'first delivery' ? undefined : start;
  return await retrying(`reset ${pipeline.id} partition ${partition}`, retry, async () => {
    const position = await positionOf(pipeline, partition, runtime, retry);
    const { checkpoint } = position;
    const { state, next, from, watermark, gaps, version } = checkpoint;
    if (state === 'active' && from === first && next === first) return checkpoint; // begins there already
    checkReset(checkpoint, force);
    const now = runtime.clock.now();
    const anew: Checkpoint = {
      ...checkpoint,
      version: `${incarnation}:${Number(progress.commitsOf(version)) + 1}`,
      state: 'active',
      reason: undefined,
      from: first,
      fromTimestamp: undefined,
      next: first,
      seen: now,
      committedAt: now,
      maxTimestamp: progress.NEVER,
      last: undefined,
      gaps: [],
    };
    const reach = Math.min(
      watermark,
      ...gaps.filter(({ kind }) => kind === 'unclassified').map((gap) => gap.watermark),
    );
    const isLossless = first !== undefined && first === next && reach === watermark;
    const mark: Incomplete = {
      after: reach,
      upTo: latestLost(pipeline, checkpoint, runtime),
      reason: `partition ${partition} was reset at offset ${next ?? 'none'}: what followed there may not have been counted`,
    };
    const marks = isLossless ? [] : [mark];
    return (await decide(pipeline, position, anew, marks, runtime)) === 'done' ? anew : undefined;
  });
}

/** @throws BAD_ARGUMENTS for a partition that would count twice what it has counted, unless that is what is wanted. */
export function checkReset({ partition, state, from }: Checkpoint, force: boolean): void {
  if (state === 'stopped' || from === undefined || force) return;
  throw refused(
    `partition ${partition} is not stopped: what it has counted may count twice; npx tidemark skip passes over records, --force resets it all the same`,
  );
}

/** One transaction: the decision and its consequences are stored together, IF nothing moved since they were read. */
async function decide(
  pipeline: Pipeline,
  { registry, checkpoint }: Position,
  decided: Checkpoint,
  marks: readonly Incomplete[],
  runtime: Runtime,
): Promise<'done' | 'refused'> {
  // Marks that no window to come can meet have done their work.
  const kept = registry.incomplete.filter(({ upTo }) => upTo + pipeline.geometry.maxSizeMs > registry.emitted);
  return await runtime.store.transact([
    progress.putCheckpoint(pipeline, decided, checkpoint),
    registryChange(pipeline, registry, { incomplete: [...kept, ...marks] }, describe(pipeline).shape),
  ]);
}

import { compact } from './compaction.ts';
import type { Pipeline, Running } from './pipeline.ts';
import { retrying, type Retry } from './runtime/retry.ts';
import type { Runtime } from './runtime/runtime.ts';
import { REPORTED_ROWS } from './sink/report.ts';
import { readAll } from './store/drain.ts';
import * as progress from './store/progress.ts';
import { incompleteReason, type Registry } from './store/registry.ts';
import { rowOf } from './store/results.ts';
import { foldDeltas, isSameHeads, readHeads, type Folded, type Head } from './store/running.ts';
import { mergeInto, type Partials } from './store/segment.ts';
import {
  commitsIn,
  emptySnapshot,
  fitting,
  overAllTime,
  partitionsIn,
  putSnapshot,
  readSnapshot,
  snapshotKey,
  versionsOf,
  type Snapshot,
} from './store/snapshot.ts';
import { isTriggerDue } from './time/trigger.ts';
import { allTotals, changedTotals } from './totals.ts';

/** How much is done at once. */
export interface Limits {
  /** Bytes of new deltas that one step takes into memory, of all partitions, and one compaction: some 150,000 keys. */
  readonly stepBytes: number;
  /** Bytes of deltas of a partition that are worth a compaction: every refresh reads those that are not compacted. */
  readonly compactFromBytes: number;
}

const LIMITS: Limits = { stepBytes: 2_000_000, compactFromBytes: 256_000 };

/**
 * Refreshes the snapshot of a running window, at most once per trigger and only if something was counted.
 *
 * It costs by what changed: the totals of the keys in new deltas are read, and the best rows are the best of those and
 * of the rows before. Deltas are compacted only as far as a snapshot shows them, so the next one knows what is new.
 */
export async function refreshRunning(
  pipeline: Pipeline,
  registry: Registry,
  runtime: Runtime,
  retry: Retry,
  limits = LIMITS,
): Promise<void> {
  const { running } = pipeline;
  if (!running) return;
  const [stored] = await readAll(runtime.store, [snapshotKey(pipeline, running)], retry);
  const last = stored ? readSnapshot(stored, pipeline).refreshedAt : progress.NEVER;
  if (!isTriggerDue(last, runtime.clock.now(), running.triggerMs)) return;
  let isAll = false;
  // A backlog takes several steps; the next invocation goes on where the time ran out.
  while (!isAll && runtime.clock.monotonic() < retry.deadline) {
    const shown = await retrying(`refresh ${pipeline.id}`, retry, () =>
      step(pipeline, running, registry, runtime, retry, limits),
    );
    // Only now, when the memory that the step took is free again.
    for (const [partition, { to, bytes }] of shown.folded) {
      if (bytes >= limits.compactFromBytes) await compact(pipeline, partition, to, runtime, retry, limits.stepBytes);
    }
    ({ isAll } = shown);
  }
}

/** What a step came to. */
interface Step {
  /** How far the snapshot that it put shows each partition; none when it put none. */
  readonly folded: ReadonlyMap<number, Folded>;
  /** Whether that is all there was. */
  readonly isAll: boolean;
}

/** Nothing is new, or another finalize has shown it. */
const NOTHING: Step = { folded: new Map(), isAll: true };

/** @returns undefined when a compaction came in between: start over. */
async function step(
  pipeline: Pipeline,
  running: Running,
  registry: Registry,
  runtime: Runtime,
  retry: Retry,
  limits: Limits,
): Promise<Step | undefined> {
  const { store, clock } = runtime;
  const { partitions } = registry;
  const heads = await readHeads(pipeline, partitions, store, retry);
  // Only after the heads: compaction goes no further than a stored snapshot, so this one shows all they have compacted,
  // unless somebody deleted the one before.
  const [stored] = await readAll(store, [snapshotKey(pipeline, running)], retry);
  const before = stored ? readSnapshot(stored, pipeline) : emptySnapshot(pipeline);
  // Partitions have joined since the registry was read: whoever has shown them has shown more than this one would.
  if (partitionsIn(before).some((partition) => !partitions.includes(partition))) return NOTHING;
  const isKnown = [...heads].every(([partition, { upTo }]) => upTo <= commitsIn(before, partition));
  const commits = await readCommits(pipeline, partitions, runtime, retry);
  if (isKnown && partitions.every((partition) => commits.get(partition) === commitsIn(before, partition)))
    return NOTHING;

  const { earlier, changed, folded } = await readDeltas(pipeline, heads, before, commits, runtime, retry, limits);
  const isAll = partitions.every((partition) => folded.get(partition)?.to === commits.get(partition));
  if (isKnown && isAll && changed.size === 0) return NOTHING;
  const { top } = running;
  const result =
    (isKnown && (await changedTotals(pipeline, heads, before, earlier, changed, top, store, retry))) ||
    (await allTotals(pipeline, heads, together(pipeline, earlier, changed), top, store, retry));
  // Bases and deltas were read while others may have compacted and collected them.
  if (!result || !(await isSameHeads(pipeline, heads, store, retry))) return undefined;

  const { keys, totals } = result;
  const rows = fitting(result.best.map(({ row }) => row()));
  const incomplete = incompleteReason(registry, overAllTime(running.name));
  const versions = versionsOf([...folded].map(([partition, { to }]) => [partition, to]));
  const snapshot: Snapshot = { rows, keys, totals, versions, refreshedAt: clock.now() };
  // Refused: another finalize saw more, or the same, and has shown it.
  if ((await store.write(putSnapshot(pipeline, running, snapshot, incomplete, stored))) === 'refused') return NOTHING;
  if (!isAll) return { folded, isAll };
  runtime.report({
    ...overAllTime(running.name),
    pipeline: pipeline.name,
    window: running.name,
    status: 'open',
    emit: 'update',
    watermark: progress.NEVER,
    keys,
    totals: rowOf(pipeline, undefined, totals),
    rows: rows.slice(0, REPORTED_ROWS),
    columns: [...pipeline.groupBy, ...pipeline.columns],
    incomplete,
  });
  return { folded, isAll };
}

/** How often each partition has committed. */
async function readCommits(
  pipeline: Pipeline,
  partitions: readonly number[],
  runtime: Runtime,
  retry: Retry,
): Promise<Map<number, number>> {
  const keys = partitions.map((partition) => progress.checkpointKey(pipeline, partition));
  const commits = new Map(partitions.map((partition) => [partition, 0]));
  for (const item of await readAll(runtime.store, keys, retry)) {
    const { partition, version } = progress.readCheckpoint(item);
    commits.set(partition, Number(progress.commitsOf(version)));
  }
  return commits;
}

interface Deltas {
  /** What the snapshot shows already. */
  readonly earlier: Partials;
  /** What it does not. */
  readonly changed: Partials;
  /** How far each partition was read, and the bytes since its last compaction. */
  readonly folded: ReadonlyMap<number, Folded>;
}

/** The deltas of every partition since its last compaction, as many as one step takes. */
async function readDeltas(
  pipeline: Pipeline,
  heads: ReadonlyMap<number, Head>,
  before: Snapshot,
  commits: ReadonlyMap<number, number>,
  { store }: Runtime,
  retry: Retry,
  limits: Limits,
): Promise<Deltas> {
  const earlier: Partials = new Map();
  const changed: Partials = new Map();
  const folded = new Map<number, Folded>();
  let budgetBytes = limits.stepBytes;
  for (const [partition, { upTo }] of heads) {
    const to = commits.get(partition) ?? 0;
    const shown = Math.max(upTo, commitsIn(before, partition));
    const old = await foldDeltas(pipeline, partition, upTo, shown, earlier, store, retry);
    const fresh = await foldDeltas(pipeline, partition, shown, to, changed, store, retry, budgetBytes);
    budgetBytes -= fresh.bytes;
    folded.set(partition, { to: fresh.to, bytes: old.bytes + fresh.bytes });
  }
  return { earlier, changed, folded };
}

/** Both in one. */
function together({ accumulators }: Pipeline, a: Partials, b: Partials): Partials {
  const both: Partials = new Map(a);
  for (const [key, states] of b) mergeInto(both, key, states, accumulators);
  return both;
}

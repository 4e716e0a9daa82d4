import type { Pipeline } from './pipeline.ts';
import { placed, placedRow, comparePlaced, ranking, type Placed } from './ranking.ts';
import { inParallel, type Retry } from './runtime/retry.ts';
import { totalsOf } from './store/merge.ts';
import { namedShards, readBases, type Head } from './store/running.ts';
import type { Row } from './store/results.ts';
import { decodePartials, mergeInto, partialsOf, type Partials, type States } from './store/segment.ts';
import { SHARDS, shardOf } from './store/shard.ts';
import { MAX_READ_KEYS, type Store } from './store/store.ts';

/** The first groups in rank order, how many groups there are, and each aggregate over all of them. */
export interface Totals {
  readonly best: readonly Placed[];
  readonly keys: number;
  readonly totals: States;
}

/** Groups of shards that are read at once. */
const PARALLEL_GROUPS = 2;

/**
 * Runs over shards in groups, a few groups at once, so that memory holds a few hundred shards whatever exists.
 *
 * @throws what the first failing group threw, when all have ended.
 */
export async function inGroups(
  shards: readonly number[],
  size: number,
  run: (group: readonly number[]) => Promise<void>,
): Promise<void> {
  const groups = Array.from({ length: Math.ceil(shards.length / size) }, (_, i) =>
    shards.slice(i * size, (i + 1) * size),
  );
  const outcomes = await inParallel(
    groups.map((group) => () => run(group)),
    PARALLEL_GROUPS,
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

/**
 * The bases of shards, merged over all partitions, group by group in no order.
 *
 * @param take what to do with a group: its shards, and the base totals of all their keys.
 * @returns false when a base was replaced meanwhile: nothing taken counts, start over from the heads.
 */
export async function eachBase(
  pipeline: Pipeline,
  heads: ReadonlyMap<number, Head>,
  shards: readonly number[],
  store: Store,
  retry: Retry,
  take: (group: readonly number[], base: Partials) => void,
): Promise<boolean> {
  let isComplete = true;
  await inGroups(shards, Math.max(1, Math.floor(MAX_READ_KEYS / heads.size)), async (group) => {
    const items = isComplete ? await readBases(pipeline, namedShards(heads, group), store, retry) : undefined;
    if (!items) {
      isComplete = false;
      return;
    }
    const base: Partials = new Map();
    for (const item of items) decodePartials(partialsOf(item), pipeline.accumulators, base);
    take(group, base);
  });
  return isComplete;
}

/** The keys of partials by shard. */
export function keysByShard(partials: Partials): Map<number, string[]> {
  const groups = new Map<number, string[]>();
  for (const key of partials.keys()) {
    const shard = shardOf(key);
    const group = groups.get(shard);
    if (group) group.push(key);
    else groups.set(shard, [key]);
  }
  return groups;
}

/**
 * The totals of every group, of which the best are kept.
 *
 * @param deltas what goes on top of the bases.
 * @returns undefined when a base was replaced meanwhile.
 */
export async function allTotals(
  pipeline: Pipeline,
  heads: ReadonlyMap<number, Head>,
  deltas: Partials,
  limit: number,
  store: Store,
  retry: Retry,
): Promise<Totals | undefined> {
  const best = ranking(limit);
  const touched = keysByShard(deltas);
  let keys = 0;
  let totals = totalsOf(pipeline, NONE);
  const shards = Array.from({ length: SHARDS }, (_, shard) => shard);
  const isRead = await eachBase(pipeline, heads, shards, store, retry, (group, base) => {
    for (const shard of group) {
      for (const key of touched.get(shard) ?? []) mergeInto(base, key, deltas.get(key) ?? [], pipeline.accumulators);
    }
    keys += base.size;
    totals = merged(pipeline, totals, totalsOf(pipeline, base));
    for (const [key, states] of base) best.add(placed(pipeline, key, states));
  });
  return isRead ? { best: best.first(), keys, totals } : undefined;
}

/** What a snapshot shows. */
export interface Shown {
  readonly rows: readonly Row[];
  readonly keys: number;
  readonly totals: States;
}

/**
 * The totals after a change, from those before and the changed groups alone.
 *
 * A group that is neither changed nor among the rows before stood behind the last of them. So the best of those rows and
 * of the changed groups are the best of all, unless they reach further back than that row: a total may fall.
 *
 * @param earlier deltas that `before` shows and no base holds.
 * @param changed deltas that `before` does not show.
 * @returns undefined when the rows cannot be told this way, or a base was replaced meanwhile.
 */
export async function changedTotals(
  pipeline: Pipeline,
  heads: ReadonlyMap<number, Head>,
  before: Shown,
  earlier: Partials,
  changed: Partials,
  limit: number,
  store: Store,
  retry: Retry,
): Promise<Totals | undefined> {
  const { accumulators } = pipeline;
  const best = ranking(limit);
  const rows = before.rows.map((row) => placedRow(pipeline, row));
  for (const row of rows) if (!changed.has(row.key)) best.add(row);
  const touched = keysByShard(changed);
  let { keys } = before;
  const isRead = await eachBase(pipeline, heads, [...touched.keys()], store, retry, (group, base) => {
    for (const shard of group) {
      for (const key of touched.get(shard) ?? []) {
        const known = earlier.get(key);
        if (!known && !base.has(key)) keys++;
        if (known) mergeInto(base, key, known, accumulators);
        mergeInto(base, key, changed.get(key) ?? [], accumulators);
        best.add(placed(pipeline, key, base.get(key) ?? []));
      }
    }
  });
  const first = best.first();
  const [bar, last] = [rows[limit - 1], first[limit - 1]];
  const isExact = before.keys <= rows.length || (bar && last && comparePlaced(last, bar) <= 0);
  if (!isRead || !isExact) return undefined;
  return { best: first, keys, totals: merged(pipeline, before.totals, totalsOf(pipeline, changed)) };
}

const NONE: Partials = new Map();

/** The states of one group from two. */
export const merged = ({ accumulators }: Pipeline, a: States, b: States): States =>
  accumulators.map(({ merge }, i) => merge(a[i] ?? null, b[i] ?? null));

import type { Pipeline, Running } from './pipeline.ts';
import type { RankedRow, Selection, WindowResult } from './query.ts';
import { checkpointsOf, registryOf, type Reader } from './reader.ts';
import { retrying } from './runtime/retry.ts';
import { readAll } from './store/drain.ts';
import { commitsOf, NEVER } from './store/progress.ts';
import { incompleteReason, type Registry } from './store/registry.ts';
import { rowOf, type Row } from './store/results.ts';
import { foldDeltas, isSameHeads, readHeads, type Head } from './store/running.ts';
import { encodeKey, type Partials } from './store/segment.ts';
import { shardOf } from './store/shard.ts';
import { emptySnapshot, overAllTime, readSnapshot, snapshotKey, type Snapshot } from './store/snapshot.ts';
import { allTotals, eachBase, merged } from './totals.ts';

/**
 * STORY 3 for running totals: as last refreshed, or merged exactly at this moment.
 *
 * One whole group is read directly, from its shard and the deltas; its rank is then unknown.
 *
 * @param isExact all groups, merged at this moment, in memory that grows with `limit` and with what is not compacted.
 * @returns undefined when nothing was counted, or nothing is refreshed yet.
 */
export async function runningTotals(
  reader: Reader,
  pipeline: Pipeline,
  running: Running,
  isExact: boolean,
  selection: Selection,
): Promise<WindowResult | undefined> {
  const registry = await registryOf(reader, pipeline);
  if (!registry) return undefined;
  const { key, limit = Number.POSITIVE_INFINITY } = selection;
  if (key && pipeline.groupBy.every((column) => column in key)) return await oneGroup(reader, pipeline, registry, key);
  if (isExact || key) return await everyGroup(reader, pipeline, registry, limit, key);
  const snapshot = await lastRefreshed(reader, pipeline, running);
  if (!snapshot) return undefined;
  const rows = snapshot.rows.slice(0, limit).map((row, i) => ({ rank: i + 1, row }));
  return resultOf(pipeline, registry, snapshot, rows);
}

/** The stored snapshot. */
export async function lastRefreshed(
  { store, retry }: Reader,
  pipeline: Pipeline,
  running: Running,
): Promise<Snapshot | undefined> {
  const [item] = await readAll(store, [snapshotKey(pipeline, running)], retry);
  return item && readSnapshot(item, pipeline);
}

const resultOf = (
  pipeline: Pipeline,
  registry: Registry,
  { keys, totals }: Pick<Snapshot, 'keys' | 'totals'>,
  rows: readonly RankedRow[],
): WindowResult => ({
  window: overAllTime(pipeline.running?.name ?? ''),
  status: 'open',
  watermark: NEVER,
  keys,
  totals: rowOf(pipeline, undefined, totals),
  rows,
  incomplete: incompleteReason(registry, overAllTime(pipeline.running?.name ?? '')),
});

async function everyGroup(
  reader: Reader,
  pipeline: Pipeline,
  registry: Registry,
  limit: number,
  key: Selection['key'] = {},
): Promise<WindowResult> {
  const { store, retry } = reader;
  const isSelected = (row: Row) => Object.entries(key).every(([column, value]) => (row[column] ?? null) === value);
  const isFiltered = Object.keys(key).length > 0;
  return await atOneMoment(reader, pipeline, registry, async (heads, deltas) => {
    const all = await allTotals(pipeline, heads, deltas, isFiltered ? Number.POSITIVE_INFINITY : limit, store, retry);
    const rows = all?.best.map(({ row }, i) => ({ rank: i + 1, row: row() })).filter(({ row }) => isSelected(row));
    return all && resultOf(pipeline, registry, all, (rows ?? []).slice(0, limit));
  });
}

async function oneGroup(
  reader: Reader,
  pipeline: Pipeline,
  registry: Registry,
  columns: NonNullable<Selection['key']>,
): Promise<WindowResult> {
  const key = encodeKey(pipeline.groupBy.map((column) => columns[column] ?? null));
  const row = await atOneMoment(reader, pipeline, registry, async (heads, deltas) => {
    let found = deltas.get(key);
    const isRead = await eachBase(pipeline, heads, [shardOf(key)], reader.store, reader.retry, (_, base) => {
      const known = base.get(key);
      if (known) found = found ? merged(pipeline, known, found) : known;
    });
    return isRead ? { found } : undefined;
  });
  const snapshot = pipeline.running && (await lastRefreshed(reader, pipeline, pipeline.running));
  const rows = row.found ? [{ rank: undefined, row: rowOf(pipeline, key, row.found) }] : [];
  return resultOf(pipeline, registry, snapshot ?? emptySnapshot(pipeline), rows);
}

/**
 * Reads heads, deltas and then bases as of one moment (protocol E4): until no compaction came in between.
 *
 * @param read returns undefined when a base was replaced meanwhile.
 */
async function atOneMoment<T>(
  reader: Reader,
  pipeline: Pipeline,
  registry: Registry,
  read: (heads: ReadonlyMap<number, Head>, deltas: Partials) => Promise<T | undefined>,
): Promise<T> {
  const { store, retry } = reader;
  return await retrying(`totals of ${pipeline.id}`, retry, async () => {
    const heads = await readHeads(pipeline, registry.partitions, store, retry);
    const deltas: Partials = new Map();
    for (const { partition, version } of await checkpointsOf(reader, pipeline, registry)) {
      const upTo = heads.get(partition)?.upTo ?? 0;
      await foldDeltas(pipeline, partition, upTo, Number(commitsOf(version)), deltas, store, retry);
    }
    const found = await read(heads, deltas);
    return (await isSameHeads(pipeline, heads, store, retry)) ? found : undefined;
  });
}

import { DuckDBInstance } from '@duckdb/node-api';
import { pipelines } from '../../lib/pipelines/index.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { runningTotals } from '../../lib/running-query.ts';
import { pagesOf } from '../../lib/store/drain.ts';
import type { Item, Store, Table } from '../../lib/store/store.ts';
import type { ExpectedRow } from './brute-force.ts';

/** What a run has left behind, as a test compares it. */
export type Stored = ReturnType<typeof stored>;

/** Readers of tables that hold what pipelines of this application, all of revision 1, have made. */
export function stored(store: Store) {
  const retry = { clock: systemClock, random: () => 0, deadline: Number.POSITIVE_INFINITY };
  const items = async (table: Table, partition: string): Promise<Item[]> => {
    const all: Item[] = [];
    for await (const page of pagesOf(store, { table, partition }, retry)) all.push(...page);
    return all;
  };
  const ofPartitions = async (table: Table, pipeline: string, partitions: number): Promise<Item[][]> =>
    Promise.all(Array.from({ length: partitions }, (_, partition) => items(table, `${pipeline}@1#p${partition}`)));

  return {
    items,
    /** Checkpoints by partition. */
    checkpoints: async (pipeline: string, partitions: number): Promise<Item[]> =>
      (await ofPartitions('progress', pipeline, partitions)).flat(),

    /** Records kept as late or rejected, `partition:offset`. */
    async kept(pipeline: string, partitions: number): Promise<Record<'late' | 'rejected', string[]>> {
      const kept = { late: [] as string[], rejected: [] as string[] };
      for (const [partition, found] of (await ofPartitions('buckets', pipeline, partitions)).entries()) {
        for (const { sk, entries } of found) {
          const [kind] = String(sk).split('#');
          if (kind !== 'late' && kind !== 'rejected') continue;
          kept[kind].push(...(entries as { offset: number }[]).map(({ offset }) => `${partition}:${offset}`));
        }
      }
      return kept;
    },

    /** Final windows, `1m 2026-01-08T18:58:00.000Z`, or all running totals, to rows in order of rank, as text. */
    async windows(name: string): Promise<Map<string, ExpectedRow[]>> {
      const pipeline = pipelines.find((candidate) => candidate.name === name);
      if (!pipeline) throw new Error(`no pipeline is named ${name}`);
      const rowOf = (row: Item): ExpectedRow => [
        (row[pipeline.groupBy[0] ?? ''] as string | undefined) ?? null,
        ...pipeline.columns.map((column) => String(row[column])),
      ];
      const windows = new Map<string, ExpectedRow[]>();
      if (pipeline.running) {
        const totals = await runningTotals({ store, retry }, pipeline, pipeline.running, true, {});
        windows.set(pipeline.running.name, totals?.rows.map(({ row }) => rowOf(row)) ?? []);
      }
      for (const kind of pipeline.geometry.kinds.keys()) {
        for (const { row_id, key_count } of await items('results', `${name}@1/${kind}`)) {
          const rows = await items('results', `${name}@1/${kind}/${String(row_id)}`);
          if (rows.length !== key_count)
            throw new Error(`${kind} ${String(row_id)}: ${rows.length} of ${String(key_count)} rows`);
          windows.set(`${kind} ${String(row_id)}`, rows.map(rowOf));
        }
      }
      return windows;
    },
  };
}

/** All rows of Parquet files, read by DuckDB: `partition:offset`, then the declared columns as text. */
export async function parquetRows(glob: string): Promise<string[][]> {
  const connection = await (await DuckDBInstance.create()).connect();
  const found = await connection.runAndReadAll(
    `SELECT "partition" || ':' || "offset", COLUMNS(* EXCLUDE (topic, "partition", "offset"))::VARCHAR FROM read_parquet('${glob}')`,
  );
  connection.closeSync();
  return found.getRows().map((row) => row.map(String));
}

import { join } from 'node:path';
import type { Item } from '../../lib/store/store.ts';
import { parquetRows, type Stored } from '../support/stored.ts';
import type { Answer } from './answer.ts';

/** What was compared, and what was otherwise than the answer. */
export interface Comparison {
  readonly windows: number;
  readonly rows: number;
  readonly late: number;
  readonly rejected: number;
  readonly counted: number;
  readonly discrepancies: readonly string[];
}

/** Compares all that a pipeline has stored, down to each row, with what its topic must come to. */
export async function compare(answer: Answer, tables: Stored, sink: string): Promise<Comparison> {
  const { stream, expected, sideOutput, ends } = answer;
  const { pipeline, partitions } = stream;
  const discrepancies: string[] = [];
  const same = (what: string, found: unknown, wanted: unknown): void => {
    const [f, w] = [JSON.stringify(found) ?? 'nothing', JSON.stringify(wanted) ?? 'nothing'];
    if (f !== w) discrepancies.push(`${pipeline}: ${what}: found ${f.slice(0, 300)}, expected ${w.slice(0, 300)}`);
  };
  const sameNames = (what: string, found: readonly string[], wanted: readonly string[]): void => {
    const [f, w] = [new Set(found), new Set(wanted)];
    same(
      `${what}, missing`,
      wanted.filter((name) => !f.has(name)),
      [],
    );
    same(
      `${what}, too many`,
      found.filter((name) => !w.has(name)),
      [],
    );
    same(`${what}, how many`, found.length, wanted.length);
  };

  const windows = await tables.windows(pipeline);
  sameNames('windows', [...windows.keys()], [...expected.windows.keys()]);
  for (const [id, rows] of expected.windows) same(id, windows.get(id), rows);
  const kinds = new Set([...windows.keys()].map((id) => id.split(' ')[0] ?? ''));
  for (const kind of kinds)
    for (const { row_id, incomplete } of await tables.items('results', `${pipeline}@1/${kind}`))
      same(`${kind} ${String(row_id)}, incomplete`, incomplete, undefined);

  const kept = await tables.kept(pipeline, partitions);
  sameNames('late records', kept.late, expected.late);
  sameNames('rejected records', kept.rejected, expected.rejected);
  const counters = (await tables.checkpoints(pipeline, partitions)).map(
    (checkpoint: Item) => checkpoint['counters'] as Readonly<Record<string, number>>,
  );
  const sum = (name: string): number => counters.reduce((total, counter) => total + (counter[name] ?? 0), 0);
  const records = ends.reduce((total, end) => total + end, 0);
  same('records', sum('records'), records);
  same('counted', sum('counted'), expected.counted);

  if (stream.sideRow) {
    const rows = await parquetRows(join(sink, `${pipeline}@1`, '*', '*.parquet'));
    const asText = (row: readonly string[]): string => row.join('|');
    sameNames('side output', rows.map(asText), sideOutput.map(asText));
  }
  if (expected.windows.has('all')) {
    const [snapshot] = await tables.items('results', `${pipeline}@1/all/live`);
    same('snapshot, keys', snapshot?.['key_count'], expected.windows.get('all')?.length);
  }
  const rows = [...expected.windows.values()].reduce((total, found) => total + found.length, 0);
  const { late, rejected, counted } = expected;
  return {
    windows: expected.windows.size,
    rows: rows + sideOutput.length,
    late: late.length,
    rejected: rejected.length,
    counted,
    discrepancies,
  };
}

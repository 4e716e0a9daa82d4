import { parquetReadObjects } from 'hyparquet';
import { count, pipeline, tumbling, type Pipeline, type Roll } from '../../lib/index.ts';
import type { Sink } from '../../lib/sink/sink.ts';
import type { MemoryStore } from '../../lib/store/memory.ts';
import { clickSource } from './scene.ts';

/** Clicks per user, and those above 500 as rows. Files roll after three rows or a minute unless said. */
export const bigClicks = (roll: Roll = { rows: 3 }): Pipeline =>
  pipeline({
    name: 'clicks',
    revision: 1,
    source: clickSource(),
    watermark: '30 seconds',
    groupBy: ['username'],
    windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
    aggregate: { n: count() },
    orderBy: 'n',
    retain: '7 days',
    sideOutput: {
      name: 'big',
      where: (click) => (click.amount ?? 0) > 500,
      columns: { username: 'text', amount: 'decimal(2)', event_time: 'timestamp' },
      roll,
    },
  });

/** Files by name, in memory; like every sink it puts a name once. */
export function memorySink() {
  const files = new Map<string, Uint8Array>();
  const sink: Sink = {
    put: async (name, content) => {
      if (files.has(name)) return 'was there';
      files.set(name, content);
      return 'put';
    },
  };
  return {
    ...sink,
    files: files as ReadonlyMap<string, Uint8Array>,
    /** Somebody takes a file away. */
    move: (name: string) => void files.delete(name),
  };
}

export type Row = Readonly<Record<string, unknown>>;

/** The rows of every file, in the order of the files' names. */
export async function rowsIn({ files }: ReturnType<typeof memorySink>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    rows.push(...(await parquetReadObjects({ file: Uint8Array.from(content).buffer })));
  }
  return rows;
}

/** What waits in the outbox of partition 0: items by sort key, the head apart. */
export function outboxIn(store: MemoryStore): { readonly waiting: string[]; readonly head: Row | undefined } {
  const items = store.dump('buckets').filter((item) => item['pk'] === 'clicks@1#out#p0');
  return {
    waiting: items.map((item) => String(item['sk'])).filter((sort) => sort !== 'head'),
    head: items.find((item) => item['sk'] === 'head'),
  };
}

import { z } from 'zod';
import { count as counting, kafka, kafkaTimestamp, pipeline, running, sum, type Pipeline } from '../../lib/index.ts';
import { count } from '../../lib/count.ts';
import type { Running } from '../../lib/pipeline.ts';
import { registryOf } from '../../lib/reader.ts';
import { runningTotals } from '../../lib/running-query.ts';
import { refreshRunning, type Limits } from '../../lib/running.ts';
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts';
import { delivery, type TestRecord } from './records.ts';
import { testRuntime } from './runtime.ts';

const Post = z.object({ text: z.string(), amount: z.number().optional() });

/** Words of posts over all time; a word may carry an amount: `apple:2.5`. */
export const words = (
  options: { name?: string; orderBy?: 'n' | 'total'; top?: number; trigger?: '10 seconds' | '1 millisecond' } = {},
): Pipeline =>
  pipeline({
    name: options.name ?? 'words',
    revision: 1,
    source: kafka({
      topic: 'posts',
      startAt: 'earliest',
      maxBatch: 10_000,
      value: Post,
      eventTime: kafkaTimestamp,
    }).flatMap('words', ({ text }) =>
      text
        .split(/\s+/u)
        .filter((word) => word !== '')
        .map((word) => ({ word: word.split(':')[0] ?? '', amount: Number(word.split(':')[1] ?? 0) })),
    ),
    groupBy: ['word'],
    windows: { all: running({ trigger: options.trigger ?? '10 seconds', top: options.top ?? 100 }) },
    aggregate: { n: counting(), total: sum('amount', { scale: 2 }) },
    orderBy: options.orderBy ?? 'n',
    retain: '7 days',
  });

/** Posts of one partition from an offset on, a record each. */
export const posts = (partition: number, from: number, ...texts: string[]): unknown =>
  delivery('posts', {
    [partition]: texts.map((text, i): TestRecord => ({
      offset: from + i,
      timestamp: 1_700_000_000_000 + from + i,
      value: { text },
    })),
  });

/** The snapshot of the running window, if there is one. */
export function snapshotOf(store: MemoryStore, id = 'words@1'): Record<string, unknown> | undefined {
  return store.dump('results').find((item) => item['window_id'] === `${id}/all/live` && item['row_id'] === 'total');
}

/** A snapshot's rows as `{ word: n }`. */
export const rowsOf = (snapshot: Record<string, unknown> | undefined, column = 'n'): Record<string, unknown> =>
  Object.fromEntries(
    ((snapshot?.['rows'] ?? []) as readonly Record<string, unknown>[]).map((row) => [String(row['word']), row[column]]),
  );

/** Every step and every compaction after a few deltas. */
export const TINY: Limits = { stepBytes: 400, compactFromBytes: 300 };

/** Words counted and refreshed in memory, with time that a refresh pushes over the trigger. */
export function wordsWorld(
  options: Parameters<typeof words>[0] = {},
  store: MemoryStore = memoryStore(),
  declared = words(options),
) {
  const it = testRuntime({ store });
  const retry = { clock: it.runtime.clock, random: () => 0.5, deadline: Number.POSITIVE_INFINITY };
  return {
    ...it,
    store,
    declared,
    retry,
    reader: { store, retry },
    count: (event: unknown) => count(event, [declared], it.runtime),
    /** As `finalize` refreshes, but for limits. */
    refresh: async (limits = TINY, runtime = it.runtime): Promise<Record<string, unknown> | undefined> => {
      it.push(10_000);
      const registry = await registryOf({ store, retry }, declared);
      if (registry) await refreshRunning(declared, registry, runtime, retry, limits);
      return snapshotOf(store, declared.id);
    },
    /** All totals, merged at this moment. */
    exact: async () => runningTotals({ store, retry }, declared, declared.running as Running, true, {}),
  };
}

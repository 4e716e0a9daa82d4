import { z } from 'zod';
import { count, kafka, pipeline, sliding, sum, tumbling, type Pipeline } from '../../lib/index.ts';
import type { SourceOf } from '../../lib/source/source.ts';
import type { MemoryStore } from '../../lib/store/memory.ts';
import type { Duration } from '../../lib/time/duration.ts';
import type { WindowKind } from '../../lib/window/window.ts';
import { delivery, type TestRecord } from './records.ts';

export const TOPIC = 'clicks';

export const Click = z.object({
  event_time: z.string(),
  username: z.string().nullish(),
  amount: z.number().nullish(),
});
export type Click = z.infer<typeof Click>;

export const clickSource = (more: Partial<Parameters<typeof kafka<typeof Click>>[0]> = {}): SourceOf<Click> =>
  kafka({ topic: TOPIC, startAt: 'earliest', value: Click, eventTime: 'event_time', ...more });

/** Minutes, and two minutes every 30 s: few enough windows to follow on paper. Slices are 30 s long. */
export const WINDOWS: Readonly<Record<string, WindowKind>> = {
  '1m': tumbling('1 minute', { emit: 'final' }),
  '2m': sliding('2 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds' }),
};

export interface ClicksOptions {
  readonly name?: string;
  readonly revision?: number;
  readonly source?: SourceOf<Click>;
  readonly watermark?: Duration;
  readonly windows?: Readonly<Record<string, WindowKind>>;
  readonly orderBy?: 'n' | 'total';
}

/** Clicks per user: how many, and what they add up to. The watermark is 30 s behind unless said. */
export const clicks = (options: ClicksOptions = {}): Pipeline =>
  pipeline({
    name: options.name ?? 'clicks',
    revision: options.revision ?? 1,
    source: options.source ?? clickSource(),
    watermark: options.watermark ?? '30 seconds',
    groupBy: ['username'],
    windows: options.windows ?? WINDOWS,
    aggregate: { n: count(), total: sum('amount', { scale: 2 }) },
    orderBy: options.orderBy ?? 'n',
    retain: '7 days',
  });

/** An instant of the day all scenes play on: `at('19:00:00')`. */
export const at = (time: string): number => Date.parse(`2026-01-08T${time}Z`);
export const isoOf = (instant: number): string => new Date(instant).toISOString();

type Written = readonly [offset: number, user: string | null, time: string, amount?: number];

/** Records as a test likes to read them: offset, user, time of day. */
export const written = (...list: Written[]): TestRecord[] =>
  list.map(([offset, username, time, amount]) => ({
    offset,
    timestamp: at(time),
    value: { event_time: isoOf(at(time)), username, ...(amount !== undefined && { amount }) },
  }));

/** One delivery of one partition. */
export const deliver = (partition: number, ...list: Written[]): unknown =>
  delivery(TOPIC, { [partition]: written(...list) });

/** Final rows by window: `{ '1m 18:58:00': { alice: 2 } }`; the null user is `null`. Only windows under a directory item. */
export function finals(store: MemoryStore, column = 'n'): Record<string, Record<string, unknown>> {
  const found: Record<string, Record<string, unknown>> = {};
  const items = store.dump('results');
  for (const item of items) {
    if (item['row_count'] === undefined) continue;
    const [, name = ''] = String(item['window_id']).split('/');
    const rows = items.filter(
      (row) =>
        /^\d{9}$/.test(String(row['row_id'])) &&
        String(row['window_id']).split('~')[0] === `${String(item['window_id'])}/${String(item['row_id'])}`,
    );
    found[`${name} ${String(item['row_id']).slice(11, 19)}`] = Object.fromEntries(
      rows.map((row) => [String(row['username'] ?? null), row[column]]),
    );
  }
  return found;
}

/** Directory items by window: `1m 18:58:00`. */
export const directory = (store: MemoryStore): Record<string, Record<string, unknown>> =>
  Object.fromEntries(
    store
      .dump('results')
      .filter((item) => item['row_count'] !== undefined)
      .map((item) => [
        `${String(item['window_id']).split('/')[1]} ${String(item['row_id']).slice(11, 19)}`,
        item as Record<string, unknown>,
      ]),
  );

export const checkpointOf = (store: MemoryStore, partition = 0, id = 'clicks@1'): Record<string, unknown> =>
  store.dump('progress').find((item) => item['pk'] === `${id}#p${partition}`) ?? {};

export const registryOf = (store: MemoryStore, id = 'clicks@1'): Record<string, unknown> =>
  store.dump('progress').find((item) => item['pk'] === id) ?? {};

/** What is kept of one kind, in order. */
export const keptOf = (store: MemoryStore, kind: 'late' | 'rejected'): Record<string, unknown>[] =>
  store
    .dump('buckets')
    .filter((item) => String(item['sk']).startsWith(`${kind}#`))
    .flatMap((item) => item['entries'] as unknown as Record<string, unknown>[]);

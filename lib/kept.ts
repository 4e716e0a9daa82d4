import type { Pipeline } from './pipeline.ts';
import { registryOf, type Reader } from './reader.ts';
import type { Kept } from './store/draft.ts';
import { pagesOf } from './store/drain.ts';
import { partitionOf } from './store/progress.ts';

/** A record that was kept instead of counted, and where it is in Kafka. */
export interface KeptRecord {
  readonly partition: number;
  readonly offset: number;
  /** Kafka timestamp in ms; -1 when the record has none. */
  readonly timestamp: number;
  readonly reason: string;
  /** As it was kept: the value of a rejection; time, watermark, missed windows and groups of a late event. */
  readonly details: Readonly<Record<string, Kept[string]>>;
}

/**
 * What was kept of one kind, newest first by Kafka timestamp.
 *
 * @param limit at most so many, and so many are read per partition.
 */
export async function keptRecords(
  reader: Reader,
  pipeline: Pipeline,
  kind: 'rejected' | 'late',
  limit: number,
): Promise<KeptRecord[]> {
  const registry = await registryOf(reader, pipeline);
  const records: KeptRecord[] = [];
  for (const partition of registry?.partitions ?? []) {
    records.push(...(await keptOf(reader, pipeline, partition, kind, limit)));
  }
  return records
    .sort((a, b) => b.timestamp - a.timestamp || a.partition - b.partition || b.offset - a.offset)
    .slice(0, limit);
}

async function keptOf(
  { store, retry }: Reader,
  pipeline: Pipeline,
  partition: number,
  kind: 'rejected' | 'late',
  limit: number,
): Promise<KeptRecord[]> {
  const query = {
    table: 'buckets',
    partition: partitionOf(pipeline, partition),
    from: `${kind}#`,
    to: `${kind}#~`,
    descending: true,
    limit: PAGE,
  } as const;
  const records: KeptRecord[] = [];
  for await (const items of pagesOf(store, query, retry)) {
    for (const item of items) {
      // DynamoDB deletes an item some time after it has expired.
      if (Number(item['expires_at']) * 1000 <= retry.clock.now()) continue;
      const entries = item['entries'] as unknown as readonly Kept[]; // written by putsOf alone
      for (const { offset, timestamp, reason, ...details } of entries.toReversed()) {
        if (records.length >= limit) return records;
        records.push({
          partition,
          offset: Number(offset),
          timestamp: Number(timestamp),
          reason: typeof reason === 'string' ? reason : '',
          details: Object.fromEntries(
            DETAILS.flatMap((name) => (name in details ? [[name, details[name] ?? '']] : [])),
          ),
        });
      }
    }
    if (records.length >= limit) return records;
  }
  return records;
}

/** A stored map has no order of its own. */
const DETAILS = ['time', 'watermark', 'missed', 'groups', 'value'] as const;

/** Items read at once; each holds up to 300 KB of entries. */
const PAGE = 5;

import { canonical } from './compare.ts';
import type { Declared } from './declare.ts';
import type { Trace } from './log.ts';
import type { Json, Row } from './schema.ts';
import { newWorld } from './world.ts';

/** Every update in order: what each record changed, delivered alone, before anything is final. */
export async function changesOf(trace: Trace, inScope: (rows: readonly Row[]) => Row[]): Promise<Row[]> {
  const { declared, log, partitions } = trace;
  const { columns, aggs } = declared;
  const world = await newWorld(declared, log, partitions);
  const changes: Row[] = [];
  let before = new Set<string>();
  for (const entry of log) {
    await world.deliver([entry]);
    const rows = await world.open();
    changes.push(...inScope(rows).filter((row) => !before.has(canonical(row, columns, aggs))));
    before = new Set(rows.map((row) => canonical(row, columns, aggs)));
  }
  return changes;
}

/** `[start,end,key,max]`: how a change is written; without a format, `[start, end, value]`. */
export function changeFormat(format: Json | undefined, length = 3): (row: Row, declared: Declared) => Json {
  const fields =
    typeof format === 'string'
      ? format
          .slice(1, -1)
          .split(',')
          .map((name) => name.trim())
      : length === 4
        ? FOUR
        : THREE;
  return (row, { columns, aggs }) =>
    fields.map((field): Json => {
      const [start = null, end = null] = row['w'] as readonly number[];
      const name = field === 'value' ? (aggs[0]?.name ?? '') : field;
      const value = field === 'key' ? (row[columns[0] ?? ''] ?? null) : (row[name] ?? null);
      if (field === 'start') return start;
      if (field === 'end') return end;
      return field !== 'key' && typeof value === 'string' && !Number.isNaN(Number(value)) ? Number(value) : value;
    });
}
const THREE = ['start', 'end', 'value'];
const FOUR = ['start', 'end', 'key', 'value'];

/** (event, window) pairs missed in windows that begin before 1970: each event's windows, by the watermark it met. */
export function pairsBefore0({ log, declared }: Trace): number {
  const { geometry, delayMs } = declared.pipeline;
  let watermark = Number.NEGATIVE_INFINITY;
  let pairs = 0;
  for (const { wire } of log) {
    if (wire.t === null) continue;
    for (const { sizeMs, everyMs, offsetMs } of geometry.kinds.values()) {
      for (
        let start = Math.floor((wire.t - offsetMs) / everyMs) * everyMs + offsetMs;
        start > wire.t - sizeMs;
        start -= everyMs
      ) {
        if (start < 0 && start + sizeMs <= watermark && !wire.beat) pairs++;
      }
    }
    watermark = Math.max(watermark, wire.t - delayMs);
  }
  return pairs;
}

import type { Pipeline } from './pipeline.ts';
import type { Retry } from './runtime/retry.ts';
import type { Runtime } from './runtime/runtime.ts';
import { REPORTED_ROWS, type WindowReport } from './sink/report.ts';
import { pagesOf, readAll } from './store/drain.ts';
import { AFTER_SEGMENTS, rank, totalsOf } from './store/merge.ts';
import * as progress from './store/progress.ts';
import type { Registry } from './store/registry.ts';
import { TRIGGER, liveId, rowOf, type Row } from './store/results.ts';
import { decodePartials, parseSegmentSort, partialsOf, type Partials } from './store/segment.ts';
import { fitting } from './store/snapshot.ts';
import { textOf, type Item } from './store/store.ts';
import { formatInstant } from './time/instant.ts';
import { isTriggerDue } from './time/trigger.ts';
import { windowsOf, type Window } from './window/geometry.ts';
import { LIVE_ROWS, MAX_LIVE_ROWS, type WindowKind } from './window/window.ts';

/**
 * Refreshes the snapshots of open windows: for each kind that says `update`, at most once per trigger, and only what
 * changed. Snapshots are read without isolation and say that they are open; final results never depend on them.
 */
export async function refreshLive(
  pipeline: Pipeline,
  registry: Registry,
  runtime: Runtime,
  retry: Retry,
): Promise<void> {
  for (const [name, kind] of pipeline.geometry.kinds) {
    if (kind.emit === 'update') await refreshKind(pipeline, registry, name, kind, runtime, retry);
  }
}

async function refreshKind(
  pipeline: Pipeline,
  registry: Registry,
  name: string,
  kind: WindowKind,
  runtime: Runtime,
  retry: Retry,
): Promise<void> {
  const { store, clock } = runtime;
  const now = clock.now();
  const stored = new Map<string, Item>();
  for await (const items of pagesOf(store, { table: 'results', partition: liveId(pipeline, name) }, retry)) {
    for (const item of items) stored.set(textOf(item, 'row_id'), item);
  }
  const trigger = stored.get(TRIGGER);
  stored.delete(TRIGGER);
  if (trigger && !isTriggerDue(Number(trigger['triggered_at']), now, kind.triggerMs ?? 0)) return;
  // Versions before segments: what is counted in between is in the snapshot or changes the versions for the next one.
  const versions = await versionsOf(pipeline, registry, runtime, retry);
  // A finalize that was held up may have shown a window again that has closed since; nothing else would remove it.
  const isLeft = [...stored.values()].some((item) => textOf(item, 'window_end') <= (instant(registry.closed) ?? ''));
  if (trigger?.['versions'] === versions && !isLeft) return;

  const open = await mergeOpen(pipeline, registry, name, runtime, retry);
  if (open.size === 0 && stored.size === 0) return; // nothing to show: the first event need not wait for a trigger
  const changed: WindowReport[] = [];
  for (const [start, { window, partials }] of open) {
    const report = reportOf(pipeline, registry, window, kind, partials);
    const { rows } = report;
    const old = stored.get(start);
    if (old && sameResult(old, rows, report)) continue;
    const item: Item = {
      window_id: liveId(pipeline, name),
      row_id: start,
      window_start: start,
      window_end: formatInstant(window.end),
      status: 'open',
      rows,
      key_count: report.keys,
      totals: report.totals,
      watermark: instant(registry.closed),
      refreshed_at: formatInstant(now),
      versions,
      expires_at: Math.ceil((now + pipeline.retainMs) / 1000),
    };
    const when = old ? [{ attribute: 'versions', equals: textOf(old, 'versions') }] : [{ item: 'absent' as const }];
    // Refused: another finalize saw more, or the same, and has shown it.
    if ((await store.write({ kind: 'put', table: 'results', item, when })) === 'done') changed.push(report);
  }
  for (const start of stored.keys()) {
    if (!open.has(start))
      await store.write({ kind: 'delete', key: { table: 'results', partition: liveId(pipeline, name), sort: start } });
  }
  const newest = changed.at(-1);
  if (newest) runtime.report({ ...newest, rows: newest.rows.slice(0, REPORTED_ROWS), others: changed.length - 1 });
  const item = { window_id: liveId(pipeline, name), row_id: TRIGGER, triggered_at: now, versions };
  await store.write({
    kind: 'put',
    table: 'results',
    item,
    when: trigger ? [{ attribute: 'versions', equals: textOf(trigger, 'versions') }] : [{ item: 'absent' }],
  });
}

/** The checkpoints' versions in one line: whether anything was counted since. */
async function versionsOf(pipeline: Pipeline, registry: Registry, runtime: Runtime, retry: Retry): Promise<string> {
  const keys = registry.partitions.map((partition) => progress.checkpointKey(pipeline, partition));
  const items = await readAll(runtime.store, keys, retry);
  const versions = items.map((item) => `${textOf(item, 'pk')}=${textOf(item, 'version')}`).sort();
  return [String(registry.closed), ...versions].join(' ');
}

interface OpenWindow {
  readonly window: Window;
  readonly partials: Partials;
}

/** Every open window of a kind that holds data, by start: each stored segment is read once and added to its windows. */
async function mergeOpen(
  pipeline: Pipeline,
  registry: Registry,
  name: string,
  runtime: Runtime,
  retry: Retry,
): Promise<Map<string, OpenWindow>> {
  const { geometry, accumulators } = pipeline;
  const from = registry.closed === progress.NEVER ? '0' : formatInstant(registry.closed - geometry.maxSizeMs);
  const open = new Map<number, OpenWindow>();
  for (const partition of registry.partitions) {
    const query = {
      table: 'buckets',
      partition: progress.partitionOf(pipeline, partition),
      from,
      to: AFTER_SEGMENTS,
    } as const;
    for await (const items of pagesOf(runtime.store, query, retry)) {
      for (const item of items) {
        const { slice, visibleFrom } = parseSegmentSort(textOf(item, 'sk'));
        for (const window of windowsOf(geometry, slice)) {
          if (window.name !== name || window.end <= registry.closed || window.end < visibleFrom) continue;
          let entry = open.get(window.start);
          if (!entry) open.set(window.start, (entry = { window, partials: new Map() }));
          decodePartials(partialsOf(item), accumulators, entry.partials);
        }
      }
    }
  }
  return new Map([...open].sort(([a], [b]) => a - b).map(([start, entry]) => [formatInstant(start), entry]));
}

function reportOf(
  pipeline: Pipeline,
  registry: Registry,
  window: Window,
  kind: WindowKind,
  partials: Partials,
): WindowReport {
  const ranked = rank(pipeline, partials).slice(0, Math.min(kind.top ?? LIVE_ROWS, MAX_LIVE_ROWS));
  return {
    pipeline: pipeline.name,
    window: window.name,
    start: window.start,
    end: window.end,
    status: 'open',
    emit: kind.emit,
    watermark: registry.closed,
    keys: partials.size,
    totals: rowOf(pipeline, undefined, totalsOf(pipeline, partials)),
    rows: fitting(ranked.map(([key, states]) => rowOf(pipeline, key, states))),
    columns: [...pipeline.groupBy, ...pipeline.columns],
    incomplete: undefined,
  };
}

/** Whether a stored snapshot already shows this. */
const sameResult = (old: Item, rows: readonly Row[], report: WindowReport): boolean =>
  JSON.stringify([sorted(old['totals']), old['key_count'], (old['rows'] as readonly Row[]).map(sorted)]) ===
  JSON.stringify([sorted(report.totals), report.keys, rows.map(sorted)]);

/** Attributes by name; numbers as text, because an exact one is a Decimal before it is stored and a number after. */
const sorted = (row: unknown): unknown =>
  Object.entries(row as Row)
    .map(([name, value]) => [name, typeof value === 'number' ? String(value) : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));

const instant = (at: number): string | undefined => (at === progress.NEVER ? undefined : formatInstant(at));

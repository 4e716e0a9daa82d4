import type { Pipeline } from './pipeline.ts';
import { currentRegistry } from './reader.ts';
import { inParallel, retrying, type Retry } from './runtime/retry.ts';
import type { Runtime } from './runtime/runtime.ts';
import { REPORTED_ROWS } from './sink/report.ts';
import { pagesOf, readAll, writeAll } from './store/drain.ts';
import { AFTER_SEGMENTS, FIRST_SEGMENT, afterSlice, mergeWindow, rank, totalsOf, type Ranked } from './store/merge.ts';
import * as progress from './store/progress.ts';
import { incompleteReason, registryKey, type Registry } from './store/registry.ts';
import { ROWS_PER_BLOCK, cursorKey, directoryItem, putRow, rowOf } from './store/results.ts';
import { parseSegmentSort, type Partials } from './store/segment.ts';
import { textOf, type Delete } from './store/store.ts';
import { formatInstant } from './time/instant.ts';
import { endsOf, windowsEndingAt, windowsOf, type Window } from './window/geometry.ts';

/** Ends looked up at once; the rest follow in a next round. */
const MAX_ENDS = 5_000;
/** Requests of 25 rows under way at once. */
const PARALLEL_WRITES = 8;
const { NEVER } = progress;

/**
 * Writes the result of every closed window that holds data, in the order of their ends.
 *
 * Nothing counted from now on is seen by a window that is closed, so however often this runs, and however many at once,
 * the same rows are written. `emitted` follows only when the results are there.
 *
 * @returns how far results are written: `closed`, or less when the time ran out.
 */
export async function emitWindows(
  pipeline: Pipeline,
  registry: Registry,
  runtime: Runtime,
  retry: Retry,
): Promise<number> {
  let { emitted } = registry;
  while (emitted < registry.closed) {
    const { ends, upTo } = await endsWithData(pipeline, { ...registry, emitted }, runtime, retry);
    for (const end of ends) {
      if (end <= emitted) continue; // another finalize has been here
      const ahead = await emitEnd(pipeline, registry, end, runtime, retry);
      if (ahead === undefined) return emitted;
      emitted = ahead;
    }
    emitted = Math.max(emitted, upTo);
    await advanceEmitted(pipeline, emitted, runtime, retry);
  }
  return emitted;
}

/**
 * The ends of closed windows that hold a stored segment and are not emitted, ascending.
 *
 * Enumerates what is stored, not the clock: a year without data costs nothing. Every end up to `upTo` is in it.
 */
async function endsWithData(
  pipeline: Pipeline,
  registry: Registry,
  runtime: Runtime,
  retry: Retry,
): Promise<{ ends: number[]; upTo: number }> {
  const { geometry } = pipeline;
  const ends = new Set<number>();
  let upTo = registry.closed;
  for (const partition of registry.partitions) {
    const query = {
      table: 'buckets',
      partition: progress.partitionOf(pipeline, partition),
      from: registry.emitted === NEVER ? FIRST_SEGMENT : formatInstant(registry.emitted - geometry.maxSizeMs),
      to: AFTER_SEGMENTS,
      attributes: [],
    } as const;
    const known = new Set<number>();
    scan: for await (const items of pagesOf(runtime.store, query, retry)) {
      for (const item of items) {
        const { slice, visibleFrom } = parseSegmentSort(textOf(item, 'sk'));
        if (slice >= upTo) break scan;
        for (const end of endsOf(geometry, slice)) {
          if (end > registry.emitted && end <= registry.closed && end >= visibleFrom) known.add(end);
        }
        // A window that ends at or before the start of a later slice has had all of its slices looked at.
        if (known.size > MAX_ENDS && slice > registry.emitted) upTo = Math.min(upTo, slice);
      }
    }
    for (const end of known) ends.add(end);
  }
  return { ends: [...ends].filter((end) => end <= upTo).sort((a, b) => a - b), upTo };
}

/**
 * Emits the windows that end at `end`.
 *
 * @returns how far results are written then: `end`, or more when another finalize was ahead; undefined when the time
 *   ran out and the next invocation goes on.
 */
async function emitEnd(
  pipeline: Pipeline,
  registry: Registry,
  end: number,
  runtime: Runtime,
  retry: Retry,
): Promise<number | undefined> {
  for (const window of windowsEndingAt(pipeline.geometry, end)) {
    if (runtime.clock.monotonic() >= retry.deadline) return undefined;
    const partials = await mergeWindow(pipeline, registry.partitions, window, runtime.store, retry);
    // Only after the last page: whoever emitted this end meanwhile may have deleted segments while they were read.
    const current = await currentRegistry({ store: runtime.store, retry }, pipeline);
    if (current.emitted >= end) return current.emitted;
    if (partials.size === 0) continue;
    if (!(await emitWindow(pipeline, current, window, partials, runtime, retry))) return undefined;
  }
  await advanceEmitted(pipeline, end, runtime, retry);
  return end;
}

/** IF emitted is below it: two finalizers race here, and the slower one must not take it back. */
async function advanceEmitted(pipeline: Pipeline, emitted: number, runtime: Runtime, retry: Retry): Promise<void> {
  await retrying('emitted', retry, () =>
    runtime.store.write({
      kind: 'update',
      key: registryKey(pipeline),
      set: { emitted },
      when: [{ attribute: 'emitted', below: emitted }],
    }),
  );
}

/** Rows first, then the directory item under which readers trust them, then the report: at least once, normally once. */
async function emitWindow(
  pipeline: Pipeline,
  registry: Registry,
  window: Window,
  partials: Partials,
  runtime: Runtime,
  retry: Retry,
): Promise<boolean> {
  const { store, clock } = runtime;
  const kind = pipeline.geometry.kinds.get(window.name);
  const all = rank(pipeline, partials);
  const ranked = kind?.top === undefined ? all : all.slice(0, kind.top);
  const now = clock.now();
  const expiresAtSeconds = Math.ceil((now + pipeline.retainMs) / 1000);
  if (!(await writeRows(pipeline, window, ranked, expiresAtSeconds, runtime, retry))) return false;

  const totals = rowOf(pipeline, undefined, totalsOf(pipeline, partials));
  const incomplete = incompleteReason(registry, window);
  const directory = directoryItem(pipeline, window, {
    rows: ranked.length,
    keys: all.length,
    totals,
    watermark: registry.closed,
    now,
    incomplete,
    expiresAtSeconds,
  });
  const outcome = await retrying('directory', retry, () =>
    store.write({ kind: 'put', table: 'results', item: directory, when: [{ item: 'absent' }] }),
  );
  // Refused: another finalize, or this one before a crash, put it. Whoever advances `emitted` has reported before.
  if (outcome === 'refused' && (await currentRegistry({ store, retry }, pipeline)).emitted >= window.end) return true;
  runtime.report({
    pipeline: pipeline.name,
    window: window.name,
    start: window.start,
    end: window.end,
    status: 'final',
    emit: kind?.emit ?? 'final',
    watermark: registry.closed,
    keys: all.length,
    totals,
    rows: ranked.slice(0, REPORTED_ROWS).map(([key, states]) => rowOf(pipeline, key, states)),
    columns: [...pipeline.groupBy, ...pipeline.columns],
    incomplete,
  });
  runtime.metrics(pipeline.name, { emittedWindows: 1 });
  return true;
}

/** Writes rows by blocks. A window of several blocks keeps a cursor, so that the next run goes on behind the last one. */
async function writeRows(
  pipeline: Pipeline,
  window: Window,
  ranked: readonly Ranked[],
  expiresAtSeconds: number,
  runtime: Runtime,
  retry: Retry,
): Promise<boolean> {
  const { store, clock } = runtime;
  const isLarge = ranked.length > ROWS_PER_BLOCK;
  const key = cursorKey(pipeline, window);
  const [cursor] = isLarge ? await readAll(store, [key], retry) : [];
  for (let start = Number(cursor?.['rows_written'] ?? 0); start < ranked.length; start += ROWS_PER_BLOCK) {
    if (isLarge && clock.monotonic() >= retry.deadline) return false;
    const puts = ranked
      .slice(start, start + ROWS_PER_BLOCK)
      .map(([group, states], i) =>
        putRow(pipeline, window, start + i + 1, rowOf(pipeline, group, states), expiresAtSeconds),
      );
    const chunks = Array.from({ length: Math.ceil(puts.length / 25) }, (_, i) => puts.slice(i * 25, i * 25 + 25));
    const outcomes = await inParallel(
      chunks.map((chunk) => () => writeAll(store, chunk, retry)),
      PARALLEL_WRITES,
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    if (isLarge) {
      const item = {
        window_id: key.partition,
        row_id: key.sort,
        rows_written: start + puts.length,
        expires_at: expiresAtSeconds,
      };
      await retrying('cursor', retry, () => store.write({ kind: 'put', table: 'results', item }));
    }
  }
  return true;
}

/** Deletes segments that no window needs any more: those of slices all of whose windows are emitted. Never before. */
export async function collect(
  pipeline: Pipeline,
  partitions: readonly number[],
  emitted: number,
  runtime: Runtime,
  retry: Retry,
): Promise<void> {
  if (emitted === NEVER) return;
  for (const partition of partitions) {
    const pk = progress.partitionOf(pipeline, partition);
    const query = {
      table: 'buckets',
      partition: pk,
      from: FIRST_SEGMENT,
      to: afterSlice(emitted),
      attributes: [],
    } as const;
    for await (const items of pagesOf(runtime.store, query, retry)) {
      const done = items.filter((item) => isEmitted(pipeline, textOf(item, 'sk'), emitted));
      const deletes = done.map((item): Delete => ({
        kind: 'delete',
        key: { table: 'buckets', partition: pk, sort: textOf(item, 'sk') },
      }));
      await writeAll(runtime.store, deletes, retry);
      if (done.length < items.length || runtime.clock.monotonic() >= retry.deadline) break;
    }
  }
}

const isEmitted = (pipeline: Pipeline, sort: string, emitted: number): boolean =>
  windowsOf(pipeline.geometry, parseSegmentSort(sort).slice).every((window) => window.end <= emitted);

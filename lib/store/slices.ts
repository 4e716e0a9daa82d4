import type { Pipeline } from '../pipeline.ts';
import type { Retry } from '../runtime/retry.ts';
import { MIN_INSTANT, formatInstant } from '../time/instant.ts';
import { windowsOf, type Window } from '../window/geometry.ts';
import { pagesOf } from './drain.ts';
import { AFTER_SEGMENTS, FIRST_SEGMENT } from './merge.ts';
import { partitionOf } from './progress.ts';
import { keyOf } from './item.ts';
import { parseSegmentSort } from './segment.ts';
import type { Store } from './store.ts';

/** Every window with something in it that ends after an instant, of all kinds, by end. */
export async function windowsAfter(
  pipeline: Pipeline,
  partitions: readonly number[],
  after: number,
  store: Store,
  retry: Retry,
): Promise<Window[]> {
  const found = new Map<string, Window>();
  for (const partition of partitions) {
    for await (const { slice, visibleFrom } of slicesAfter(pipeline, partition, after, store, retry)) {
      for (const window of windowsOf(pipeline.geometry, slice)) {
        if (window.end > after && window.end >= visibleFrom) found.set(`${window.name}/${window.start}`, window);
      }
    }
  }
  return [...found.values()].sort((a, b) => a.end - b.end);
}

/**
 * Each stored slice that a window ending after an instant may hold, with the least visibility in it.
 *
 * Only the first segments of a slice are read: "-" sorts before every instant, and instants as they follow each other.
 */
async function* slicesAfter(pipeline: Pipeline, partition: number, after: number, store: Store, retry: Retry) {
  const first = after - pipeline.geometry.maxSizeMs;
  const query = { table: 'buckets', partition: partitionOf(pipeline, partition), to: AFTER_SEGMENTS } as const;
  let from: string | undefined = first < MIN_INSTANT ? FIRST_SEGMENT : formatInstant(first);
  while (from !== undefined) {
    const page = { ...query, from, limit: SLICE_PAGE, attributes: [] };
    from = undefined;
    let last: number | undefined;
    for await (const items of pagesOf(store, page, retry)) {
      for (const item of items) {
        const segment = parseSegmentSort(keyOf('buckets', item).sort);
        if (segment.slice !== last) yield segment;
        last = segment.slice;
      }
      if (last !== undefined) {
        from = `${formatInstant(last)}${AFTER_SLICE}`;
        break;
      }
    }
  }
}

/** Segments read at once; those of the page's last slice that are beyond it are never read. */
const SLICE_PAGE = 50;
/** Sorts after every segment of a slice and before those of the next. */
const AFTER_SLICE = '~';

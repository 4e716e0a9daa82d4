import { ALL } from '../store/segment.ts';
import { endsOf, sliceOf, type Geometry } from './geometry.ts';

/** Where a partition's time stands. Neither part ever falls. */
export interface Tide {
  /** The greatest accepted instant. */
  readonly clock: number;
  /** The greatest of clock minus delay so far, and of what `finalize` raised it to. */
  readonly watermark: number;
}

/** Time after an accepted instant. The watermark is kept, so a longer delay deployed later never lowers it. */
export function advance(tide: Tide, instant: number, delayMs: number): Tide {
  const clock = Math.max(tide.clock, instant);
  const watermark = Math.max(tide.watermark, clock - delayMs);
  return { clock, watermark };
}

/** Which of its windows an event still counts in. */
export interface Verdict {
  readonly slice: number;
  /** The least end of the windows that see the event; `ALL` when every one does; undefined when none does: late. */
  readonly visibleFrom: number | undefined;
  /** Windows that count the event, and windows that had ended. */
  readonly counted: number;
  readonly missed: number;
}

/**
 * Judges instants against watermarks. An event counts in each of its windows with `end > watermark`.
 *
 * The ends of a slice's windows are worked out once per slice and kept, so make one judge per batch.
 */
export function judge(geometry: Geometry): (instant: number, watermark: number) => Verdict {
  const cache = new Map<number, readonly number[]>();
  return (instant, watermark) => {
    const slice = sliceOf(geometry, instant);
    let ends = cache.get(slice);
    if (!ends) cache.set(slice, (ends = endsOf(geometry, slice)));
    const missed = countUpTo(ends, watermark);
    const counted = ends.length - missed;
    return { slice, visibleFrom: counted === 0 ? undefined : missed === 0 ? ALL : ends[missed], counted, missed };
  };
}

/** How many of the ascending ends are at or below the watermark. */
function countUpTo(ends: readonly number[], watermark: number): number {
  let n = 0;
  while ((ends[n] ?? Infinity) <= watermark) n++;
  return n;
}

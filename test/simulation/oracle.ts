import type { WindowKind } from '../../lib/window/window.ts';
import type { Entry } from './kafka.ts';

/** What was decided about one partition, in the order it was stored: where counting joined, what it covered, raises. */
export type Decision =
  | { readonly kind: 'join'; readonly watermark: number }
  | { readonly kind: 'raise'; readonly target: number }
  | {
      readonly kind: 'count';
      readonly records: readonly Entry[];
      readonly delayMs: number;
      /** The how manieth commit of the partition it was. */
      readonly commits: number;
    };

/** Where one event counts, or that it is late; `windows` as `name/start`. */
export type Judged = (entry: Entry, windows: readonly string[], missed: number, watermark: number) => void;

/**
 * The answer, from the log and the stored decisions alone.
 *
 * Knows nothing of slices, batches, segments or checkpoints: windows are tried one by one.
 */
export function oracle(kinds: ReadonlyMap<string, WindowKind>, decisions: readonly Decision[], judged: Judged): void {
  let [clock, w] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const decision of decisions) {
    if (decision.kind === 'join') w = decision.watermark;
    else if (decision.kind === 'raise') w = Math.max(w, decision.target);
    else
      for (const entry of decision.records) {
        const before = w;
        clock = Math.max(clock, entry.truth.instant ?? clock);
        if (entry.truth.instant !== undefined) w = Math.max(w, clock - decision.delayMs);
        const all = entry.truth.kind === 'event' ? windowsHolding(kinds, entry.truth.instant ?? before) : [];
        const open = all.filter(({ end }) => end > before);
        judged(
          entry,
          open.map(({ id }) => id),
          all.length - open.length,
          before,
        );
      }
  }
}

/** The window over all time, as every window is named. */
export const OVER_ALL_TIME = { id: `all/${Number.NEGATIVE_INFINITY}`, end: Number.POSITIVE_INFINITY };

/** Every window of every kind that holds an instant: `start <= instant < end`, tried from far below. */
export function windowsHolding(kinds: ReadonlyMap<string, WindowKind>, instant: number): { id: string; end: number }[] {
  if (kinds.size === 0) return [OVER_ALL_TIME];
  const found = [];
  for (const [name, { sizeMs, everyMs, offsetMs }] of kinds) {
    const steps = Math.ceil(sizeMs / everyMs) + 2;
    for (let n = Math.trunc((instant - offsetMs) / everyMs) - steps, left = 2 * steps; left > 0; n++, left--) {
      const start = n * everyMs + offsetMs;
      if (start <= instant && instant < start + sizeMs) found.push({ id: `${name}/${start}`, end: start + sizeMs });
    }
  }
  return found;
}

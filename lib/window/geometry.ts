import type { WindowKind } from './window.ts';

/** One window: the name its kind was declared under, and its bounds `[start, end)`. */
export interface Window {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The slices all windows of a pipeline are unions of.
 *
 * An event is aggregated once, in its slice, however many windows hold it; a window's result is the merge of its slices.
 *
 * @source Traub et al., Efficient Window Aggregation with General Stream Slicing, EDBT 2019.
 */
export interface Geometry {
  readonly kinds: ReadonlyMap<string, WindowKind>;
  readonly sliceMs: number;
  readonly sliceOffsetMs: number;
  readonly maxSizeMs: number;
}

/** Slices of `gcd` of all sizes, steps and differences of offsets: the longest pieces no window cuts. */
export function geometryOf(windows: Readonly<Record<string, WindowKind>>): Geometry {
  const kinds = Object.values(windows);
  const offset = kinds[0]?.offsetMs ?? 0;
  const sliceMs = kinds.reduce(
    (g, kind) => [kind.sizeMs, kind.everyMs, Math.abs(kind.offsetMs - offset)].reduce(gcd, g),
    0,
  );
  return {
    kinds: new Map(Object.entries(windows)),
    sliceMs,
    sliceOffsetMs: sliceMs === 0 ? 0 : offset % sliceMs,
    maxSizeMs: Math.max(0, ...kinds.map((kind) => kind.sizeMs)),
  };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** The greatest point of the grid `offset + n * step` at or below `at`. Floor division: right before 1970 too. */
export const floorTo = (at: number, step: number, offset: number): number =>
  Math.floor((at - offset) / step) * step + offset;

/**
 * The start of the slice that holds an instant.
 *
 * Slices tile all of event time, so every instant, also one before 1970, has exactly one.
 */
export const sliceOf = (geometry: Geometry, instant: number): number =>
  floorTo(instant, geometry.sliceMs, geometry.sliceOffsetMs);

/** Every window that holds a slice, by end, then by the order of declaration. */
export function windowsOf(geometry: Geometry, slice: number): Window[] {
  const windows: Window[] = [];
  for (const [name, { sizeMs, everyMs, offsetMs }] of geometry.kinds) {
    for (let start = floorTo(slice, everyMs, offsetMs); start > slice - sizeMs; start -= everyMs) {
      windows.push({ name, start, end: start + sizeMs });
    }
  }
  return windows.sort((a, b) => a.end - b.end);
}

/** The ends of every window that holds a slice, ascending; two windows with one end count twice. */
export const endsOf = (geometry: Geometry, slice: number): readonly number[] =>
  windowsOf(geometry, slice).map((window) => window.end);

/** The windows that end exactly at `end`: at most one of each kind. */
export function windowsEndingAt(geometry: Geometry, end: number): Window[] {
  const windows: Window[] = [];
  for (const [name, { sizeMs, everyMs, offsetMs }] of geometry.kinds) {
    const start = end - sizeMs;
    if (floorTo(start, everyMs, offsetMs) === start) windows.push({ name, start, end });
  }
  return windows;
}

/** The least end after `at` that any window of any kind has, with or without data. */
export function nextEndAfter(geometry: Geometry, at: number): number {
  let next = Number.POSITIVE_INFINITY;
  for (const { sizeMs, everyMs, offsetMs } of geometry.kinds.values()) {
    next = Math.min(next, floorTo(at - sizeMs, everyMs, offsetMs) + everyMs + sizeMs);
  }
  return next;
}

/** The last end of any window that holds an instant. */
export function lastEndHolding(geometry: Geometry, instant: number): number {
  return endsOf(geometry, sliceOf(geometry, instant)).at(-1) ?? instant;
}

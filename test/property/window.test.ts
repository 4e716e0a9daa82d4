import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ALL } from '../../lib/store/segment.ts';
import { NEVER } from '../../lib/store/progress.ts';
import { formatDuration } from '../../lib/time/duration.ts';
import {
  endsOf,
  geometryOf,
  lastEndHolding,
  nextEndAfter,
  sliceOf,
  windowsEndingAt,
  windowsOf,
} from '../../lib/window/geometry.ts';
import { advance, judge } from '../../lib/window/verdict.ts';
import { sliding, type WindowKind } from '../../lib/window/window.ts';

/** Any window: sizes that are no multiple of the step, and offsets, included; at most 40 windows per event. */
const kind: fc.Arbitrary<WindowKind> = fc
  .record({ every: fc.integer({ min: 1, max: 60 }), times: fc.integer({ min: 100, max: 4000 }), offset: fc.nat(200) })
  .map(({ every, times, offset }) =>
    sliding(formatDuration(Math.floor((every * times) / 100)), {
      every: formatDuration(every),
      offset: formatDuration(offset),
      emit: 'final',
    }),
  );
const windows = fc.dictionary(fc.constantFrom('a', 'b', 'c'), kind, { minKeys: 1 });
const instant = fc.oneof(fc.integer({ min: -5_000, max: 5_000 }), fc.integer({ min: -1e13, max: 1e13 }));

/** Every window that holds an instant, by looking at each start around it. */
function bruteForce(kinds: Readonly<Record<string, WindowKind>>, at: number) {
  const found: { name: string; start: number; end: number }[] = [];
  for (const [name, { sizeMs, everyMs, offsetMs }] of Object.entries(kinds)) {
    for (let start = at - sizeMs + 1; start <= at; start++) {
      if ((((start - offsetMs) % everyMs) + everyMs) % everyMs === 0) found.push({ name, start, end: start + sizeMs });
    }
  }
  return found.sort((a, b) => a.end - b.end || a.name.localeCompare(b.name));
}
const byName = (found: ReturnType<typeof windowsOf>) =>
  [...found].sort((a, b) => a.end - b.end || a.name.localeCompare(b.name));

test('declared without problems', () => {
  fc.assert(
    fc.property(kind, ({ problems }) => {
      expect(problems).toEqual([]);
    }),
  );
});

test('every instant, also before 1970, is in exactly one slice', () => {
  fc.assert(
    fc.property(windows, instant, (kinds, at) => {
      const geometry = geometryOf(kinds);
      const slice = sliceOf(geometry, at);
      expect(slice <= at && at < slice + geometry.sliceMs).toBe(true);
      expect(sliceOf(geometry, slice)).toBe(slice);
      expect(sliceOf(geometry, slice + geometry.sliceMs - 1)).toBe(slice);
      expect(sliceOf(geometry, slice - 1)).toBe(slice - geometry.sliceMs);
    }),
  );
});

test('the slices of a window tile it', () => {
  fc.assert(
    fc.property(windows, instant, (kinds, at) => {
      const geometry = geometryOf(kinds);
      for (const { start, end } of windowsOf(geometry, sliceOf(geometry, at))) {
        expect(sliceOf(geometry, start)).toBe(start);
        expect(sliceOf(geometry, end)).toBe(end);
      }
    }),
  );
});

test('the windows of a slice are those that hold any instant of it, and no others', () => {
  fc.assert(
    fc.property(windows, instant, (kinds, at) => {
      const geometry = geometryOf(kinds);
      expect(byName(windowsOf(geometry, sliceOf(geometry, at)))).toEqual(bruteForce(kinds, at));
    }),
  );
});

test('next end, last end and the windows that end somewhere agree with them', () => {
  fc.assert(
    fc.property(windows, instant, (kinds, at) => {
      const geometry = geometryOf(kinds);
      const next = nextEndAfter(geometry, at);
      expect(next).toBeGreaterThan(at);
      expect(windowsEndingAt(geometry, next).length).toBeGreaterThan(0);
      const longest = Math.max(...Object.values(kinds).map(({ everyMs }) => everyMs));
      for (let end = at + 1; end < Math.min(next, at + longest); end++)
        expect(windowsEndingAt(geometry, end)).toEqual([]);
      expect(lastEndHolding(geometry, at)).toBe(bruteForce(kinds, at).at(-1)?.end);
      for (const window of bruteForce(kinds, at)) expect(windowsEndingAt(geometry, window.end)).toContainEqual(window);
    }),
  );
});

test('an event counts in exactly its windows that end after the watermark', () => {
  const watermark = fc.oneof(fc.constant(NEVER), fc.integer({ min: -6_000, max: 6_000 }));
  fc.assert(
    fc.property(windows, fc.integer({ min: -5_000, max: 5_000 }), watermark, (kinds, at, w) => {
      const geometry = geometryOf(kinds);
      const ends = bruteForce(kinds, at).map(({ end }) => end);
      const open = ends.filter((end) => end > w);
      const verdict = judge(geometry)(at, w);
      expect(verdict.counted).toBe(open.length);
      expect(verdict.missed).toBe(ends.length - open.length);
      const seenBy = endsOf(geometry, verdict.slice).filter((end) => end >= (verdict.visibleFrom ?? Infinity));
      expect(seenBy).toEqual(open);
      expect(verdict.visibleFrom === ALL).toBe(open.length === ends.length);
    }),
    { numRuns: 500 },
  );
});

test('the watermark never falls, whatever the events and the delays deployed', () => {
  const step = fc.tuple(fc.integer({ min: -1e6, max: 1e6 }), fc.nat(1e6));
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let tide = { clock: NEVER, watermark: NEVER };
      let [clock, watermark] = [NEVER, NEVER];
      for (const [at, delayMs] of steps) {
        tide = advance(tide, at, delayMs);
        clock = Math.max(clock, at);
        watermark = Math.max(watermark, clock - delayMs);
        expect(tide).toEqual({ clock, watermark });
      }
    }),
  );
});

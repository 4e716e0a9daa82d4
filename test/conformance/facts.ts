import {
  accumulator,
  avg,
  count,
  max,
  min,
  sum,
  type AccumulatorState,
  type Aggregate,
} from '../../lib/aggregate/aggregate.ts';
import { toScaled } from '../../lib/aggregate/decimal.ts';
import { pipeline, type Declaration } from '../../lib/pipeline.ts';
import { isError } from '../../lib/runtime/error.ts';
import { parseDuration, type Duration } from '../../lib/time/duration.ts';
import { instantOf, unixMillis, unixSeconds } from '../../lib/time/event-time.ts';
import { parseInstant } from '../../lib/time/instant.ts';
import { endsOf, geometryOf, sliceOf, windowsOf, type Geometry } from '../../lib/window/geometry.ts';
import { judge } from '../../lib/window/verdict.ts';
import { running } from '../../lib/window/window.ts';
import { clickSource } from '../support/scene.ts';
import { compareValue, exact, show } from './compare.ts';
import { inMs, kindOf } from './declare.ts';
import { whyNoWindow } from './offered.ts';
import type { Findings } from './replay.ts';
import {
  NotApplicable,
  type Bounds,
  type Fields,
  type Json,
  type Spec,
  type Vector,
  type WindowSpec,
} from './schema.ts';

/** Vectors about single facts: windows of an instant, slices, lateness, durations, refusals, accumulators. */

const geometry = (window: WindowSpec | undefined): Geometry =>
  geometryOf({ w: kindOf(window ?? { type: 'tumbling' }) });
const boundsOf = (shared: Geometry, t: number): Bounds[] =>
  windowsOf(shared, sliceOf(shared, t)).map(({ start, end }): Bounds => [start, end]);
const passed = (problems: readonly string[], notes: readonly string[] = []): Findings => ({ problems, notes });

/** The windows of each instant. */
export function assigned({ window, cases = [], groups = [] }: Vector): Findings {
  const all = [
    ...cases.map((one) => ({ window, one })),
    ...groups.flatMap((group) =>
      (group['cases'] as readonly Fields[]).map((one) => ({ window: group['window'] as unknown as WindowSpec, one })),
    ),
  ];
  return passed(
    all.flatMap(({ window, one }) => {
      const expected = (one['windows'] as unknown as readonly Bounds[]).toSorted((a, b) => a[1] - b[1]);
      return compareValue(`t ${show(one['t'])}`, expected, boundsOf(geometry(window), Number(one['t'])));
    }),
  );
}

/** Which instants each window holds, and which are in none. */
export function members({ groups = [] }: Vector): Findings {
  return passed(
    groups.flatMap((group, i) => {
      const shared = geometry(group['window'] as unknown as WindowSpec);
      const expected = group['members'] as unknown as readonly { readonly w: Bounds; readonly ts: readonly number[] }[];
      const outside = (group['in_no_window'] ?? []) as readonly number[];
      const found = new Map<string, number[]>();
      for (const t of new Set([...expected.flatMap(({ ts }) => ts), ...outside])) {
        for (const bounds of boundsOf(shared, t))
          found.set(
            JSON.stringify(bounds),
            [...(found.get(JSON.stringify(bounds)) ?? []), t].sort((a, b) => a - b),
          );
      }
      const wanted = expected.map(({ w, ts }) => [JSON.stringify(w), [...new Set(ts)].sort((a, b) => a - b)]);
      return [
        ...compareValue(`group ${i + 1}`, wanted.sort(), [...found].sort()),
        ...outside.filter((t) => boundsOf(shared, t).length > 0).map((t) => `group ${i + 1}: ${t} is in a window`),
      ];
    }),
  );
}

/** Which slices make a window, and which of them no later window needs. */
export function slices({ window, cases = [], expired = [] }: Vector): Findings {
  const endsIn = (shared: Geometry, end: number): number[] => {
    const ends: number[] = [];
    for (let at = end; at > end - shared.maxSizeMs; at -= shared.sliceMs) ends.push(at);
    return ends;
  };
  const problems = cases.flatMap((one) =>
    compareValue(
      `window that ends at ${show(one['window_end'])}`,
      one['slice_ends'],
      endsIn(geometry(window), Number(one['window_end'])),
    ),
  );
  for (const one of expired) {
    const shared = geometry(one['window'] as unknown as WindowSpec);
    const end = Number(one['window_end']);
    const last = endsIn(shared, end).filter((at) => endsOf(shared, at - shared.sliceMs).at(-1) === end);
    problems.push(
      ...compareValue(`expired after ${end}`, one['expired_slice_end'], last[0]),
      ...compareValue('expired slices', 1, last.length),
    );
  }
  return passed(problems);
}

export function lateFilter({ window, watermark = 0, cases = [], dropped_late }: Vector): Findings {
  const verdictOf = judge(geometry(window));
  const kept = cases.map(({ t }) => verdictOf(Number(t), watermark).visibleFrom !== undefined);
  return passed([
    ...cases.flatMap((one, i) => compareValue(`t ${show(one['t'])}: kept`, one['kept'], kept[i])),
    ...(dropped_late === undefined ? [] : compareValue('dropped_late', dropped_late, kept.filter((is) => !is).length)),
  ]);
}

/** Several amounts, or units that are no fixed length or shorter than a ms: read elsewhere, never misread here. */
const OTHER_DURATION = /^[+-]?\d+(\.\d+)?\s*[a-zµ]+([\s,]+[+-]?\d+(\.\d+)?\s*[a-zµ]+)*$/i;

/** Durations and times as text. What the product does not read must be refused, not misread. */
export function parsed({ cases = [] }: Vector): Findings {
  const notes: string[] = [];
  const problems = cases.flatMap((one) => {
    const text = one['in'];
    if (typeof text === 'number') return numberParsed(text, one);
    if (typeof text !== 'string') return [`in ${show(text)} is no text`];
    const found = parseInstant(text) ?? parseDuration(text);
    if (one['error'] === true || found !== undefined) {
      return compareValue(`'${text}'`, one['error'] === true ? undefined : one['ms'], found);
    }
    if (!OTHER_DURATION.test(text)) return [`'${text}': expected ${show(one['ms'])}, found a refusal`];
    notes.push(`'${text}' is refused: a duration is one whole number of days, hours, minutes, seconds or milliseconds`);
    return [];
  });
  if (notes.length > 0 && notes.length === cases.length) throw new NotApplicable(notes.join('; '));
  return passed(problems, notes);
}

/** A number is a time in seconds or in ms: a source says which. */
function numberParsed(value: number, { ms, error }: Fields): string[] {
  const found = [unixMillis('t'), unixSeconds('t')].map((eventTime) => instantOf(eventTime, { t: value }, -1));
  if (error === true) return found.every((instant) => instant === undefined) ? [] : [`${value} is accepted`];
  return found.includes(ms as number) ? [] : [`${value}: expected ${show(ms)}, found ${show(found)}`];
}

type Loose = Declaration<{ username: string }, 'username', Readonly<Record<string, Aggregate<never>>>>;

/** Whether a declaration is refused, as it is at the start of a process. */
function isRefused(more: Fields | object): boolean {
  const valid = {
    name: 'refused',
    revision: 1,
    source: clickSource(),
    watermark: '10 seconds',
    groupBy: ['username'],
    windows: { w: kindOf({ type: 'tumbling', size: 60_000 }) },
    aggregate: { n: count() },
    orderBy: 'n',
    retain: '7 days',
  };
  try {
    pipeline({ ...valid, ...more } as unknown as Loose); // what a program in plain JavaScript may say
    return false;
  } catch (error) {
    if (!isError(error, 'BAD_DECLARATION')) throw error;
    return true;
  }
}

/** What must be refused is; where the original refuses what makes sense here, the note says so. */
export function refused({ cases = [] }: Vector): Findings {
  const notes: string[] = [];
  const reasons: string[] = [];
  const problems: string[] = [];
  for (const one of cases) {
    const {
      in: text,
      spec,
      window,
      windows,
    } = one as unknown as { in?: Json; spec?: Spec; window?: WindowSpec; windows?: readonly WindowSpec[] };
    const asked = windows ?? [window ?? spec?.window].filter((it) => it !== undefined);
    const allowed = allowedHere(spec, asked);
    if (one['error'] !== true) problems.push(`${show(one)}: a case that is to be accepted is no refusal`);
    else if (text !== undefined) {
      if (!isRefused({ watermark: text })) problems.push(`watermark ${show(text)} is accepted`);
    } else if (allowed !== undefined) reasons.push(allowed);
    else if (!isRefused(declarationOf(spec, asked))) {
      const more = moreThanOriginal(asked);
      if (more === undefined) problems.push(`${show(one)} is accepted`);
      else reasons.push(more);
    }
  }
  notes.push(...new Set(reasons));
  if (problems.length === 0 && reasons.length === cases.length)
    throw new NotApplicable([...new Set(reasons)].join('; '));
  return passed(problems, notes);
}

/** What is not even offered needs no refusal: it cannot be said. */
function allowedHere(spec: Spec | undefined, windows: readonly WindowSpec[]): string | undefined {
  if (spec?.stages) return 'chained windows are not offered, so there is nothing to refuse';
  const other = windows.map(({ type }) => whyNoWindow({ type, size: 1 })).find((why) => why !== undefined);
  return other && `${other}, so there is nothing to refuse`;
}

/** Negative lengths included: in plain JavaScript a declaration may say anything. */
function declarationOf(spec: Spec | undefined, windows: readonly WindowSpec[]): object {
  const isRefreshed = spec?.mode === 'update' || spec?.mode === 'complete';
  // Totals over all time never end, so they cannot be final: they are refreshed, and have to say how often.
  const runningOf = () => running((isRefreshed ? { trigger: inMs(1) } : { emit: 'final' }) as { trigger: Duration });
  return {
    windows: Object.fromEntries(
      windows.map((window, i) => [`w${i}`, window.type === 'none' ? runningOf() : kindOf(window, spec?.mode)]),
    ),
    ...(spec && { watermark: spec.watermark?.delay === undefined ? undefined : inMs(spec.watermark.delay) }),
  };
}

function moreThanOriginal(windows: readonly WindowSpec[]): string | undefined {
  if (windows.length > 1) return 'a pipeline may have several windows; they share their slices';
  const { size = 0, slide = size, offset = 0 } = windows[0] ?? { type: '' };
  if (Math.abs(offset) >= slide) return 'an offset of a step or more is the same grid as its remainder';
  if (size % slide !== 0)
    return 'a size that is no multiple of its step is allowed: slices are as long as what both divide';
  return undefined;
}

const PARTS: Readonly<Record<string, (scale: number) => Aggregate>> = {
  count,
  sum: (scale) => sum('v', { scale }),
  min: (scale) => min('v', { scale }),
  max: (scale) => max('v', { scale }),
  avg: (scale) => avg('v', { scale, resultScale: scale + 10 }),
};

/** Accumulators: a state with a value added, or another state merged. */
export function algebra({ cases = [] }: Vector): Findings {
  return passed(
    cases.flatMap((one, i) => {
      if (Array.isArray(one['then']))
        throw new NotApplicable('only windows that merge, sessions, are added to each other');
      const { a, add, merge, then } = one as { a: Fields | null; add?: Json; merge?: Fields; then: Fields };
      const numbers = [a, merge, then].flatMap((fields) => Object.values(fields ?? {})).concat(add ?? 0);
      const digits = numbers.map((value) => String(value).split('.')[1]?.length ?? 0);
      const scale = Math.min(8, Math.max(...digits));
      if (typeof then !== 'object' || then === null || Object.keys(then).length === 0)
        return [`case ${i + 1}: then is ${show(then)}`];
      if ((add === undefined) === (merge === undefined)) return [`case ${i + 1}: expected either add or merge`];
      return Object.keys(then).flatMap((name) => {
        const part = PARTS[name];
        if (!part) return [`case ${i + 1}: '${name}' is no aggregate`];
        const { of, merge: merged, read, zero } = accumulator(part(scale));
        const before = stateOf(name, a, scale) ?? zero;
        const more = merge ? (stateOf(name, merge, scale) ?? zero) : (of(add) ?? zero);
        const found = read(merged(before, more));
        const wanted = then[name] ?? null;
        const isNear =
          name === 'avg' &&
          Math.abs(Number(String(found)) - Number(wanted)) <= 1e-9 * Math.max(1, Math.abs(Number(wanted)));
        return isNear
          ? []
          : compareValue(`case ${i + 1}: ${name}`, exact(wanted), found === null ? null : exact(String(found)));
      });
    }),
  );
}

/** A state that says what it comes to: an average is its sum and count. */
function stateOf(name: string, fields: Fields | null, scale: number): AccumulatorState | undefined {
  const value = fields?.[name];
  if (value === undefined || value === null || fields === null) return undefined;
  if (name === 'count') return Number(value);
  const units = toScaled(value as number | string, scale) ?? null;
  if (name !== 'avg') return units;
  const count = Number(fields['count']);
  return { sum: (units ?? 0n) * BigInt(count), count };
}

import { aggOf, MAX_DELAY_MS, scaleOf } from './declare.ts';
import { eventsOf } from './log.ts';
import type { Spec, Vector, WindowSpec } from './schema.ts';

/** Window kinds of others. */
const NOT_OFFERED: Readonly<Record<string, string>> = {
  session: 'session windows are not offered',
  cumulate: 'cumulative windows are not offered',
  sliding_event: 'windows that begin and end at events are not offered',
};
const LONGEST_MS = 366 * 86_400_000;

/** Why a window is none of the product's; undefined when it is one. */
export function whyNoWindow(window: WindowSpec): string | undefined {
  const { type, size = 1, slide = size, end_inclusive } = window;
  if (NOT_OFFERED[type]) return NOT_OFFERED[type];
  if ('tz' in window) return 'windows in local time are not offered';
  if (end_inclusive) return 'windows that hold their end are not offered';
  if (slide > size) return 'a step longer than the window is refused: events would fall between windows';
  if (size > LONGEST_MS) return 'a window is at most 366 days long';
  return undefined;
}

/**
 * Why what a vector asks for is not in the product, from its specification alone; undefined when it is.
 *
 * Refusals are never out of scope as a whole: each of their cases decides for itself.
 */
export function whyNotApplicable(vector: Vector): string | undefined {
  const { kind, spec = {}, steps = [] } = vector;
  if (kind === 'reject') return undefined;
  if (kind === 'assign_tz') return 'windows in local time are not offered';
  for (const window of windowsOf(vector)) {
    const why = whyNoWindow(window);
    if (why) return why;
  }
  return (
    whyNotSpec(spec) ??
    whyNotValues(vector) ??
    ((vector.allowed_lateness ?? 0) > 0 ? ALLOWED_LATENESS : undefined) ??
    (steps.some(({ op }) => op === 'upsert') ? 'tables of last values (upsert) are not offered' : undefined) ??
    (steps.some(({ new_config }) =>
      Object.keys(new_config ?? {}).some((name) => name !== (kind === 'watermark' ? 'policy' : 'delay')),
    )
      ? 'a declaration that changes in other ways than its delay needs a new revision'
      : undefined) ??
    (steps.some((step) => 'item' in step || 'advance_clock_s' in step)
      ? 'watermarks that follow the system clock of each key are not offered'
      : undefined)
  );
}

const ALLOWED_LATENESS = 'allowed lateness is not offered: a final result never changes';

function whyNotSpec(spec: Spec): string | undefined {
  const { stages, aggs = [], having, explode, then } = spec;
  if (stages?.some((stage) => 'dedup' in stage || 'dedup_within_watermark' in stage))
    return 'de-duplication by value is not offered';
  if (stages) return 'chained windows are not offered';
  const agg = aggs.find((text) => !aggOf(text));
  if (agg !== undefined) return `the aggregate ${agg} is not offered`;
  if (having !== undefined) return 'a filter over results is not offered';
  if (explode !== undefined) return `a step in words, '${explode}', cannot be run`;
  if (then !== undefined && !isThen(then)) return `a step over results in words, '${then}', cannot be run`;
  if ((spec.allowed_lateness ?? 0) > 0) return ALLOWED_LATENESS;
  if (spec.early_count !== undefined || spec.late_count !== undefined)
    return 'early and late panes are not offered: a window has one final result';
  if (spec.late_rule === 'event') return 'lateness by event is not offered: it loses events whose window is open';
  if (spec.policy === 'max') return 'the greatest watermark of several inputs is not offered: it loses the slower one';
  if (spec.policy !== undefined && spec.policy !== 'min')
    return `the policy ${spec.policy} over several inputs is not offered`;
  if (spec.order_by && !isRanked(spec)) return 'results are ordered by one column, descending, then by key';
  return undefined;
}

/** `per window keep rows with count = max(count)`: the first ranks, ties included. */
export const isThen = (then: string): boolean => /^per window keep rows with (\w+) = max\(\1\)$/.test(then);

/** By window, then by an aggregate, descending, then by key: the order of result rows. */
const isRanked = ({ order_by = [], aggs = [], key = ['k'] }: Spec): boolean => {
  const [window, rank, ...keys] = order_by;
  return (
    window?.[0] === 'w' &&
    window[1] === 'asc' &&
    rank?.[1] === 'desc' &&
    aggs.some((text) => aggOf(text)?.name === rank[0]) &&
    keys.every(([name, direction], i) => name === key[i] && direction === 'asc')
  );
};

/** Sums and their like are of numbers. */
function whyNotValues(vector: Vector): string | undefined {
  const { spec = {}, steps = [], events = [], log = [], arrivals = [] } = vector;
  const all = [...steps.flatMap(eventsOf), ...events, ...log, ...arrivals];
  for (const text of spec.aggs ?? []) {
    const agg = aggOf(text);
    const isOfNumbers = agg && ['sum', 'avg', 'min', 'max'].includes(agg.name);
    if (isOfNumbers && scaleOf(all, agg.field) === undefined)
      return `${text} of values that are no decimals of at most 28 digits is not offered`;
  }
  if ((spec.watermark?.delay ?? 0) > MAX_DELAY_MS) return 'a watermark is at most a year behind';
  return undefined;
}

function windowsOf(vector: Vector): WindowSpec[] {
  const { spec, window, groups = [], queries = [], expired = [] } = vector;
  const inside = [...groups, ...expired].flatMap((one) => one['window'] ?? []) as unknown as WindowSpec[];
  return [spec?.window, window, ...inside, ...queries.map((query) => query.window)].filter((one) => one !== undefined);
}

/** What vector files hold. Values of events and rows are whatever JSON says; numbers may be text, for exactness. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type Fields = { readonly [name: string]: Json };
/** `[start, end]` in ms; `[start, end)` unless the window's type says otherwise. */
export type Bounds = readonly [number, number];

/** `t` is its time in ms, null for none; further fields are data: `k` the key, `v` the value, `p` and `o` its place. */
export type Event = Fields & { readonly t: number | null };
/** A result row: `w` its window, then its group and its aggregates. */
export type Row = Fields;

export interface WindowSpec {
  readonly type: string;
  readonly size?: number;
  readonly slide?: number;
  readonly offset?: number;
  readonly align_to?: number;
  readonly clamp_start_at_zero?: boolean;
  readonly end_inclusive?: boolean;
}

export interface Spec {
  readonly window?: WindowSpec;
  readonly aggs?: readonly string[];
  readonly key?: readonly string[];
  readonly mode?: string;
  readonly watermark?: {
    readonly policy?: string;
    readonly delay?: number;
    readonly partitions?: number;
    readonly max_future_skew?: number;
  };
  readonly allowed_lateness?: number;
  readonly early_count?: number;
  readonly late_count?: number;
  readonly late_rule?: string;
  readonly no_data_batches?: boolean;
  readonly emit_interval_ms?: number;
  readonly flush_at_end?: boolean;
  readonly order_by?: readonly (readonly [string, string])[];
  readonly ordered?: boolean;
  readonly stages?: readonly Fields[];
  readonly inputs?: { readonly [name: string]: { readonly delay?: number } };
  readonly policy?: string;
  readonly having?: string;
  readonly explode?: string;
  readonly then?: string;
}

export interface Step {
  readonly op: string;
  readonly expect?: Fields;
  readonly events?: readonly Event[];
  readonly t?: number;
  readonly now?: number;
  readonly new_config?: Fields;
  readonly sink?: string;
  readonly fails_at_event_index?: number;
  readonly in?: { readonly [name: string]: readonly number[] };
  readonly fresh?: boolean;
  readonly [name: string]: unknown;
}

export interface Vector {
  readonly id: string;
  readonly title: string;
  readonly kind: string;
  readonly source: Fields;
  readonly spec?: Spec;
  readonly steps?: readonly Step[];
  readonly events?: readonly Event[];
  readonly events_generator?: Fields;
  readonly events_ref?: string;
  readonly expect?: Fields;
  readonly rows?: readonly Row[];
  readonly multiset_without_window?: readonly Json[];
  readonly queries?: readonly {
    readonly window: WindowSpec;
    readonly key?: readonly string[];
    readonly rows: readonly Row[];
  }[];
  readonly cases?: readonly Fields[];
  readonly groups?: readonly Fields[];
  readonly window?: WindowSpec;
  readonly watermark?: number;
  readonly allowed_lateness?: number;
  readonly dropped_late?: number;
  readonly expired?: readonly Fields[];
  readonly log?: readonly Event[];
  readonly arrivals?: readonly Event[];
  readonly now?: number;
  readonly cuts?: readonly (readonly Bounds[])[];
  readonly deliveries?: readonly Json[];
  readonly property?: string;
  readonly generator?: Fields;
  readonly example?: Fields;
  readonly time_unit_inputs?: string;
  readonly variants?: Json;
  readonly deviation?: string;
}

export interface VectorFile {
  readonly schema_version: number;
  readonly vectors: readonly Vector[];
}

/** Thrown by what finds, only as it runs, that nothing of a vector is in the product. */
export class NotApplicable extends Error {}

/** Names a place in a file may have, separated by spaces; `*` when its names are data. */
const names = (text: string): ReadonlySet<string> => new Set(text.split(' '));

const TOP = names('schema_version documentation conventions licence_note vectors');
const VECTOR = names(
  'id title tags notes source kind spec steps events expect rows cases groups log arrivals now deliveries cuts queries window watermark allowed_lateness dropped_late expired events_generator events_ref multiset_without_window variants derived deviation machine_checked property generator example time_unit_inputs',
);
const SPEC = names(
  'window aggs key mode watermark allowed_lateness accumulation early_count late_count late_rule no_data_batches emit_interval_ms flush_at_end order_by ordered stages inputs policy having explode then',
);
const WINDOW = names(
  'type size slide offset gap step diff tz align_to clamp_start_at_zero touching_merges end_inclusive',
);
const WINDOW_TYPES = names('tumbling hopping session cumulate sliding_event instant none');
const WATERMARK = names('policy delay partitions max_future_skew');
const STAGE = names('window aggs dedup dedup_within_watermark');
const POLICIES = names('batch_max record_max explicit explicit_exclusive');
const MODES = names('append update complete final changes');
const EVENT = names('t k v p o');

/** What each operation of a step takes. `*`: the event's own fields. */
const OPERATIONS: Readonly<Record<string, ReadonlySet<string>>> = {
  batch: names('events batch_time'),
  events: names('events'),
  event: names('*'),
  upsert: names('*'),
  watermark: names('t'),
  clock: names('now'),
  restart: names('new_config sink'),
  snapshot_restore: names(''),
  crash: names('lost wall_clock_now'),
  replay_last: names(''),
  batch_fail: names('events fails_at_event_index'),
  redeliver: names('events'),
  preload: names('batches watermark'),
  end: names(''),
  eof: names(''),
  observe: names('in fresh item advance_clock_s'),
};

const EXPECT = names(
  'emit emit_final emit_final_anchor emit_final_lists changes changes_list changes_format n_changes last_per_window dropped_late dropped_late_total dropped_partials dropped_pairs late_side state_rows watermark watermark_after metrics sink_total duplicates dropped_no_time effective_policy lateness_max lateness_avg final_rows_closed open_rows final_state_or_emitted each_final_row_emitted_times',
);
const POLICY_EXPECT = names('emit kept dropped_late combined_watermark');

/** What a case of each kind holds; kinds that are not here have no cases. */
const CASES: Readonly<Record<string, ReadonlySet<string>>> = {
  assign: names('t windows'),
  assign_tz: names('t first_closing_local'),
  slices: names('window_end slice_ends'),
  watermark_combine: names('events combined idle then combined_then idle_then'),
  idle_timer: names('timeout probe_at idle activity_at probe_after idle_after error'),
  late_filter: names('t kept'),
  parse: names('in ms error'),
  reject: names('in spec window windows error'),
  algebra: names('a add merge then'),
  note: names('events size grace emit_final emit_final_anchor count_of values'),
};
const KINDS = names(
  'trace recovery batch_agg assign assign_members assign_tz slices watermark watermark_combine idle_timer late_filter parse reject algebra differential property note',
);

/** Everything in a vector that nobody knows: a runner that passed it by would claim more than it has checked. */
export function problemsOf(vector: Vector): string[] {
  const problems: string[] = [];
  const known = (what: string, found: object | undefined, allowed: ReadonlySet<string>) => {
    for (const name of Object.keys(found ?? {})) {
      if (!allowed.has(name) && !allowed.has('*')) problems.push(`${what}: key '${name}' is not known`);
    }
  };
  const oneOf = (what: string, found: string | undefined, allowed: ReadonlySet<string>) => {
    if (found !== undefined && !allowed.has(found)) problems.push(`${what} '${found}' is not known`);
  };
  const window = (what: string, found: WindowSpec | undefined) => {
    known(what, found, WINDOW);
    if (found) oneOf(`${what}: type`, found.type, WINDOW_TYPES);
  };
  const spec = (what: string, found: Spec | undefined) => {
    known(what, found, SPEC);
    window(`${what}.window`, found?.window);
    known(`${what}.watermark`, found?.watermark, WATERMARK);
    oneOf(`${what}: policy`, found?.watermark?.policy, POLICIES);
    oneOf(`${what}: mode`, found?.mode, MODES);
    for (const stage of found?.stages ?? []) known(`${what}.stages`, stage, STAGE);
    for (const input of Object.values(found?.inputs ?? {})) known(`${what}.inputs`, input, names('delay'));
  };
  // Fields that every event has are columns of data; one that only some have is a slip of the pen.
  const all = [vector.events, vector.log, vector.arrivals, ...(vector.steps ?? []).map((step) => step.events)].flatMap(
    (list) => list ?? [],
  );
  const columns = new Set(
    Object.keys(all[0] ?? {}).filter((name) => all.length > 1 && all.every((event) => name in event)),
  );
  const events = (what: string, found: readonly Event[] | undefined) => {
    for (const event of found ?? []) {
      if (typeof event !== 'object' || event === null) problems.push(`${what}: ${JSON.stringify(event)} is no event`);
      else if (typeof event.t !== 'number' && event.t !== null) problems.push(`${what}: an event without its time t`);
      else known(`${what}: event`, event, new Set([...EVENT, ...columns]));
    }
  };

  known('vector', vector, VECTOR);
  oneOf('kind', vector.kind, KINDS);
  spec('spec', vector.spec);
  window('window', vector.window);
  for (const list of ['events', 'log', 'arrivals'] as const) events(list, vector[list]);
  for (const [i, step] of (vector.steps ?? []).entries()) {
    const what = `step ${i + 1}`;
    const { op, expect, note: _, notes: __, ...rest } = step;
    const allowed = OPERATIONS[op];
    if (!allowed) problems.push(`${what}: op '${op}' is not known`);
    else if (!allowed.has('*')) known(`${what} (${op})`, rest, allowed);
    else events(what, [rest as unknown as Event]);
    events(what, step.events);
    known(`${what}: expect`, expect, EXPECT);
  }
  if (vector.kind === 'differential') {
    for (const [policy, answer] of Object.entries(vector.expect ?? {})) {
      for (const one of Array.isArray(answer) ? answer : [answer])
        known(`expect.${policy}`, one as Fields, POLICY_EXPECT);
    }
  } else known('expect', vector.expect, EXPECT);
  const allowed = CASES[vector.kind];
  if (vector.cases && !allowed) problems.push(`kind '${vector.kind}' has no cases`);
  for (const [i, one] of (vector.cases ?? []).entries()) {
    known(`case ${i + 1}`, one, allowed ?? names(''));
    const { spec: ofCase, window: ofWindow } = one as unknown as { spec?: Spec; window?: WindowSpec };
    spec(`case ${i + 1}: spec`, ofCase);
    window(`case ${i + 1}: window`, ofWindow);
  }
  for (const [i, group] of (vector.groups ?? []).entries()) {
    known(`group ${i + 1}`, group, names('window cases members in_no_window'));
    window(`group ${i + 1}: window`, group['window'] as unknown as WindowSpec);
  }
  for (const [i, query] of (vector.queries ?? []).entries()) {
    known(`query ${i + 1}`, query, names('window key rows'));
    window(`query ${i + 1}: window`, query.window);
  }
  for (const one of vector.expired ?? []) known('expired', one, names('window window_end expired_slice_end'));
  return problems;
}

/** What is wrong with a file as a whole; empty when it holds vectors. */
export function fileProblems(file: unknown): string[] {
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return ['expected an object'];
  const { schema_version, vectors } = file as Partial<VectorFile>;
  const problems = Object.keys(file)
    .filter((name) => !TOP.has(name))
    .map((name) => `key '${name}' is not known`);
  if (schema_version !== 1) problems.push(`schema_version is ${JSON.stringify(schema_version)}; expected 1`);
  if (!Array.isArray(vectors)) return [...problems, "expected a list 'vectors'"];
  const ids = vectors.map(({ id }) => id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) problems.push(`two vectors have the id ${id}`);
  for (const [i, { id, kind }] of vectors.entries()) {
    if (typeof id !== 'string' || typeof kind !== 'string') problems.push(`vectors[${i}] has no id or no kind`);
  }
  return problems;
}

import { accumulator, avg, max, min, type Result } from '../../lib/aggregate/aggregate.ts';
import { changeFormat, changesOf, pairsBefore0 } from './changes.ts';
import { compareRows, compareValue, canonical } from './compare.ts';
import type { Agg, Options } from './declare.ts';
import { eventsOf, traceOf, type Played, type Trace } from './log.ts';
import { repeated } from './repeat.ts';
import type { Event, Fields, Json, Row, Spec, Step, Vector } from './schema.ts';
import { NOW, newWorld } from './world.ts';

/** What came of running something. */
export interface Findings {
  /** What is not as expected. Empty: passed. */
  readonly problems: readonly string[];
  /** What a reader of "passed" should know. */
  readonly notes: readonly string[];
}

/** Looks at all results after the last step, in rank order. */
export type Last = (rows: readonly Row[], columns: readonly string[], aggs: readonly Agg[]) => string[];

/** Plays a trace through `count` and `finalize`, step by step, and then again in every way a log can be delivered. */
export async function replay(
  vector: Vector,
  spec: Spec,
  steps: readonly Step[],
  last?: Last,
  filter?: Options['filter'],
): Promise<Findings> {
  const dropsNull = isKafka(vector) && steps.flatMap(eventsOf).some(({ k }) => k === null);
  const trace = traceOf(spec, steps, dropsNull ? ({ key }) => key !== null : filter);
  const player = await playerOf(vector, spec, trace);
  const problems: string[] = [];
  for (const [i, played] of trace.played.entries()) {
    const found = await player.play(played);
    problems.push(
      ...found.map((problem) =>
        trace.played.length === 1 ? problem : `step ${i + 1} (${played.step.op}), ${problem}`,
      ),
    );
  }
  const { columns, aggs } = trace.declared;
  if (last) problems.push(...last((await player.answer()).finals, columns, aggs));
  if (problems.length === 0) problems.push(...(await repeated(trace, spec, await player.answer(), player.isWhole)));
  const notes = notesOf(spec, trace, steps, player.isClamped);
  if (dropsNull)
    notes.push(
      'records without a key, which the original passes by, are filtered out; without the filter, null is a group',
    );
  if (vector.variants !== undefined) notes.push('its variants, answers under other options, are not run');
  return { problems, notes };
}

/** Kafka Streams and what is built on it know no window that begins before 1970, and pass by records without a key. */
const isKafka = ({ source }: Vector): boolean => ['kafka_streams', 'ksqldb'].includes(String(source['system']));

async function playerOf(vector: Vector, spec: Spec, trace: Trace) {
  const { declared, log, partitions, time } = trace;
  const { columns, aggs } = declared;
  const world = await newWorld(declared, log, partitions);
  const isClamped = spec.window?.clamp_start_at_zero === true || isKafka(vector);
  const inScope = (rows: readonly Row[]) => (isClamped ? rows.filter((row) => startOf(row) >= 0) : [...rows]);
  const order = spec.order_by ? 'rows' : spec.ordered ? 'windows' : 'free';
  const rowsAre = (what: string, expected: Json, found: readonly Row[]) =>
    compareRows(what, expected as readonly Row[], inScope(found), columns, aggs, order);
  const key = (row: Row) => JSON.stringify([row['w'] ?? null, columns.map((column) => row[column] ?? null)]);
  const changesSince = (before: readonly Row[], after: readonly Row[]): Row[] => {
    const old = new Map(before.map((row) => [key(row), canonical(row, columns, aggs)]));
    return after.filter((row) => old.get(key(row)) !== canonical(row, columns, aggs));
  };
  const all = async () => [...(await world.finals()), ...(await world.open())].sort((a, b) => startOf(a) - startOf(b));
  const needsChanges = spec.mode === 'update' || spec.mode === 'changes';
  let finalizedAt = Number.NEGATIVE_INFINITY;
  let emitted: readonly Row[] = [];
  let cleared: readonly Row[] = [];
  let lateSeen = new Set<string>();
  let wall = 0;
  /** The schedule: at once after every delivery, unless the vector throttles emission. */
  const schedule = async () => {
    if (spec.emit_interval_ms !== undefined && wall - finalizedAt < spec.emit_interval_ms) return;
    finalizedAt = wall;
    await world.finalize();
  };

  async function play({ step, entries, declared: current }: Played): Promise<string[]> {
    const isEnd = step.op === 'end' || step.op === 'eof';
    const before = needsChanges ? await all() : [];
    const [counters, watermark] = [await world.counters(), await world.watermark()];
    const isBatch = entries.length > 0 || step.op === 'batch';
    if (isBatch && spec.no_data_batches === false) await world.finalize();
    if (step.op === 'clock') {
      if (finalizedAt === Number.NEGATIVE_INFINITY) finalizedAt = Number(step.now);
      wall = Number(step.now);
      world.setNow(NOW + wall);
    } else if (step.op === 'restart' || step.op === 'snapshot_restore' || step.op === 'crash') {
      world.restart(current);
      if (step.sink !== undefined) cleared = await world.finals();
    } else if (step.op === 'batch_fail') {
      await world.deliver(entries, { call: 1, kind: 'before' }); // at the commit: all of a batch counts, or nothing
      world.restart(current);
    } else if (entries.length > 0) await world.deliver(entries);
    if (declared.pipeline.running) await world.finalize(); // totals are read as its snapshot shows them
    const changed = needsChanges ? changesSince(before, await all()) : [];
    if (isBatch && spec.no_data_batches !== false) await schedule();
    if (step.op === 'eof' || (isEnd && spec.flush_at_end)) await world.flush();

    const finals = await world.finals();
    const newly = changesSince(emitted, finals);
    emitted = finals;
    const open = await world.open();
    const after = await world.counters();
    const since = isEnd || step.op === 'whole' ? { late: 0, rejected: 0, pairsMissed: 0 } : counters;
    const expectations: Readonly<Record<string, (expected: Json) => string[] | Promise<string[]>>> = {
      emit: (expected) => {
        if (step.op === 'replay_last') return missingFrom(expected as readonly Row[], [...finals, ...open]);
        return rowsAre(
          'emit',
          expected,
          spec.mode === 'complete' ? [...finals, ...open] : needsChanges ? changed : newly,
        );
      },
      emit_final: (expected) => rowsAre('emit_final', expected, finals),
      final_rows_closed: (expected) => rowsAre('final_rows_closed', expected, finals),
      open_rows: (expected) => rowsAre('open_rows', expected, open),
      final_state_or_emitted: (expected) => rowsAre('final_state_or_emitted', expected, [...finals, ...open]),
      emit_final_lists: (expected) =>
        compareValue(
          'emit_final_lists',
          sortedLists(expected as readonly Json[]),
          sortedLists(inScope(finals).map((row) => row['list'] ?? [])),
        ),
      sink_total: (expected) => rowsAre('sink_total', expected, changesSince(cleared, finals)),
      duplicates: (expected) => compareValue('duplicates', expected, finals.length - new Set(finals.map(key)).size),
      each_final_row_emitted_times: (expected) =>
        compareValue('each_final_row_emitted_times', expected, Math.max(...world.finalReports.values())),
      dropped_late: (expected) => compareValue('dropped_late', expected, after.late - since.late),
      dropped_late_total: (expected) => compareValue('dropped_late_total', expected, after.late),
      dropped_no_time: (expected) => compareValue('dropped_no_time', expected, after.rejected - since.rejected),
      dropped_pairs: (expected) => {
        const before0 = isClamped ? pairsBefore0(trace) : 0;
        return compareValue('dropped_pairs', expected, after.pairsMissed - since.pairsMissed - before0);
      },
      late_side: async (expected) => {
        const late = await world.late();
        const side = log
          .filter(({ p, o }) => late.has(`${p}/${o}`) && !lateSeen.has(`${p}/${o}`))
          .map(({ event }) => sorted(event));
        lateSeen = late;
        return compareValue('late_side', (expected as readonly Fields[]).map(sorted), side);
      },
      state_rows: (expected) => compareValue('state_rows', expected, inScope(open).length),
      watermark: async (expected) => compareValue('watermark', expected, shown(await world.watermark(), time)),
      watermark_after: async (expected) =>
        compareValue('watermark_after', expected, shown(await world.watermark(), time)),
      metrics: (expected) => metricsAre(expected as Fields, eventsOf(step), shown(watermark, time)),
      changes: async (expected) => {
        const format = changeFormat(step.expect?.['changes_format']);
        const found = (await changesOf(trace, inScope)).map((row) => format(row, declared));
        return compareValue('changes', expected, found);
      },
      changes_list: async (expected) =>
        compareValue(
          'changes_list',
          expected,
          (await changesOf(trace, inScope)).map((row) => [...(row['w'] as readonly number[]), row['list'] ?? []]),
        ),
      n_changes: async (expected) => compareValue('n_changes', expected, (await changesOf(trace, inScope)).length),
      last_per_window: async (expected) => {
        const last = new Map((await changesOf(trace, inScope)).map((row) => [key(row), row]));
        const wanted = expected as readonly Json[];
        if (!wanted.some(Array.isArray)) return rowsAre('last_per_window', expected, [...last.values()]);
        const format = changeFormat(undefined, (wanted[0] as readonly Json[]).length);
        return compareValue(
          'last_per_window',
          sortedLists(wanted),
          sortedLists([...last.values()].map((row) => format(row, declared))),
        );
      },
    };
    const problems: string[] = [];
    if (needsChanges && isBatch && !declared.pipeline.running && spec.emit_interval_ms === undefined) {
      problems.push(...compareRows('snapshots of open windows', open, await world.live(), columns, aggs));
    }
    for (const [name, expected] of Object.entries(step.expect ?? {})) {
      if (IGNORED.has(name)) continue;
      const check = expectations[name];
      problems.push(...(check ? await check(expected) : [`expect.${name} has no meaning here`]));
    }
    return problems;
  }

  const missingFrom = (expected: readonly Row[], found: readonly Row[]): string[] => {
    const have = new Set(found.map((row) => canonical(row, columns, aggs)));
    const missing = expected.filter((row) => !have.has(canonical(row, columns, aggs)));
    return missing.length === 0 ? [] : compareRows('emit', expected, found, columns, aggs);
  };
  return {
    play,
    isClamped,
    /** Whether everything that is closed has been emitted by the end of the trace. */
    isWhole: spec.emit_interval_ms === undefined && spec.no_data_batches !== false,
    answer: async () => ({ finals: await world.results(), late: (await world.counters()).late }),
  };
}

/** Expectations that only explain others, or tell numbers of the original's that the product does not report. */
const IGNORED = new Set([
  'changes_format',
  'emit_final_anchor',
  'dropped_partials',
  'lateness_max',
  'lateness_avg',
  'effective_policy',
]);

const startOf = (row: Row): number => (row['w'] as readonly number[] | undefined)?.[0] ?? 0;
const sorted = (fields: Fields = {}): Fields =>
  Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
const sortedLists = (lists: readonly Json[]): string[] =>
  lists
    .map((list) => JSON.stringify(Array.isArray(list) ? list.map((one) => JSON.stringify(one)).sort() : list))
    .sort();

/** Engines whose watermark follows batches begin at 0; ours at nothing. */
const shown = (watermark: number, time: Trace['time']): number =>
  time === 'none' || watermark < 0 ? Math.max(0, watermark) : watermark;

/** Event times of one batch, and the watermark in force while it ran. */
function metricsAre(expected: Fields, events: readonly Event[], watermark: number): string[] {
  const over = (aggregate: Parameters<typeof accumulator>[0]): number => {
    const { of, merge, zero, read } = accumulator(aggregate);
    const state = events.reduce((state, { t }) => merge(state, of(t) ?? zero), zero);
    return Number(String(read(state) satisfies Result));
  };
  const found: Fields = {
    min: over(min('t', { scale: 0 })),
    max: over(max('t', { scale: 0 })),
    avg: over(avg('t', { scale: 0, resultScale: 3 })),
    watermark,
  };
  return Object.entries(expected).flatMap(([name, value]) => compareValue(`metrics.${name}`, value, found[name]));
}

function notesOf(spec: Spec, { time, log }: Trace, steps: readonly Step[], isClamped: boolean): string[] {
  const notes: string[] = [];
  const expects = (name: string) => steps.some(({ expect }) => expect && name in expect);
  if (time === 'beats') {
    const why = spec.watermark?.policy === 'batch_max' ? 'a watermark by batch' : 'a watermark set by hand';
    notes.push(`${why} travels as records without an event`);
  }
  if (spec.watermark?.policy === 'batch_max' && time === 'record')
    notes.push('judged record by record, which gives the same rows here');
  if (spec.aggs?.some((agg) => agg.startsWith('list'))) notes.push('lists are compared without their order');
  if (isClamped && log.some(({ wire }) => (wire.t ?? 0) < (spec.window?.size ?? 0) && spec.window?.type === 'hopping'))
    notes.push('windows that begin before 1970, which the original does not have, are left out');
  if (spec.window?.type === 'instant') notes.push('an instant is a window of 1 ms');
  for (const [name, what] of Object.entries(OTHERS)) if (expects(name)) notes.push(what);
  return notes;
}
const OTHERS = {
  emit_final_anchor: 'the original loses rows here; the answer is the loss-free one',
  dropped_partials: "dropped groups are the original's own count; ours is in events and pairs",
  lateness_max: 'statistics of lateness are not reported',
};

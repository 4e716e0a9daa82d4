import { seeded } from '../../lib/pipelines/random.ts';
import { compareRows, compareValue } from './compare.ts';
import { declare } from './declare.ts';
import { traceOf } from './log.ts';
import { replay, type Findings } from './replay.ts';
import {
  NotApplicable,
  type Bounds,
  type Event,
  type Fields,
  type Json,
  type Row,
  type Spec,
  type Step,
  type Vector,
} from './schema.ts';
import { NOW, newWorld, type Entry } from './world.ts';

/** A log under given deliveries; or a law in words, with an example and a generator of more. */
export async function property(vector: Vector): Promise<Findings> {
  return vector.log ? await delivered(vector, vector.log) : await benchmark(vector);
}

type Delivered = Bounds | { readonly range: Bounds; readonly crash_after_state_items?: number };

/** Deliveries that overlap, repeat and die half-way come to what one pass comes to. */
async function delivered(vector: Vector, events: readonly Event[]): Promise<Findings> {
  const { spec = {}, deliveries = [], expect = {} } = vector;
  const steps: Step[] = [{ op: 'events', events }];
  const once = await replay(vector, spec, [...steps, { op: 'end', expect }]);
  if (once.problems.length > 0) return once;
  const problems: string[] = [];
  const trace = traceOf(spec, steps);
  // A process that dies in its commit has stored all of it or nothing: its answer may be lost either way.
  for (const kind of ['before', 'after'] as const) {
    const world = await newWorld(trace.declared, trace.log, trace.partitions);
    for (const one of deliveries as unknown as readonly Delivered[]) {
      const [from, to] = 'range' in one ? one.range : one;
      const entries = trace.log.filter(({ o }) => o >= from && o <= to);
      const dies = 'range' in one && one.crash_after_state_items !== undefined;
      await world.deliver(entries, dies ? { call: 1, kind } : undefined);
      await world.finalize();
    }
    problems.push(...(await compareWhole(world, trace.declared, expect, kind)));
  }
  return { problems, notes: once.notes };
}

async function compareWhole(
  world: Awaited<ReturnType<typeof newWorld>>,
  { columns, aggs }: ReturnType<typeof declare>,
  expect: Fields,
  when: string,
): Promise<string[]> {
  const all = [...(await world.finals()), ...(await world.open())];
  const { final_state_or_emitted: rows, dropped_late, each_final_row_emitted_times: times } = expect;
  return [
    ...(rows === undefined ? [] : compareRows(`deliveries (${when})`, rows as readonly Row[], all, columns, aggs)),
    ...(dropped_late === undefined
      ? []
      : compareValue(`deliveries (${when}): dropped_late`, dropped_late, (await world.counters()).late)),
    ...(times === undefined
      ? []
      : compareValue(`deliveries (${when}): times`, times, Math.max(...world.finalReports.values()))),
  ];
}

/** `[ad, event_type, event_time]`. */
type AdEvent = readonly [ad: string, type: string, t: number];
const GENERATED = 2_000;
/** Buckets of the benchmark. */
const BUCKET_MS = 10_000;

/** Views per campaign and bucket: keep views, map each ad to its campaign, count; ads of no campaign have no output. */
async function benchmark({ example = {}, generator = {} }: Vector): Promise<Findings> {
  const { ads, events, rows, unjoined, ...others } = example;
  if (typeof ads !== 'object' || !Array.isArray(events) || !Array.isArray(rows) || Object.keys(others).length > 0) {
    throw new NotApplicable('a law in words, whose example is none of the kinds that can be run');
  }
  const counted = await countViews(ads as Readonly<Record<string, string>>, events);
  const text = (list: readonly Json[]) => list.map((row) => JSON.stringify(row)).sort();
  const problems = compareValue('example', text(rows as readonly Json[]), text(counted.rows));
  if (unjoined !== undefined) problems.push(...compareValue('unjoined', unjoined, counted.unjoined));

  const { campaigns, ads_per_campaign, event_types, catchup_spacing_ms } = generator;
  if (typeof campaigns !== 'number' || typeof ads_per_campaign !== 'number' || !Array.isArray(event_types))
    return { problems, notes: [] };
  const random = seeded(campaigns);
  const pick = (n: number) => Math.floor(random() * n);
  const many = Object.fromEntries(
    Array.from({ length: campaigns * ads_per_campaign }, (_, i) => [`ad${i}`, `c${Math.floor(i / ads_per_campaign)}`]),
  );
  const made = Array.from({ length: GENERATED }, (_, i): AdEvent => {
    const skew = pick(100) - 49 - (random() < 0.001 ? pick(60_000) : 0);
    return [
      `ad${pick(campaigns * ads_per_campaign)}`,
      String(event_types[pick(event_types.length)]),
      1_000_000 + i * Number(catchup_spacing_ms ?? 10) + skew,
    ];
  });
  const offline = new Map<string, number>();
  for (const [ad, type, t] of made) {
    const bucket = JSON.stringify([many[ad], Math.floor(t / BUCKET_MS) * BUCKET_MS]);
    if (type === 'view') offline.set(bucket, (offline.get(bucket) ?? 0) + 1);
  }
  const expected = [...offline].map(([bucket, n]) => [...(JSON.parse(bucket) as Json[]), n]);
  problems.push(...compareValue('generated', text(expected), text((await countViews(many, made)).rows)));
  return { problems, notes: [`also ${GENERATED} generated events`] };
}

/** Type and campaign travel as the event's value and key, and the pipeline's filter keeps what the benchmark keeps. */
async function countViews(
  ads: Readonly<Record<string, string>>,
  input: readonly AdEvent[],
): Promise<{ rows: Json[]; unjoined: number }> {
  const spec: Spec = { window: { type: 'tumbling', size: BUCKET_MS }, aggs: ['count'] };
  const declared = declare(spec, [], { delayMs: 120_000, filter: ({ key }) => key !== null });
  const log = input.map(([ad, type, t], o): Entry => {
    const event = { t, k: type === 'view' ? (ads[ad] ?? null) : null };
    return { p: 0, o, timestamp: NOW, wire: declared.wireOf(event), event };
  });
  const world = await newWorld(declared, log, 1);
  for (let at = 0; at < log.length; at += 100) {
    await world.deliver(log.slice(at, at + 100));
    await world.deliver(log.slice(Math.max(0, at - 50), at + 100)); // again, and more than once
  }
  await world.flush();
  const rows = (await world.finals()).map((row): Json => [
    row['k'] ?? null,
    (row['w'] as readonly number[])[0] ?? null,
    row['count'] ?? null,
  ]);
  return { rows, unjoined: input.filter(([ad, type]) => type === 'view' && ads[ad] === undefined).length };
}

/** Remarks of an original with small inputs: rows without a key, or without the value that is counted, are filtered out. */
export async function noted(vector: Vector): Promise<Findings> {
  const all: Findings[] = [];
  for (const one of vector.cases ?? []) {
    const { size, grace = 0, events, values, emit_final } = one;
    if (!Array.isArray(emit_final) || typeof size !== 'number')
      return { problems: ['a case without size or emit_final'], notes: [] };
    const keyOf = (emit_final as readonly Row[])[0]?.['k'] ?? null;
    const list = (values ?? events ?? []) as readonly (readonly [Json, Json])[];
    const input = list.map(([a, b]): Event =>
      values === undefined ? { t: Number(b), k: a } : { t: Number(a), k: b === null ? null : keyOf },
    );
    const spec: Spec = {
      window: { type: 'tumbling', size },
      aggs: ['count'],
      mode: 'final',
      watermark: { policy: 'record_max', delay: Number(grace) },
    };
    const steps: Step[] = [
      { op: 'events', events: input },
      { op: 'end', expect: { emit_final } },
    ];
    all.push(await replay(vector, spec, steps, undefined, ({ key }) => key !== null));
  }
  const notes = [
    ...all.flatMap(({ notes }) => notes),
    'what the original ignores (no key, no value) a filter drops here; without it, null is a group',
  ];
  if (vector.deviation !== undefined) notes.push('the original loses rows here; the answer is the loss-free one');
  return { problems: all.flatMap(({ problems }) => problems), notes: [...new Set(notes)] };
}

import { compareRows, compareValue } from './compare.ts';
import { declare } from './declare.ts';
import { replay, type Findings } from './replay.ts';
import type { Bounds, Event, Fields, Json, Row, Spec, Step, Vector } from './schema.ts';
import { NOW, newWorld, type Entry } from './world.ts';

/** What one policy makes of the input. */
type Answer = Fields;

/**
 * One input judged in several ways. Ours are `record_max`, `per_partition_min`, also with an idle partition, and
 * `with_guard`; the answers of the others are had from the same code by other means, to show how they differ.
 */
export async function differential(vector: Vector): Promise<Findings> {
  const problems: string[] = [];
  const notes = new Set<string>();
  for (const [policy, expected] of Object.entries(vector.expect ?? {})) {
    const found = await answered(vector, policy, expected);
    problems.push(...found.problems.map((problem) => `${policy}: ${problem}`));
    for (const note of found.notes) notes.add(note);
  }
  return { problems, notes: [...notes] };
}

async function answered(vector: Vector, policy: string, expected: Json): Promise<Findings> {
  const { spec = {}, log = [], arrivals = [], cuts = [] } = vector;
  const input = log.length > 0 ? log : arrivals;
  const [, idle] = /^per_partition_min_then_p(\d+)_idle$/.exec(policy) ?? [];
  if (policy === 'batch_max') {
    const answers = Array.isArray(expected) ? (expected as readonly Answer[]) : [expected as Answer];
    const all: Findings[] = [];
    for (const [i, answer] of answers.entries()) {
      const batches = cuts[i] ?? [[0, input.length - 1] as Bounds];
      const steps = batches.map((bounds): Step => ({ op: 'batch', events: within(input, bounds) }));
      all.push(
        await whole(vector, { ...spec, watermark: { ...spec.watermark, policy: 'batch_max' } }, steps, input, answer),
      );
    }
    return { problems: all.flatMap(({ problems }) => problems), notes: all.flatMap(({ notes }) => notes) };
  }
  const answer = expected as Answer;
  const byRecord: Spec = { ...spec, watermark: withoutSkew(spec) };
  if (policy === 'record_max') {
    const steps = [{ op: 'events', events: input }];
    return await whole(vector, byRecord, steps, input, answer);
  }
  if (policy === 'global_max') {
    // One partition for all: its clock is the greatest of any.
    const events = input.map((event, o): Event => ({ ...event, p: 0, o }));
    const found = await whole(vector, byRecord, [{ op: 'events', events }], events, answer);
    return { ...found, notes: [...found.notes, 'a greatest watermark over all partitions is shown with a single one'] };
  }
  if (policy === 'per_partition_min' || idle !== undefined) {
    return await perPartition(byRecord, input, answer, idle === undefined ? undefined : Number(idle));
  }
  if (policy.endsWith('guard')) return await guarded(vector, policy === 'with_guard', input, answer);
  return { problems: ['this policy is not known'], notes: [] };
}

function withoutSkew({ watermark = {} }: Spec): NonNullable<Spec['watermark']> {
  const { max_future_skew: _, policy: __, ...rest } = watermark;
  return { ...rest, policy: 'record_max' };
}

const within = (events: readonly Event[], [from, to]: Bounds): readonly Event[] =>
  events.filter((event, i) => {
    const offset = Number(event['o'] ?? i);
    return offset >= from && offset <= to;
  });

/** A trace and its answer as a whole. */
async function whole(
  vector: Vector,
  spec: Spec,
  steps: readonly Step[],
  input: readonly Event[],
  answer: Answer,
): Promise<Findings> {
  const { emit, kept, dropped_late, combined_watermark } = answer;
  const late = dropped_late ?? (kept === undefined ? undefined : input.length - Number(kept));
  const expect = {
    ...(emit !== undefined && { emit_final: emit }),
    ...(late !== undefined && { dropped_late: late }),
    ...(combined_watermark !== undefined && { watermark: combined_watermark }),
  };
  const found = await replay(vector, spec, [...steps, { op: 'end', expect }]);
  const counted =
    kept === undefined || dropped_late === undefined
      ? []
      : compareValue('kept', kept, input.length - Number(dropped_late));
  return { ...found, problems: [...found.problems, ...counted] };
}

/** The least watermark of all partitions; with `idle`, of those that are left when that one has fallen idle. */
async function perPartition(
  spec: Spec,
  input: readonly Event[],
  answer: Answer,
  idle: number | undefined,
): Promise<Findings> {
  const declared = declare(spec, input, { delayMs: spec.watermark?.delay ?? 0 });
  const later = Math.max(...input.map(({ t }) => t ?? 0)) + 1;
  const timestamp = Math.max(NOW, later);
  const next = new Map<number, number>();
  const log = input.map((event): Entry => {
    const p = Number(event['p'] ?? 0);
    const o = Number(event['o'] ?? next.get(p) ?? 0);
    next.set(p, o + 1);
    return { p, o, timestamp, wire: declared.wireOf(event), event };
  });
  const partitions = Math.max(spec.watermark?.partitions ?? 1, ...log.map(({ p }) => p + 1));
  // What is not delivered yet keeps the other partitions from being idle.
  const ahead = [...next]
    .filter(([p]) => idle !== undefined && p !== idle)
    .map(([p, o]): Entry => ({ p, o, timestamp, wire: declared.wireOf({ t: later }), event: { t: later } }));
  const world = await newWorld(declared, [...log, ...ahead], partitions);
  for (const entry of log) await world.deliver([entry]);
  if (idle !== undefined) world.push(declared.pipeline.idleAfterMs);
  await world.finalize();
  const { counted, late } = await world.counters();
  const found: Fields = { kept: counted, dropped_late: late, combined_watermark: await world.closed() };
  const problems = Object.entries(answer).flatMap(([name, expected]) =>
    name === 'emit' ? [] : compareValue(name, expected, found[name]),
  );
  const { columns, aggs } = declared;
  if (answer['emit'] !== undefined)
    problems.push(...compareRows('emit', answer['emit'] as readonly Row[], await world.finals(), columns, aggs));
  return { problems, notes: [] };
}

/** With the guard, an event too far beyond its Kafka timestamp is kept as a rejection and does not move the clock. */
async function guarded(vector: Vector, isGuarded: boolean, input: readonly Event[], answer: Answer): Promise<Findings> {
  const { spec = {}, now = 0 } = vector;
  const skew = spec.watermark?.max_future_skew;
  if (isGuarded && skew === undefined) return { problems: ['spec.watermark.max_future_skew is missing'], notes: [] };
  const options = { delayMs: spec.watermark?.delay ?? 0, maxFutureMs: skew ?? 0 };
  const declared = declare(spec, input, options);
  const stamp = isGuarded ? now : Math.max(now, ...input.map(({ t }) => t ?? 0));
  const log = input.map((event, i): Entry => ({ p: 0, o: i, timestamp: stamp, wire: declared.wireOf(event), event }));
  const world = await newWorld(declared, log, 1);
  for (const entry of log) await world.deliver([entry]);
  await world.finalize();
  const { counted, late, rejected } = await world.counters();
  const notes = rejected > 0 ? ['an event time beyond the guard is kept as a rejection, not counted'] : [];
  const problems: string[] = [];
  const { emit, kept, dropped_late, combined_watermark } = answer;
  if (kept !== undefined && kept !== counted + rejected) problems.push(...compareValue('kept', kept, counted));
  if (dropped_late !== undefined) problems.push(...compareValue('dropped_late', dropped_late, late));
  if (combined_watermark !== undefined)
    problems.push(...compareValue('combined_watermark', combined_watermark, await world.closed()));
  const { columns, aggs } = declared;
  if (emit !== undefined)
    problems.push(...compareRows('emit', emit as readonly Row[], await world.finals(), columns, aggs));
  return { problems, notes };
}

import { compareRows, compareValue } from './compare.ts';
import { MAX_DELAY_MS } from './declare.ts';
import { generated } from './generated.ts';
import { replay, type Findings } from './replay.ts';
import type { Event, Fields, Json, Row, Spec, Step, Vector } from './schema.ts';

/** A finite input and its whole result: everything counts, and at the end of the input every window is final. */
export async function aggregated(vector: Vector, vectors: readonly Vector[]): Promise<Findings> {
  const { spec = {}, steps, rows, expect = {}, queries } = vector;
  if (queries) {
    const found: Findings[] = [];
    for (const { window, key, rows } of queries) {
      const asked = { ...spec, window, ...(key && { key }) };
      found.push(await toTheEnd(vector, asked, eventsOf(vector, vectors), { final_state_or_emitted: rows }));
    }
    return {
      problems: found.flatMap(({ problems }, i) => problems.map((problem) => `query ${i + 1}: ${problem}`)),
      notes: [...new Set(found.flatMap(({ notes }) => notes))],
    };
  }
  if (steps) {
    const ordered = steps.length === 1 ? steps.map((step) => ({ ...step, events: inOrder(step.events ?? []) })) : steps;
    const found = await replay(vector, spec, ordered);
    if (found.problems.length > 0 || spec.mode !== 'complete') return found;
  }
  const { emit, ...others } = steps && !rows ? (steps.findLast((step) => step.expect)?.expect ?? expect) : expect;
  const answer: Fields = { ...others, ...(emit !== undefined && { final_state_or_emitted: emit }) };
  return await toTheEnd(
    vector,
    spec,
    eventsOf(vector, vectors),
    rows ? { ...answer, final_state_or_emitted: rows } : answer,
  );
}

/** Plays the whole input at once, and then its end, where everything that is open becomes final. */
async function toTheEnd(vector: Vector, spec: Spec, events: readonly Event[], expect: Fields): Promise<Findings> {
  const { watermark: _, ...rest } = spec; // nothing of a finite input is late
  const input: readonly Step[] = [{ op: 'events', events: inOrder(events) }];
  const ended = { ...rest, flush_at_end: true };
  const { multiset_without_window: multiset } = vector;
  if (spec.then === undefined && !multiset) return await replay(vector, ended, [...input, { op: 'eof', expect }]);
  const { final_state_or_emitted, ...others } = expect;
  const last = keepBest(vector, spec.then, (final_state_or_emitted ?? []) as readonly Row[]);
  return await replay(vector, ended, [...input, { op: 'eof', expect: others }], last);
}

/** What spans more than a watermark may be behind comes in the order of time, which no result depends on. */
function inOrder(events: readonly Event[]): readonly Event[] {
  const sorted = events.toSorted((a, b) => (a.t ?? 0) - (b.t ?? 0));
  const span = (sorted.at(-1)?.t ?? 0) - (sorted[0]?.t ?? 0);
  return span < MAX_DELAY_MS ? events : sorted;
}

/** `per window keep rows with count = max(count)`, of rows that come in rank order: the first of each window, and ties. */
function keepBest({ multiset_without_window }: Vector, then: string | undefined, expected: readonly Row[]) {
  const [, by = ''] = /keep rows with (\w+)/.exec(then ?? '') ?? [];
  return (rows: readonly Row[], columns: readonly string[], aggs: Parameters<typeof compareRows>[4]): string[] => {
    const first = new Map<string, Json | undefined>();
    const best = rows.filter((row) => {
      const window = JSON.stringify(row['w']);
      if (!first.has(window)) first.set(window, row[by]);
      return then === undefined || first.get(window) === row[by];
    });
    const problems = compareRows(then ?? 'rows', expected, best, columns, aggs);
    if (!multiset_without_window) return problems;
    const values = best.map((row) =>
      JSON.stringify([...columns, ...aggs.map(({ name }) => name)].map((name) => row[name] ?? null)),
    );
    const wanted = multiset_without_window.map((one) => JSON.stringify(one));
    return [...problems, ...compareValue('multiset_without_window', wanted.sort(), values.sort())];
  };
}

function eventsOf(
  { events, events_ref, events_generator, steps = [] }: Vector,
  vectors: readonly Vector[],
): readonly Event[] {
  if (events) return events;
  if (events_generator) return generated(events_generator);
  if (events_ref === undefined) return steps.flatMap((step) => step.events ?? []);
  const other = vectors.find(({ id }) => id === events_ref);
  if (!other) throw new Error(`events_ref: no vector ${events_ref} in this file`);
  return eventsOf(other, vectors);
}

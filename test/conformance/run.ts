import { aggregated } from './aggregated.ts';
import { algebra, assigned, members, parsed, refused, slices, lateFilter } from './facts.ts';
import { idleTimer, observed, watermarkCombined } from './tides.ts';
import { differential } from './differential.ts';
import { noted, property } from './properties.ts';
import { whyNotApplicable } from './offered.ts';
import { replay, type Findings } from './replay.ts';
import { NotApplicable, problemsOf, type Step, type Vector } from './schema.ts';

/** What became of a vector. */
export type Outcome =
  | { readonly result: 'passed'; readonly notes: readonly string[] }
  | { readonly result: 'not applicable'; readonly reason: string }
  | { readonly result: 'failed'; readonly problems: readonly string[] };

/**
 * Runs one vector against the production code.
 *
 * @param vectors of the same file: a vector may take its events from another one.
 */
export async function runVector(vector: Vector, vectors: readonly Vector[]): Promise<Outcome> {
  try {
    const unknown = problemsOf(vector);
    if (unknown.length > 0) return { result: 'failed', problems: unknown };
    const reason = whyNotApplicable(vector);
    if (reason !== undefined) return { result: 'not applicable', reason };
    const { problems, notes } = await findingsOf(vector, vectors);
    return problems.length > 0 ? { result: 'failed', problems } : { result: 'passed', notes };
  } catch (error) {
    if (error instanceof NotApplicable) return { result: 'not applicable', reason: error.message };
    return { result: 'failed', problems: [error instanceof Error ? `it threw: ${error.message}` : String(error)] };
  }
}

async function findingsOf(vector: Vector, vectors: readonly Vector[]): Promise<Findings> {
  switch (vector.kind) {
    case 'trace':
    case 'recovery':
      return await replay(vector, vector.spec ?? {}, stepsOf(vector));
    case 'batch_agg':
      return await aggregated(vector, vectors);
    case 'assign':
      return assigned(vector);
    case 'assign_members':
      return members(vector);
    case 'slices':
      return slices(vector);
    case 'late_filter':
      return lateFilter(vector);
    case 'parse':
      return parsed(vector);
    case 'reject':
      return refused(vector);
    case 'algebra':
      return algebra(vector);
    case 'watermark':
      return observed(vector);
    case 'watermark_combine':
      return await watermarkCombined(vector);
    case 'idle_timer':
      return await idleTimer(vector);
    case 'differential':
      return await differential(vector);
    case 'property':
      return await property(vector);
    case 'note':
      return await noted(vector);
    default:
      return { problems: [`kind '${vector.kind}' is not known`], notes: [] };
  }
}

/** A trace's steps; one without steps has events and their whole answer. */
function stepsOf({ steps, events = [], expect = {}, rows }: Vector): readonly Step[] {
  return (
    steps ?? [
      { op: 'events', events },
      { op: 'end', expect: { ...expect, ...(rows && { emit_final: rows }) } },
    ]
  );
}

import { runVector } from './run.ts';
import type { Vector } from './schema.ts';

/** Small vectors for tests of the runner itself. */

export const vectorOf = (vector: object): Vector => ({ id: 'X', title: '', source: {}, ...vector }) as Vector;
const run = (vector: object) => runVector(vectorOf(vector), []);
/** The outcome in one line: `passed`, `failed: ...` or `not applicable: ...`. */
export async function resultOf(vector: object): Promise<string> {
  const outcome = await run(vector);
  if (outcome.result === 'passed') return 'passed';
  return `${outcome.result}: ${outcome.result === 'failed' ? outcome.problems.join('; ') : outcome.reason}`;
}

export const tumbling = { type: 'tumbling', size: 10 };
export const byRecord = {
  window: tumbling,
  aggs: ['count'],
  mode: 'final',
  watermark: { policy: 'record_max', delay: 0 },
};
export const row = (start: number, count: number, more: object = {}) => ({ w: [start, start + 10], count, ...more });

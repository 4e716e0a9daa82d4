import { accumulator, type Aggregate } from '../aggregate/aggregate.ts';
import type { Pipeline } from '../pipeline.ts';
import { retrying, type Retry } from '../runtime/retry.ts';
import type { Source } from '../source/source.ts';
import { geometryOf } from '../window/geometry.ts';
import type { WindowKind } from '../window/window.ts';
import { pagesOf, readAll } from './drain.ts';
import { textOf, type Item, type Key, type Store } from './store.ts';

/** Partition key of the list of every revision that has been finalized; no pipeline's key is without an `@`. */
const REVISIONS = 'revisions';

export const declarationKey = (id: string): Key => ({ table: 'progress', partition: REVISIONS, sort: id });

/**
 * A declaration as JSON, functions left out: whatever closing and emitting need once its code is gone.
 *
 * Text, because a map in DynamoDB has no order and the columns have.
 */
export function declarationText(pipeline: Pipeline): string {
  const { geometry, accumulators: _, source, ...plain } = pipeline;
  const { schema: __, ...readable } = source;
  return JSON.stringify({ ...plain, source: readable, windows: Object.fromEntries(geometry.kinds) });
}

/** What {@link declarationText} wrote: plain data as in a pipeline, and what stands for the rest. */
type Written = Omit<Pipeline, 'geometry' | 'accumulators' | 'source' | 'delayMs'> & {
  readonly delayMs: number | null;
  readonly aggregates: readonly Aggregate[];
  readonly source: Omit<Source, 'schema'>;
  readonly windows: Readonly<Record<string, WindowKind>>;
};

/** A pipeline made of its stored declaration. It closes, emits and describes itself; no record becomes its event. */
export function restoredPipeline(text: string): Pipeline {
  const { windows, source, ...plain } = JSON.parse(text) as Written; // written by declarationText alone
  return Object.freeze({
    ...plain,
    delayMs: plain.delayMs ?? Number.POSITIVE_INFINITY, // which JSON has no word for
    geometry: geometryOf(windows),
    accumulators: plain.aggregates.map(accumulator),
    source: { ...source, schema: NO_SCHEMA },
    running: plain.running, // JSON leaves out what is undefined
    sideOutput: plain.sideOutput && { ...plain.sideOutput, where: () => false },
  });
}

const NO_SCHEMA: Source['schema'] = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: () => ({ issues: [{ message: 'the code of this revision is gone' }] }),
  },
};

/** Remembers the declaration that `finalize` runs with, settings included. Last writer wins: nothing depends on races here. */
export async function storeDeclaration(pipeline: Pipeline, store: Store, retry: Retry): Promise<void> {
  const key = declarationKey(pipeline.id);
  const text = declarationText(pipeline);
  const [stored] = await readAll(store, [key], retry);
  if (stored?.['declaration'] === text) return;
  const item: Item = { pk: key.partition, sk: key.sort, declaration: text };
  await retrying('declaration', retry, () => store.write({ kind: 'put', table: key.table, item }));
}

/**
 * Every revision that has been finalized, as last declared, by name and revision.
 *
 * @param name of one pipeline; all when absent.
 */
export async function storedPipelines(store: Store, retry: Retry, name?: string): Promise<Pipeline[]> {
  // "A" follows "@" in ASCII.
  const bounds = name === undefined ? {} : { from: `${name}@`, to: `${name}A` };
  const found: Pipeline[] = [];
  for await (const items of pagesOf(store, { table: 'progress', partition: REVISIONS, ...bounds }, retry)) {
    found.push(...items.map((item) => restoredPipeline(textOf(item, 'declaration'))));
  }
  return found.sort((a, b) => (a.name === b.name ? a.revision - b.revision : a.name < b.name ? -1 : 1));
}

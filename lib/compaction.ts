import type { Pipeline } from './pipeline.ts';
import { retrying, type Retry } from './runtime/retry.ts';
import type { Runtime } from './runtime/runtime.ts';
import { pieces } from './store/draft.ts';
import { pagesOf, writeAll } from './store/drain.ts';
import { newIncarnation } from './store/progress.ts';
import {
  AFTER_BASES,
  BASE,
  baseKey,
  deltas,
  foldDeltas,
  generationOf,
  namedShards,
  parseBaseSort,
  putHead,
  putsOfBase,
  readBases,
  readHeads,
  runningPartition,
  NO_HEAD,
  type Head,
} from './store/running.ts';
import { decodePartials, encodePartials, partialsOf, type Partials } from './store/segment.ts';
import { textOf, type Delete, type Key, type Query, type Store } from './store/store.ts';
import { inGroups, keysByShard } from './totals.ts';

/** Shards of a group that is read, merged and written. */
const SHARDS_AT_ONCE = 50;
/** Every so many compactions, what crashed or beaten ones left behind is looked for among all bases. */
const SWEEP_EVERY = 16;

/**
 * Moves deltas of commits up to `upTo` into the base shards they touch.
 *
 * Bases are written under a name nobody else has and become part of the totals only with the head, IF that is the one
 * read. Whoever loses that race, or crashes, leaves items that no head names.
 *
 * @param maxBytes bytes of deltas taken into memory.
 * @returns how far the base goes now: less than `upTo` when there is more than fits one compaction.
 */
export async function compact(
  pipeline: Pipeline,
  partition: number,
  upTo: number,
  runtime: Runtime,
  retry: Retry,
  maxBytes: number,
): Promise<number> {
  return await retrying(`compact ${pipeline.id}`, retry, async () => {
    const { store, random } = runtime;
    const read = (await readHeads(pipeline, [partition], store, retry)).get(partition) ?? NO_HEAD;
    const partials: Partials = new Map();
    const folded = await foldDeltas(pipeline, partition, read.upTo, upTo, partials, store, retry, maxBytes);
    if (partials.size === 0) return Math.max(read.upTo, upTo);
    const generation = generationOf(read.number + 1, newIncarnation(random));
    const touched = keysByShard(partials);
    if (!(await writeBases(pipeline, partition, read, generation, partials, touched, runtime, retry))) return undefined;
    const shards = Array.from(read.shards);
    for (const shard of touched.keys()) shards[shard] = generation;
    const head: Head = { number: read.number + 1, upTo: folded.to, shards };
    // Refused: another compaction took these deltas, or this write was sent twice. Either way the head tells.
    if ((await store.write(putHead(pipeline, partition, head, read))) === 'refused') return undefined;
    runtime.log.debug('running totals compacted', {
      pipeline: pipeline.id,
      partition,
      ...folded,
      shards: touched.size,
    });
    await collect(pipeline, partition, read, head, runtime, retry);
    if (head.number % SWEEP_EVERY === 0) await sweep(pipeline, partition, runtime, retry);
    return head.upTo;
  });
}

async function writeBases(
  pipeline: Pipeline,
  partition: number,
  read: Head,
  generation: string,
  partials: Partials,
  touched: ReadonlyMap<number, readonly string[]>,
  { store }: Runtime,
  retry: Retry,
): Promise<boolean> {
  const { accumulators } = pipeline;
  let isComplete = true;
  await inGroups([...touched.keys()], SHARDS_AT_ONCE, async (group) => {
    const named = namedShards(new Map([[partition, read]]), group);
    const bases = new Map(group.map((shard) => [shard, part(partials, touched.get(shard))]));
    const items = await readBases(pipeline, named, store, retry);
    if (!items) isComplete = false;
    for (const item of items ?? []) {
      const base = bases.get(parseBaseSort(textOf(item, 'sk')).shard);
      if (base) decodePartials(partialsOf(item), accumulators, base);
    }
    const puts = [...bases].flatMap(([shard, base]) =>
      putsOfBase(pipeline, partition, shard, generation, pieces(encodePartials(base, accumulators))),
    );
    if (isComplete) await writeAll(store, puts, retry);
  });
  return isComplete;
}

const part = (partials: Partials, keys: readonly string[] = []): Partials =>
  new Map(keys.map((key) => [key, partials.get(key) ?? []]));

/** Deletes what the head has just ceased to name, and the deltas it took: nothing else is certain to be unused. */
async function collect(
  pipeline: Pipeline,
  partition: number,
  before: Head,
  head: Head,
  { store }: Runtime,
  retry: Retry,
): Promise<void> {
  const changed = head.shards.flatMap((generation, shard) => (generation === before.shards[shard] ? [] : [shard]));
  await inGroups(changed, SHARDS_AT_ONCE, async (group) => {
    const keys = namedShards(new Map([[partition, before]]), group).map(({ shard, generation }) =>
      baseKey(pipeline, partition, shard, generation),
    );
    await writeAll(store, keys.map(deleteOf), retry);
  });
  // From the first delta on: a compaction that crashed before this may have left some.
  await deleteFound(pipeline, partition, deltas(pipeline, partition, 0, head.upTo), () => true, store, retry);
}

/** Deletes the bases of compactions up to the head's that it does not name; those under way have a greater number. */
async function sweep(pipeline: Pipeline, partition: number, { store }: Runtime, retry: Retry): Promise<void> {
  const head = (await readHeads(pipeline, [partition], store, retry)).get(partition) ?? NO_HEAD;
  const bases = {
    table: 'buckets',
    partition: runningPartition(pipeline, partition),
    from: BASE,
    to: AFTER_BASES,
  } as const;
  const isLeft = (sort: string): boolean => {
    const { shard, generation, number } = parseBaseSort(sort);
    return number <= head.number && head.shards[shard] !== generation;
  };
  await deleteFound(pipeline, partition, bases, isLeft, store, retry);
}

async function deleteFound(
  pipeline: Pipeline,
  partition: number,
  query: Query,
  isUnused: (sort: string) => boolean,
  store: Store,
  retry: Retry,
): Promise<void> {
  for await (const items of pagesOf(store, { ...query, attributes: [] }, retry)) {
    const sorts = items.map((item) => textOf(item, 'sk')).filter(isUnused);
    const keys = sorts.map((sort): Key => ({
      table: 'buckets',
      partition: runningPartition(pipeline, partition),
      sort,
    }));
    await writeAll(store, keys.map(deleteOf), retry);
  }
}

const deleteOf = (key: Key): Delete => ({ kind: 'delete', key });

import type { Pipeline } from '../pipeline.ts';
import type { Retry } from '../runtime/retry.ts';
import { pagesOf, readAll } from './drain.ts';
import { commitsOf, versionIs } from './progress.ts';
import { decodePartials, partialsOf, type Partials } from './segment.ts';
import { SHARDS } from './shard.ts';
import { itemBytes } from './size.ts';
import { textOf, type Item, type Key, type Put, type Store, type Write } from './store.ts';

/** What names the base of a partition's running totals. Nothing that it does not name is part of them. */
export interface Head {
  /** How often this partition was compacted. */
  readonly number: number;
  /** Deltas of commits up to this are in the base. */
  readonly upTo: number;
  /** The generation of each shard's base; absent where it has none. */
  readonly shards: readonly (string | undefined)[];
}

/** A partition that was never compacted: all of it is in deltas. */
export const NO_HEAD: Head = { number: 0, upTo: 0, shards: [] };

/** Partition key of one topic-partition's running totals: `tweets@1#run#p0`. */
export const runningPartition = (pipeline: Pipeline, partition: number): string => `${pipeline.id}#run#p${partition}`;

export const headKey = (pipeline: Pipeline, partition: number): Key => ({
  table: 'buckets',
  partition: runningPartition(pipeline, partition),
  sort: 'head',
});

/** A commit's delta; a large one goes on in further pieces. IF absent: nobody else has this commit's number. */
export function putDelta(pipeline: Pipeline, partition: number, version: string, piece: number, partials: string): Put {
  const sk = `${deltaSort(Number(commitsOf(version)))}${piece === 0 ? '' : `.${piece}`}`;
  const item = { pk: runningPartition(pipeline, partition), sk, version, partials };
  return { kind: 'put', table: 'buckets', item, when: versionIs(undefined) };
}

const deltaSort = (commits: number): string => `d#${String(commits).padStart(12, '0')}`;
/** Sorts after every piece of a commit's delta and before the next commit's. */
const AFTER_PIECES = '~';

/** All deltas of commits after one and up to another, `(after, upTo]`. */
export const deltas = (pipeline: Pipeline, partition: number, after: number, upTo: number) =>
  ({
    table: 'buckets',
    partition: runningPartition(pipeline, partition),
    from: deltaSort(after + 1),
    to: `${deltaSort(upTo)}${AFTER_PIECES}`,
  }) as const;

/** How far deltas were read: all of commits up to `to`, with so many bytes. */
export interface Folded {
  readonly to: number;
  readonly bytes: number;
}

/**
 * Adds the deltas of commits `(after, upTo]` to partials.
 *
 * @param budgetBytes no further commit is begun once so many bytes are read.
 */
export async function foldDeltas(
  pipeline: Pipeline,
  partition: number,
  after: number,
  upTo: number,
  into: Partials,
  store: Store,
  retry: Retry,
  budgetBytes = Number.POSITIVE_INFINITY,
): Promise<Folded> {
  let [to, bytes] = [after, 0];
  if (upTo <= after || budgetBytes <= 0) return { to, bytes };
  for await (const items of pagesOf(store, deltas(pipeline, partition, after, upTo), retry)) {
    for (const item of items) {
      const commits = Number(textOf(item, 'sk').slice(2).split('.')[0]);
      if (bytes >= budgetBytes && commits > to) return { to, bytes };
      decodePartials(partialsOf(item), pipeline.accumulators, into);
      bytes += itemBytes(item);
      to = commits;
    }
  }
  return { to: upTo, bytes };
}

/** One piece of a shard's base under a generation; only a shard of 300 KB and more has several. */
export const baseKey = (pipeline: Pipeline, partition: number, shard: number, generation: string, piece = 0): Key => ({
  table: 'buckets',
  partition: runningPartition(pipeline, partition),
  sort: `${BASE}${String(shard).padStart(4, '0')}#${generation}${piece === 0 ? '' : `#${piece}`}`,
});

/** Where the bases of all shards begin. */
export const BASE = 'b#';
/** Sorts after every base. */
export const AFTER_BASES = 'b~';

/** What a base's sort key says. */
export function parseBaseSort(sort: string): { shard: number; generation: string; number: number } {
  const [, shard = '', generation = ''] = sort.split('#');
  return { shard: Number(shard), generation, number: Number(generation.split('.')[0]) };
}

/** The name of a compaction's bases: whoever else makes the same one has another name for it. */
export const generationOf = (number: number, nonce: string): string => `${number}.${nonce}`;

/** Puts of a shard's base in pieces that fit an item. */
export function putsOfBase(
  pipeline: Pipeline,
  partition: number,
  shard: number,
  generation: string,
  texts: readonly string[],
): Put[] {
  return texts.map((partials, piece) => {
    const { partition: pk, sort: sk } = baseKey(pipeline, partition, shard, generation, piece);
    return { kind: 'put', table: 'buckets', item: { pk, sk, partials, ...(piece === 0 && { pieces: texts.length }) } };
  });
}

/** A shard of one partition, as a head names it. */
export interface Named {
  readonly partition: number;
  readonly shard: number;
  readonly generation: string;
}

/** Shards of every partition that have a base, of those asked for. */
export const namedShards = (heads: ReadonlyMap<number, Head>, shards: readonly number[]): Named[] =>
  [...heads].flatMap(([partition, head]) =>
    shards.flatMap((shard) => {
      const generation = head.shards[shard];
      return generation === undefined ? [] : [{ partition, shard, generation }];
    }),
  );

/**
 * The items of bases.
 *
 * @returns undefined when one is not there: a compaction has replaced it, and the head read is not the head any more.
 */
export async function readBases(
  pipeline: Pipeline,
  named: readonly Named[],
  store: Store,
  retry: Retry,
): Promise<Item[] | undefined> {
  const keysOf = (pieces: (at: number) => readonly number[]) =>
    named.flatMap(({ partition, shard, generation }, at) =>
      pieces(at).map((piece) => baseKey(pipeline, partition, shard, generation, piece)),
    );
  const first = await readAll(
    store,
    keysOf(() => [0]),
    retry,
  );
  if (first.length < named.length) return undefined;
  const large = new Map(
    first.flatMap((item) => {
      const pieces = Number(item['pieces']);
      return pieces > 1 ? [[`${textOf(item, 'pk')} ${textOf(item, 'sk')}`, pieces]] : [];
    }),
  );
  if (large.size === 0) return first;
  const rest = keysOf((at) => {
    const it = named[at];
    const key = it && baseKey(pipeline, it.partition, it.shard, it.generation);
    const pieces = (key && large.get(`${key.partition} ${key.sort}`)) ?? 1;
    return Array.from({ length: pieces - 1 }, (_, i) => i + 1);
  });
  const more = await readAll(store, rest, retry);
  return more.length < rest.length ? undefined : [...first, ...more];
}

/** Heads by partition; {@link NO_HEAD} where there is none. */
export async function readHeads(
  pipeline: Pipeline,
  partitions: readonly number[],
  store: Store,
  retry: Retry,
): Promise<Map<number, Head>> {
  const keys = partitions.map((partition) => headKey(pipeline, partition));
  const items = new Map((await readAll(store, keys, retry)).map((item) => [item['pk'], item]));
  return new Map(
    partitions.map((partition) => {
      const item = items.get(runningPartition(pipeline, partition));
      return [partition, item ? readHead(item) : NO_HEAD];
    }),
  );
}

/** Whether no partition was compacted since its head was read. */
export async function isSameHeads(
  pipeline: Pipeline,
  read: ReadonlyMap<number, Head>,
  store: Store,
  retry: Retry,
): Promise<boolean> {
  const now = await readHeads(pipeline, [...read.keys()], store, retry);
  return [...read].every(([partition, { number }]) => now.get(partition)?.number === number);
}

/** The head after a compaction, IF nobody else has made one since it was read. */
export function putHead(pipeline: Pipeline, partition: number, head: Head, read: Head): Write {
  const generations = [...new Set(head.shards.flatMap((generation) => generation ?? []))];
  const places = new Map(generations.map((generation, i) => [generation, i + 1]));
  const named = Buffer.alloc(2 * SHARDS);
  head.shards.forEach((generation, shard) => named.writeUInt16LE(places.get(generation ?? '') ?? 0, 2 * shard));
  const { partition: pk, sort: sk } = headKey(pipeline, partition);
  const item = { pk, sk, number: head.number, upTo: head.upTo, generations, shards: named.toString('base64') };
  const when = read.number === 0 ? versionIs(undefined) : [{ attribute: 'number', equals: read.number }];
  return { kind: 'put', table: 'buckets', item, when };
}

function readHead(item: Item): Head {
  const stored = item as unknown as StoredHead; // written by putHead alone
  const named = Buffer.from(stored.shards, 'base64');
  const shards = Array.from({ length: SHARDS }, (_, shard) => stored.generations[named.readUInt16LE(2 * shard) - 1]);
  return { number: stored.number, upTo: stored.upTo, shards };
}

interface StoredHead {
  readonly number: number;
  readonly upTo: number;
  readonly generations: readonly string[];
  /** For each shard two bytes, least first, as base64: 0 for no base, else the place of its generation from 1. */
  readonly shards: string;
}

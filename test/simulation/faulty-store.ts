import { keyOf } from '../../lib/store/item.ts';
import { commitsOf, readCheckpoint } from '../../lib/store/progress.ts';
import type { Item, Store, Write } from '../../lib/store/store.ts';
import type { Invocation, Port } from './invocation.ts';
import type { World } from './world.ts';

/** What is told of every write that was applied, in the order it was. */
export type Applied = (invocation: Invocation, writes: readonly Write[], issuedAt: number) => void;

/** A store as one invocation meets it: every call waits its turn, may fail, and may answer in parts. */
export function faultyStore(world: World, port: Port, invocation: Invocation, applied: Applied): Store {
  const { store, dice, time, has, mark } = world;
  const { name } = invocation;
  const some = <T>(all: readonly T[]): readonly [done: T[], left: T[]] => {
    if (!has('unprocessed') || !dice.chance(0.2)) return [[...all], []];
    const done = all.filter(() => dice.chance(0.5));
    return [done, all.filter((one) => !done.includes(one))];
  };
  // A registry read right after the pages of a window: has another finalize emitted while they were read?
  let isMerging = false;
  let emitted = Number.POSITIVE_INFINITY;
  const registryRead = (registry: Item | undefined) => {
    const now = Number(registry?.['emitted'] ?? Number.NEGATIVE_INFINITY);
    if (isMerging && now > emitted) mark('emitted read again, pages dropped');
    isMerging = false;
    emitted = now;
  };
  return {
    read: (keys) =>
      port.call(invocation, 'read', true, async () => {
        const [asked, left] = some(keys);
        if (keys.some(({ sort }) => sort === 'checkpoint')) invocation.checkpointsReadAt = time.time();
        time.trace(
          () => `${name} reads ${asked.map(({ partition, sort }) => `${partition} ${sort}`).join(', ')}`,
          asked.length,
        );
        const answer = await store.read(asked);
        for (const item of answer.items) {
          if (item['sk'] !== 'checkpoint') continue;
          const { partition, version } = readCheckpoint(item);
          invocation.commits.set(partition, Number(commitsOf(version)));
        }
        if (left.length > 0) mark('unread keys');
        if (keys.some(({ sort }) => sort === 'registry')) {
          invocation.registryReadAt = time.time();
          registryRead(answer.items[0]);
        }
        return { items: answer.items, unread: [...answer.unread, ...left] };
      }),
    query: (query) =>
      port.call(invocation, 'query', true, async () => {
        isMerging = query.table === 'buckets' && query.attributes === undefined;
        time.trace(() => `${name} queries ${query.partition} after ${query.after ?? query.from ?? ''}`, 11);
        if (!has('pages') || query.descending || !dice.chance(0.3)) return await store.query(query);
        const isEmpty = dice.chance(0.3);
        const page = await store.query({ ...query, limit: Math.min(query.limit ?? 3, dice.int(1, 3)) });
        // An empty page ends at a key it has looked at, so not at the first one that should be on it.
        const end = query.after ?? query.from ?? ' ';
        const [first] = page.items;
        return isEmpty && (!first || keyOf(query.table, first).sort !== end) ? { items: [], next: end } : page;
      }),
    write: (write) =>
      port.call(invocation, 'write', true, async (issuedAt) => {
        const outcome = await store.write(write);
        time.trace(() => `${name} ${describeWrite(write)}: ${outcome}`, outcome === 'done' ? 12 : 13);
        if (outcome === 'done') applied(invocation, [write], issuedAt);
        if (isRegistry(write) && write.kind === 'update')
          emitted = Math.max(emitted, Number(write.set?.['emitted'] ?? emitted));
        if (outcome === 'refused') mark(`refused: ${refusedOf(write)}`);
        return outcome;
      }),
    transact: (writes) =>
      port.call(invocation, 'transact', true, async (issuedAt) => {
        const outcome = await store.transact(writes);
        time.trace(
          () => `${name} transacts ${writes.map(describeWrite).join('; ')}: ${outcome}`,
          outcome === 'done' ? 14 : 15,
        );
        if (outcome === 'done') applied(invocation, writes, issuedAt);
        else mark(invocation.delivered.size > 0 ? 'refused: commit' : 'refused: join or gaps');
        return outcome;
      }),
    writeBatch: (writes) =>
      port.call(invocation, 'batch', true, async (issuedAt) => {
        const [asked, left] = some(writes);
        if (left.length > 0) mark('unprocessed items');
        const undone = asked.length === 0 ? [] : await store.writeBatch(asked);
        time.trace(
          () => `${name} writes ${asked.map(describeWrite).join('; ')}; ${left.length} left`,
          16 + left.length,
        );
        applied(invocation, asked, issuedAt);
        return [...undone, ...left];
      }),
  };
}

/** What a lost race was about. */
function refusedOf(write: Write): string {
  const { table, partition, sort } = write.kind === 'put' ? keyOf(write.table, write.item) : write.key;
  if (sort === 'head') return partition.includes('#out#') ? 'range of a file' : 'compaction';
  if (table === 'results') return sort === 'total' ? 'running snapshot' : 'directory or live';
  return isRegistry(write) ? 'registry' : 'raise';
}

const isRegistry = (write: Write): boolean => write.kind === 'update' && write.key.sort === 'registry';

/** One write in words, for the trace. */
function describeWrite(write: Write): string {
  const key = write.kind === 'put' ? keyOf(write.table, write.item) : write.key;
  const where = `${write.kind}s ${key.partition} ${key.sort}`;
  if (write.kind === 'delete') return where;
  const item = { ...(write.kind === 'put' ? write.item : write.set) };
  for (const hidden of ['pk', 'sk', 'window_id', 'row_id', 'shape', 'fingerprint']) delete item[hidden];
  return `${where} ${JSON.stringify(item)}`;
}

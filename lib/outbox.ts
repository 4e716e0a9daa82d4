import type { Pipeline } from './pipeline.ts';
import { retrying, type Retry } from './runtime/retry.ts';
import type { Runtime } from './runtime/runtime.ts';
import { parquetOf, type Pack } from './sink/parquet.ts';
import type { SideOutput } from './sink/side-output.ts';
import type { Sink } from './sink/sink.ts';
import { pagesOf, readAll, writeAll } from './store/drain.ts';
import { keyOf } from './store/item.ts';
import {
  MEASURES,
  claimRange,
  commitOf,
  headKey,
  linesOf,
  rangeOf,
  readHead,
  rowsBetween,
  settleRange,
  type Head,
} from './store/outbox.ts';
import * as progress from './store/progress.ts';
import type { Registry } from './store/registry.ts';
import { textOf, type Delete, type Item } from './store/store.ts';

/** What one partition's flush works with. */
interface Outbox {
  readonly pipeline: Pipeline;
  readonly sideOutput: SideOutput;
  readonly partition: number;
  /** Nothing more will come: rows need not wait for a file of useful size. */
  readonly isRetired: boolean;
  readonly sink: Sink;
  readonly runtime: Runtime;
  readonly retry: Retry;
}

/**
 * Writes waiting rows of the side output to files, each row exactly once.
 *
 * Any number may run at once and any may crash. The range of commits that goes into a file is stored before the file is
 * written, so all of them write the same file under the same name, and only the first of them puts it.
 */
export async function flushOutbox(
  pipeline: Pipeline,
  registry: Registry,
  runtime: Runtime,
  retry: Retry,
): Promise<void> {
  const { sideOutput } = pipeline;
  const { sink } = runtime;
  if (!sideOutput) return;
  for (const partition of registry.partitions) {
    if (sink) {
      const isRetired = registry.state === 'retired';
      await flushPartition({ pipeline, sideOutput, partition, isRetired, sink, runtime, retry });
    } else if (await isWaiting(pipeline, partition, runtime, retry)) {
      runtime.log.error('rows of the side output wait: SINK_URL is not set', { pipeline: pipeline.id, partition });
    }
  }
}

async function isWaiting(pipeline: Pipeline, partition: number, runtime: Runtime, retry: Retry): Promise<boolean> {
  const query = { ...rowsBetween(pipeline, partition, 0, Number.MAX_SAFE_INTEGER), limit: 1, attributes: [] };
  for await (const items of pagesOf(runtime.store, query, retry)) if (items.length > 0) return true;
  return false;
}

async function flushPartition(outbox: Outbox): Promise<void> {
  const { runtime, retry } = outbox;
  while (runtime.clock.monotonic() < retry.deadline) {
    const head = await headOf(outbox);
    if (head.pending !== undefined) {
      await writeRange(outbox, head.pending);
    } else if (!(await chooseRange(outbox, head))) {
      return;
    }
  }
}

async function headOf({ pipeline, partition, runtime, retry }: Outbox): Promise<Head> {
  const [item] = await readAll(runtime.store, [headKey(pipeline, partition)], retry);
  return readHead(item);
}

/**
 * Stores which commits the next file takes, when enough rows wait for one, or long enough.
 *
 * @returns whether there may be a range to write now, ours or another's.
 */
async function chooseRange(outbox: Outbox, head: Head): Promise<boolean> {
  const { pipeline, partition, runtime, retry } = outbox;
  const { store } = runtime;
  // The checkpoint first: commits up to it are whole, while a page may show half of a commit made since.
  const [item] = await readAll(store, [progress.checkpointKey(pipeline, partition)], retry);
  if (!item) return false;
  const { version } = progress.readCheckpoint(item);
  const found = await dueCommit(outbox, head, Number(progress.commitsOf(version)));
  if (found === undefined) return false;
  const [incarnation = ''] = version.split(':');
  // Two flushers may find different ends here. One of them is stored; the other finds it pending and finishes it.
  await retrying('outbox range', retry, () =>
    store.write(claimRange(headKey(pipeline, partition), head, incarnation, found)),
  );
  return true;
}

/** The last commit of the next file, at most `last`; undefined while its rows may wait. */
async function dueCommit(outbox: Outbox, { upTo }: Head, last: number): Promise<number | undefined> {
  const { pipeline, partition, sideOutput, isRetired, runtime, retry } = outbox;
  const query = { ...rowsBetween(pipeline, partition, 0, last), attributes: MEASURES };
  let to: number | undefined;
  let [rows, bytes, oldest] = [0, 0, Number.POSITIVE_INFINITY];
  for await (const items of pagesOf(runtime.store, query, retry)) {
    await forget(
      outbox,
      items.filter((item) => commitOf(item) <= upTo),
    ); // left by a crash
    for (const item of items) {
      const commit = commitOf(item);
      if (commit <= upTo) continue;
      const isFull = rows >= sideOutput.rollRows || bytes >= sideOutput.rollBytes;
      if (isFull && commit !== to) return to; // a commit is never divided
      to = commit;
      rows += Number(item['row_count']);
      bytes += Number(item['row_bytes']);
      oldest = Math.min(oldest, Number(item['stored_at']));
    }
  }
  const isFull = rows >= sideOutput.rollRows || bytes >= sideOutput.rollBytes;
  const hasWaited = runtime.clock.now() - oldest >= sideOutput.rollAgeMs;
  return isFull || hasWaited || isRetired ? to : undefined;
}

/** Writes the file of a stored range, whoever stored it. */
async function writeRange(outbox: Outbox, pending: string): Promise<void> {
  const { pipeline, sideOutput, partition, sink, runtime, retry } = outbox;
  const { from, to } = rangeOf(pending);
  const items: Item[] = [];
  for await (const page of pagesOf(runtime.store, rowsBetween(pipeline, partition, from, to), retry)) {
    items.push(...page);
  }
  // Only after the last page: whoever finished this range meanwhile may have deleted rows while they were read.
  if ((await headOf(outbox)).pending !== pending) return;
  const packs = items.map((item): Pack => ({ topic: textOf(item, 'topic'), partition, lines: linesOf(item) }));
  const name = `${pipeline.id}/${sideOutput.name}/p${partition}-${pending}.parquet`;
  const content = await parquetOf(sideOutput.columns, packs);
  const outcome = await retrying('sink', retry, () => sink.put(name, content));
  // Refused: another flusher has settled it. In either case its rows are in the file.
  await retrying('outbox head', retry, () => runtime.store.write(settleRange(headKey(pipeline, partition), pending)));
  await forget(outbox, items);
  if (outcome === 'was there') return;
  const rows = items.reduce((sum, item) => sum + Number(item['row_count']), 0);
  runtime.log.info('side output written', { pipeline: pipeline.id, file: name, rows, bytes: content.byteLength });
  runtime.metrics(pipeline.name, { sideOutputRows: rows, sideOutputFiles: 1 });
}

/** Deletes rows that are in a file. */
async function forget({ runtime, retry }: Outbox, items: readonly Item[]): Promise<void> {
  const deletes = items.map((item): Delete => ({ kind: 'delete', key: keyOf('buckets', item) }));
  await writeAll(runtime.store, deletes, retry);
}

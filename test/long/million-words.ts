/**
 * Counts a million distinct words into the tables of an endpoint, in a process of its own so that its memory is its own,
 * and prints a JSON line for each measurement.
 *
 *     node test/long/million-words.ts http://127.0.0.1:8000
 */
import { readFileSync } from 'node:fs';
import { count } from '../../lib/count.ts';
import type { Running } from '../../lib/pipeline.ts';
import { registryOf } from '../../lib/reader.ts';
import { runningTotals } from '../../lib/running-query.ts';
import { refreshRunning } from '../../lib/running.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { createDynamodbClient, dynamodbStore } from '../../lib/store/dynamodb.ts';
import { createTables, tableDefinitions } from '../../lib/store/tables.ts';
import { meteredStore } from '../support/metered-store.ts';
import { testRuntime } from '../support/runtime.ts';
import { posts, words } from '../support/words.ts';

const [endpoint = ''] = process.argv.slice(2);
const client = createDynamodbClient({
  endpoint,
  region: 'eu-central-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});
const serverlessYml = readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8');
const names = { BUCKETS_TABLE: 'buckets', PROGRESS_TABLE: 'progress', RESULTS_TABLE: 'results' };
await createTables(client, tableDefinitions(serverlessYml, names));
const { store, reset } = meteredStore(
  dynamodbStore(client, { buckets: 'buckets', progress: 'progress', results: 'results' }),
);
const pipeline = words();
const { runtime, push } = testRuntime({ store, now: Date.parse('2026-01-08T19:00:00Z') });
const retry = { clock: systemClock, random: () => 0.5, deadline: Number.POSITIVE_INFINITY };
const reader = { store, retry };

let offset = 0;
/** One delivery of so many words, a hundred in a post. */
async function deliver(list: readonly string[]): Promise<void> {
  const texts = Array.from({ length: Math.ceil(list.length / 100) }, (_, i) =>
    list.slice(i * 100, i * 100 + 100).join(' '),
  );
  await count(posts(0, offset, ...texts), [pipeline], runtime);
  offset += texts.length;
}

async function refresh(): Promise<void> {
  push(10_000);
  const registry = await registryOf(reader, pipeline);
  if (registry) await refreshRunning(pipeline, registry, runtime, retry);
}

async function measured(what: string, run: () => Promise<unknown>): Promise<void> {
  reset();
  const start = performance.now();
  await run();
  const ms = Math.round(performance.now() - start);
  const maxRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(`${JSON.stringify({ what, ms, maxRssMb, ...reset() })}\n`);
}

const word = (n: number): string => `word${n}`;
let existing = 0;
async function grow(to: number): Promise<void> {
  for (; existing < to; existing += Math.min(20_000, to - existing)) {
    await deliver(Array.from({ length: Math.min(20_000, to - existing) }, (_, i) => word(existing + i)));
  }
}

for (const size of [10_000, 100_000, 1_000_000]) {
  await measured(`count up to ${size}`, () => grow(size));
  await measured(`refresh and compact up to ${size}`, refresh);
  // Rest the deltas that are left in the base, so that the next refreshes begin alike.
  for (const changed of [500, 5_000]) {
    await deliver(Array.from({ length: changed }, (_, i) => word((i * 7919) % existing)));
    await measured(`refresh ${changed} of ${size}`, refresh);
  }
}
await measured('merge all at this moment', () =>
  runningTotals(reader, pipeline, pipeline.running as Running, true, { limit: 100 }),
);
await measured('read one total', () =>
  runningTotals(reader, pipeline, pipeline.running as Running, false, { key: { word: word(4711) } }),
);
await store.write({ kind: 'delete', key: { table: 'results', partition: 'words@1/all/live', sort: 'total' } });
await measured('refresh without a snapshot', refresh);
const [shown] = (await store.read([{ table: 'results', partition: 'words@1/all/live', sort: 'total' }])).items;
process.stdout.write(`${JSON.stringify({ what: 'shown', keys: shown?.['key_count'], totals: shown?.['totals'] })}\n`);
client.destroy();

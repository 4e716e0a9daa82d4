import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { createDynamodbClient, dynamodbStore } from '../../lib/store/dynamodb.ts';
import { fiveStreams } from '../support/five-logs.ts';
import { stored } from '../support/stored.ts';
import { answerOf } from './answer.ts';
import { compare } from './compare.ts';
import { watchMemory } from './memory.ts';
import { arePositioned, countedOffsets, endsOf } from './positions.ts';
import { startSystem } from './system.ts';
import { startTraffic } from './traffic.ts';

const USAGE = `npm run soak -- [--minutes N] [--rate N]

Runs all five pipelines on a real Kafka, Dynoxide and serverless offline while one of the three is killed (SIGKILL) every 20
to 60 seconds, and compares every row with an oracle that reads the topics back.

  --minutes N   how long messages are produced; 30 unless said
  --rate N      messages a second, over the five topics in all; 2000 unless said
  --help        this text

Exit code 1 when anything is otherwise than the oracle says; the data folder is kept then, and named.
`;
const PROGRESS_MS = 30_000;
const CATCH_UP_MS = 180_000;
const HOUR_MS = 3_600_000;
const KILL_EVERY_MS = [20_000, 60_000] as const;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '2000' },
    help: { type: 'boolean', default: false },
  },
});
const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
if (values.help || !(minutes > 0) || !(rate > 0)) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

const folder = await mkdtemp(join(tmpdir(), 'tidemark-soak-'));
const discrepancies: string[] = [];
const system = await startSystem(folder, (what) => discrepancies.push(what));
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void system.stop().finally(() => process.exit(130)));
const { brokers: brokerList, dynamodbEndpoint: endpoint } = system.addresses;
const brokers = brokerList.split(',');
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
const tables = stored(
  dynamodbStore(createDynamodbClient({ endpoint, region: 'us-east-1', credentials }), {
    buckets: 'tidemark-dev-buckets',
    progress: 'tidemark-dev-progress',
    results: 'tidemark-dev-results',
  }),
);

await until('every group has its position', () => arePositioned(brokers), CATCH_UP_MS); // LATEST counts from there
const begun = Date.now();
const kills = new Map(system.members.map(({ name }) => [name, 0]));
const memory = watchMemory([
  ...system.members,
  { name: 'soak', running: () => ({ pid: process.pid, sinceMs: begun }) },
]);
const traffic = startTraffic(brokers, rate, minutes * 60_000);
const over = new AbortController();
const killing = killNowAndThen(over.signal);
const telling = setInterval(() => void progressLine().then(console.log), PROGRESS_MS);
await traffic.done;
over.abort();
await killing;
const producedMs = Date.now() - begun;
const ends = await endsOf(brokers);
const isCounted = async (): Promise<boolean> => isDeepStrictEqual(await countedOffsets(tables), ends);
await until('everything is counted', isCounted, CATCH_UP_MS).catch((error: unknown) =>
  discrepancies.push(String(error)),
);
const caughtUpMs = Date.now() - begun - producedMs;
clearInterval(telling);
console.log(await progressLine());
memory.stop();
await system.stopHost();
await closeLastWindows();

const headings = ['pipeline', 'messages', 'counted', 'late', 'rejected', 'windows', 'rows compared', 'discrepancies'];
const table = [`| ${headings.join(' | ')} |`, `|---|${'---:|'.repeat(headings.length - 1)}`];
for (const stream of fiveStreams) {
  const { topic, pipeline } = stream;
  const endsOfTopic = ends.get(topic) ?? [];
  const messages = sum(endsOfTopic);
  const acknowledged = traffic.acknowledged.get(topic) ?? 0;
  if (messages < acknowledged) discrepancies.push(`${topic}: ${messages} messages, ${acknowledged} were acknowledged`);
  const answer = await answerOf(brokers, stream, endsOfTopic);
  const { counted, late, rejected, windows, rows, discrepancies: found } = await compare(answer, tables, system.sink);
  const figures = [messages, counted, late, rejected, windows, rows, found.length];
  table.push(`| ${[pipeline, ...figures.map((n) => n.toLocaleString('en'))].join(' | ')} |`);
  discrepancies.push(...found);
}
await system.stop();

const killed = [...kills].map(([name, n]) => `${name} ${n}`).join(', ');
console.log(`
${new Date(begun).toISOString()}, ${cpus().length} cores, ${rate} messages a second for ${minutes} minutes
${sum(kills.values())} kills (${killed}); requests to Kafka given up: ${traffic.failures()}
produced in ${seconds(producedMs)}; everything counted ${seconds(caughtUpMs)} after the last message

${table.join('\n')}

${memory.table()}
`);
if (discrepancies.length === 0) await rm(folder, { recursive: true, force: true });
else console.log(`${discrepancies.length} discrepancies; data in ${folder}\n${discrepancies.slice(0, 100).join('\n')}`);
process.exit(discrepancies.length > 0 ? 1 : 0);

async function killNowAndThen(signal: AbortSignal): Promise<void> {
  for (;;) {
    const [least, most] = KILL_EVERY_MS;
    await sleep(least + Math.random() * (most - least), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const member = system.members[Math.floor(Math.random() * system.members.length)];
    if (!member) return;
    await member
      .kill()
      .catch((error: unknown) => discrepancies.push(`${member.name} did not come back: ${String(error)}`));
    kills.set(member.name, (kills.get(member.name) ?? 0) + 1);
  }
}

/** What is stored once nothing more is to come: an hour later by the clock that a test may push, the last windows close. */
async function closeLastWindows(): Promise<void> {
  Object.assign(process.env, {
    TIDEMARK_TEST_CLOCK: '1',
    LOG_LEVEL: 'ERROR',
    POWERTOOLS_METRICS_DISABLED: 'true',
    KAFKA_BROKERS: brokerList,
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    SINK_URL: `file:${system.sink}`,
  });
  const { handler } = (await import('../../functions/finalize.ts')) as {
    handler: (event: unknown, context: unknown) => Promise<void>;
  };
  for (const { pipeline } of fiveStreams) await handler({ pipeline, now: Date.now() + HOUR_MS }, {});
}

async function progressLine(): Promise<string> {
  const counted = sum([...(await countedOffsets(tables)).values()].flat());
  const elapsed = seconds(Date.now() - begun);
  const produced = sum(traffic.acknowledged.values());
  return `${elapsed}: produced ${produced}, counted ${counted}, ${sum(kills.values())} kills; MB: ${memory.now()}`;
}

async function until(what: string, isTrue: () => Promise<boolean>, limitMs: number): Promise<void> {
  const limit = Date.now() + limitMs;
  while (!(await isTrue())) {
    if (Date.now() > limit) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await sleep(250);
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`;
}

import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { count } from '../../lib/count.ts';
import { telegram } from '../../lib/pipelines/telegram.ts';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import { KEY_ATTRIBUTES, type Store, type Table } from '../../lib/store/store.ts';
import { createTables, type TableDefinition } from '../../lib/store/tables.ts';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';
import { delivery, message, type TestRecord } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';
import { at, isoOf } from '../support/scene.ts';

interface Request {
  readonly name: string;
  /** Consumed by all tables together, as DynamoDB says: a transaction's writes count double. */
  readonly readUnits: number;
  readonly writeUnits: number;
}

let dynoxide: Dynoxide;
let store: Store;
let requests: Request[] = [];
let number = 0;
beforeAll(async () => {
  dynoxide = await startDynoxide();
});
afterAll(() => dynoxide.stop());

beforeEach(async () => {
  number++;
  const client = dynoxide.client();
  const names = { buckets: `r${number}-buckets`, progress: `r${number}-progress`, results: `r${number}-results` };
  await createTables(
    client,
    (['buckets', 'progress', 'results'] as const).map((table) => definition(table, names[table])),
  );
  store = dynamodbStore(watched(client), names);
  requests = [];
});

function definition(table: Table, name: string): TableDefinition {
  const [partition, sort] = KEY_ATTRIBUTES[table];
  const input: TableDefinition['input'] = {
    TableName: name,
    AttributeDefinitions: [partition, sort].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    KeySchema: [
      { AttributeName: partition, KeyType: 'HASH' },
      { AttributeName: sort, KeyType: 'RANGE' },
    ],
    BillingMode: 'PAY_PER_REQUEST',
  };
  return { table, name, input };
}

interface Consumed {
  readonly CapacityUnits?: number;
  readonly ReadCapacityUnits?: number;
  readonly WriteCapacityUnits?: number;
}

/** Notes each request that leaves the client, and asks DynamoDB what it cost. */
function watched(client: DynamoDBClient): DynamoDBClient {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const name = String(context.commandName).replace('Command', '');
      const answer = await next({ ...args, input: { ...args.input, ReturnConsumedCapacity: 'TOTAL' } });
      const { ConsumedCapacity = [] } = answer.output as { ConsumedCapacity?: Consumed | Consumed[] };
      const units = [ConsumedCapacity].flat().reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);
      const isRead = name === 'BatchGetItem' || name === 'Query';
      requests.push({ name, readUnits: isRead ? units : 0, writeUnits: isRead ? 0 : units });
      return answer;
    },
    { step: 'initialize' },
  );
  return client;
}

/** A minute and a half of messages from 19:00 on, by many users, in offset order. */
function messages(from: number, amount: number, userOf: (i: number) => string): TestRecord[] {
  return Array.from({ length: amount }, (_, i) => {
    const time = isoOf(at('19:00:00') + Math.floor((i / amount) * 90_000));
    return { offset: from + i, value: message(userOf(i), time) };
  });
}
const feed = (records: TestRecord[]) =>
  count(delivery('telegram_messages', { 0: records }), [telegram], testRuntime({ store }).runtime);

test('a partition-batch that touches three slices is two requests: one read, one transaction', async () => {
  const users = (i: number) => `user${i % 20}`;
  await feed(messages(0, 100, users));
  expect(
    requests.map(({ name }) => name),
    'joining reads the registry, too',
  ).toEqual(['BatchGetItem', 'BatchGetItem', 'TransactWriteItems']);
  for (const start of [100, 200, 300]) {
    requests = [];
    await feed(messages(start, 100, users));
    expect(requests.map(({ name }) => name)).toEqual(['BatchGetItem', 'TransactWriteItems']);
  }
});

test('10,000 records with 6,800 pairs of key and slice cost a fraction of a write per pair', async () => {
  await feed(messages(0, 1, () => 'a'));
  requests = [];
  // Keys of 9 bytes; in each of the three slices of 3,333 records about 2,267 keys.
  const records = messages(1, 10_000, (i) => `user${String((i * 7919) % 2267).padStart(5, '0')}`);
  const pairs = new Set(
    records.map(({ value }) => {
      const { username, event_time } = value as { username: string; event_time: string };
      return `${username} ${Math.floor(Date.parse(event_time) / 30_000)}`;
    }),
  ).size;
  await feed(records);
  const writeUnits = requests.reduce((sum, request) => sum + request.writeUnits, 0);
  const readUnits = requests.reduce((sum, request) => sum + request.readUnits, 0);
  process.stdout.write(
    `${pairs} pairs: ${requests.length} requests, ${writeUnits} write units, ${readUnits} read units\n`,
  );
  expect(pairs).toBeGreaterThanOrEqual(6_790);
  expect(requests.map(({ name }) => name)).toEqual(['BatchGetItem', 'TransactWriteItems']);
  expect(writeUnits).toBeGreaterThan(0);
  expect(writeUnits, 'an UpdateItem per pair is a unit each').toBeLessThanOrEqual(6_800 / 40);
  expect(writeUnits, 'a transactional write per pair is two').toBeLessThanOrEqual(13_600 / 80);
});

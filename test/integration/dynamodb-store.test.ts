import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { DeleteTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dynamodbStore } from '../../lib/store/dynamodb.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { KEY_ATTRIBUTES, type Store, type Table } from '../../lib/store/store.ts';
import { createTables, type TableDefinition } from '../../lib/store/tables.ts';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';
import { storeContract } from '../support/store-contract.ts';
import { answer, operations } from '../support/store-operations.ts';

let dynoxide: Dynoxide;
let client: DynamoDBClient;
beforeAll(async () => {
  dynoxide = await startDynoxide();
  client = dynoxide.client();
});
afterAll(() => dynoxide.stop());

let number = 0;

/** A store on three new tables, so that no test sees another's items. */
async function freshStore(): Promise<Store & { drop(): Promise<void> }> {
  number++;
  const name = (table: Table): string => `test${number}-${table}`;
  await createTables(
    client,
    (['buckets', 'progress', 'results'] as const).map((table) => definition(table, name(table))),
  );
  const names = { buckets: name('buckets'), progress: name('progress'), results: name('results') };
  return {
    ...dynamodbStore(client, names),
    async drop() {
      for (const TableName of Object.values(names)) await client.send(new DeleteTableCommand({ TableName }));
    },
  };
}

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
  return { table, name, input, ...(table === 'progress' ? {} : { expiresBy: 'expires_at' }) };
}

storeContract('the store on DynamoDB', freshStore);

describe('the store on DynamoDB', () => {
  test('answers any sequence of calls as the store in memory does', async () => {
    await fc.assert(
      fc.asyncProperty(operations, async (sequence) => {
        const [store, memory] = [await freshStore(), memoryStore()];
        for (const operation of sequence) {
          expect(await answer(store, operation)).toEqual(await answer(memory, operation));
        }
        await store.drop();
      }),
      { numRuns: 100 },
    );
  });

  test('asks for consistent reads only', async () => {
    const asked: unknown[] = [];
    const watched = dynoxide.client();
    watched.middlewareStack.add((next) => (args) => (asked.push(args.input), next(args)), { step: 'initialize' });
    const store = dynamodbStore(watched, { buckets: 'none', progress: 'none', results: 'none' });
    await Promise.allSettled([
      store.read([{ table: 'buckets', partition: 'p', sort: 's' }]),
      store.query({ table: 'buckets', partition: 'p' }),
    ]);
    expect(asked).toMatchObject([{ RequestItems: { none: { ConsistentRead: true } } }, { ConsistentRead: true }]);
  });

  test('gives up on a server that never answers', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const store = dynamodbStore(dynoxide.client({ endpoint, maxAttempts: 1 }), {
      buckets: 'b',
      progress: 'p',
      results: 'r',
    });
    await expect(store.query({ table: 'buckets', partition: 'p' })).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringMatching(/^store: query on b: .*TimeoutError$/),
    });
    silent.close();
  });

  test('says which table is missing and what creates it', async () => {
    const store = dynamodbStore(client, { buckets: 'nowhere-b', progress: 'nowhere-p', results: 'nowhere-r' });
    const put = { kind: 'put', table: 'progress', item: { pk: 'p', sk: 's' } } as const;
    const requests = [() => store.write(put), () => store.transact([put]), () => store.writeBatch([put])];
    for (const request of requests) await expect(request()).rejects.toThrow(/on nowhere-p; .*npm run tables/);
  });
});

describe('npm run tables', () => {
  const PATH = fileURLToPath(new URL('../../lib/cli/tables.ts', import.meta.url));
  const run = async (endpoint: string) => {
    // No credentials and no region: a newcomer's shell has neither.
    const child = spawn(process.execPath, [PATH, '--endpoint', endpoint], { env: { STAGE: 'cli' } });
    const [out, problem, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { out, problem, exitCode: exitCode as number };
  };

  test('creates the tables of serverless.yml, and finds them the second time', async () => {
    const first = await run(dynoxide.endpoint);
    expect(first).toMatchObject({ problem: '', exitCode: 0 });
    expect(first.out.match(/^tidemark-cli-\w+: created$/gm)).toHaveLength(3);
    const second = await run(dynoxide.endpoint);
    expect(second.out.match(/^tidemark-cli-\w+: already there$/gm)).toHaveLength(3);
  });

  test('says so when nothing answers', async () => {
    const problem = 'tables: nothing answers at http://127.0.0.1:9 (ECONNREFUSED)\n';
    expect(await run('http://127.0.0.1:9')).toMatchObject({ problem, exitCode: 1 });
  });
});

describe('tables', () => {
  test('are created once, their time to live with them', async () => {
    const definitions = [definition('buckets', 'twice-b'), definition('progress', 'twice-p')];
    expect(await createTables(client, definitions)).toEqual(['twice-b', 'twice-p']);
    expect(await createTables(client, definitions)).toEqual([]);
  });

  test('created by two at once are created', async () => {
    const definitions = [definition('results', 'race-r')];
    const created = await Promise.all([createTables(client, definitions), createTables(client, definitions)]);
    expect(created.flat()).toEqual(['race-r']);
  });

  test('with other keys are refused, saying what differs', async () => {
    await createTables(client, [definition('buckets', 'other-keys')]);
    await expect(createTables(client, [definition('results', 'other-keys')])).rejects.toMatchObject({
      code: 'BAD_ENVIRONMENT',
      message:
        'table other-keys exists with the keys pk HASH S, sk RANGE S, expected window_id HASH S, row_id RANGE S: ' +
        'delete it or choose another name',
    });
  });
});

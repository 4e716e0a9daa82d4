import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { createDynamodbClient, dynamodbStore } from '../../lib/store/dynamodb.ts';
import type { Put, Store } from '../../lib/store/store.ts';

/** What the network does with one request: an HTTP answer, or an error of the socket. */
type Answer = { readonly status: number; readonly body: object } | Error;

/** A store whose network answers as told, the last answer over and over, and the requests it saw. */
function storeOn(...answers: Answer[]): { store: Store; sent: { [field: string]: unknown }[] } {
  const sent: { [field: string]: unknown }[] = [];
  const handle = async ({ body }: { body: Uint8Array }): Promise<object> => {
    const answer = answers[Math.min(sent.length, answers.length - 1)] ?? ok({});
    sent.push(JSON.parse(new TextDecoder().decode(body)));
    if (answer instanceof Error) throw answer;
    const headers = { 'content-type': 'application/x-amz-json-1.0' };
    return { response: { statusCode: answer.status, headers, body: Readable.from([JSON.stringify(answer.body)]) } };
  };
  const client = createDynamodbClient({
    region: 'eu-central-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestHandler: { handle, httpHandlerConfigs: () => ({}), updateHttpClientConfig: () => {} },
    maxAttempts: 2,
  });
  return { store: dynamodbStore(client, { buckets: 'b-table', progress: 'p-table', results: 'r-table' }), sent };
}

const ok = (body: object): Answer => ({ status: 200, body });
const refusal = (type: string, more: object = {}, status = 400): Answer => ({
  status,
  body: { __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: 'said so', ...more },
});
const cancelled = (...codes: string[]): Answer =>
  refusal('TransactionCanceledException', { CancellationReasons: codes.map((Code) => ({ Code })) });
const broken = (code: string): Error => Object.assign(new Error('socket'), { code });
const put: Put = { kind: 'put', table: 'progress', item: { pk: 'p', sk: 's' }, when: [{ item: 'absent' }] };
const other: Put = { ...put, table: 'buckets' };

test.each<[string, Answer]>([
  ['a condition', refusal('ConditionalCheckFailedException')],
  ['a transaction with a failed condition', cancelled('None', 'ConditionalCheckFailed')],
  ['a failed condition beside a conflict', cancelled('TransactionConflict', 'ConditionalCheckFailed')],
])('%s is refused', async (_, answer) => {
  const { store } = storeOn(answer);
  expect(await store.write(put)).toBe('refused');
  expect(await store.transact([put, other])).toBe('refused');
});

test.each<[string, Answer]>([
  ['a conflict in a transaction', cancelled('None', 'TransactionConflict')],
  ['throttling in a transaction', cancelled('ThrottlingError', 'None')],
  ['no capacity in a transaction', cancelled('ProvisionedThroughputExceeded')],
  ['a conflict with a transaction', refusal('TransactionConflictException')],
  ['a transaction in progress', refusal('TransactionInProgressException')],
  ['no capacity', refusal('ProvisionedThroughputExceededException')],
  ['throttling', refusal('ThrottlingException')],
  ['too many requests', refusal('RequestLimitExceeded')],
  ['a fault of the server', refusal('InternalServerError', {}, 500)],
  ['an unavailable server', { status: 503, body: {} }],
  ['a broken connection', broken('ECONNRESET')],
  ['a refused connection', broken('ECONNREFUSED')],
  ['a timeout', Object.assign(new Error('too slow'), { name: 'TimeoutError' })],
])(
  '%s is a busy store',
  async (_, answer) => {
    const { store } = storeOn(answer);
    await expect(store.transact([put, other])).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringContaining('transact on p-table, b-table'),
      cause: expect.any(Error),
    });
  },
  10_000,
);

test.each<[string, Answer]>([
  ['ValidationException', refusal('ValidationException')],
  ['AccessDeniedException', refusal('AccessDeniedException')],
  ['ResourceNotFoundException', refusal('ResourceNotFoundException')],
  ['TransactionCanceledException', cancelled('None', 'ValidationError')],
])('%s is thrown as it is, with the tables named', async (name, answer) => {
  const { store, sent } = storeOn(answer);
  await expect(store.transact([put, other])).rejects.toMatchObject({
    name,
    message: expect.stringContaining('p-table, b-table'),
  });
  expect(sent).toHaveLength(1);
});

test('a cancelled transaction says which action it was, and why', async () => {
  const reason = { Code: 'ValidationError', Message: 'Item size has exceeded the maximum' };
  const answer = refusal('TransactionCanceledException', { CancellationReasons: [{ Code: 'None' }, reason] });
  const why = 'action 1: ValidationError, Item size has exceeded the maximum';
  await expect(storeOn(answer).store.transact([put, other])).rejects.toThrow(why);
});

test('the attempts of one transaction carry one token, another transaction another', async () => {
  const { store, sent } = storeOn(broken('ECONNRESET'), ok({}), ok({}));
  expect(await store.transact([put])).toBe('done');
  expect(await store.transact([put])).toBe('done');
  const [first, second, third] = sent.map(({ ClientRequestToken }) => ClientRequestToken);
  expect(first).toEqual(expect.any(String));
  expect(second).toBe(first);
  expect(third).not.toBe(first);
});

test('what was not processed comes back as it was asked', async () => {
  const Item = { pk: { S: 'p' }, sk: { S: 's' }, n: { N: '9007199254740993.02' } };
  const Key = { window_id: { S: 'w' }, row_id: { S: 'r' } };
  const { store } = storeOn(
    ok({ UnprocessedItems: { 'b-table': [{ PutRequest: { Item } }], 'r-table': [{ DeleteRequest: { Key } }] } }),
    ok({ Responses: { 'b-table': [Item] }, UnprocessedKeys: { 'r-table': { Keys: [Key], ConsistentRead: true } } }),
  );
  const left = await store.writeBatch([{ kind: 'delete', key: { table: 'results', partition: 'w', sort: 'r' } }]);
  expect(left).toMatchObject([
    { kind: 'put', table: 'buckets', item: { pk: 'p', sk: 's', n: { text: '9007199254740993.02' } } },
    { kind: 'delete', key: { table: 'results', partition: 'w', sort: 'r' } },
  ]);
  const { items, unread } = await store.read([{ table: 'results', partition: 'w', sort: 'r' }]);
  expect(items).toHaveLength(1);
  expect(unread).toEqual([{ table: 'results', partition: 'w', sort: 'r' }]);
});

test('expressions name every attribute by a placeholder', async () => {
  const { store, sent } = storeOn(ok({}));
  const when = [
    { attribute: 'status', equals: 'open' },
    { attribute: 'w', below: 5 },
  ] as const;
  const key = { table: 'progress', partition: 'p', sort: 's' } as const;
  await store.write({ kind: 'update', key, set: { w: 5, status: undefined }, remove: ['name'], when });
  expect(sent[0]).toEqual({
    TableName: 'p-table',
    Key: { pk: { S: 'p' }, sk: { S: 's' } },
    ConditionExpression: '#0 = :0 AND (attribute_not_exists(#1) OR #1 < :1)',
    UpdateExpression: 'SET #1 = :2 REMOVE #2',
    ExpressionAttributeNames: { '#0': 'status', '#1': 'w', '#2': 'name' },
    ExpressionAttributeValues: { ':0': { S: 'open' }, ':1': { N: '5' }, ':2': { N: '5' } },
  });
});

test('half of a surrogate pair is never sent', async () => {
  const { store, sent } = storeOn(ok({}));
  const half = '😀'.slice(0, 1);
  await store.write({ ...put, item: { pk: 'p', sk: half, map: { [half]: half } } });
  const Item = { pk: { S: 'p' }, sk: { S: '\uFFFD' }, map: { M: { '\uFFFD': { S: '\uFFFD' } } } };
  expect(sent).toMatchObject([{ Item }]);
});

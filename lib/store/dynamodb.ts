import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type AttributeValue,
  type DynamoDBClientConfig,
  type TransactWriteItem,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { assert } from '../runtime/error.ts';
import { answerTo, outcomeOf } from './answer.ts';
import { Expressions } from './expression.ts';
import { keyOf } from './item.ts';
import { marshalItem, unmarshalItem } from './marshal.ts';
import { compareUtf8 } from './order.ts';
import {
  KEY_ATTRIBUTES,
  type Delete,
  type Key,
  type Put,
  type Query,
  type Store,
  type Table,
  type Write,
} from './store.ts';

/**
 * A client that gives up in time: a request lasts 5 s at most and is sent at most 3 times.
 *
 * Region, endpoint and credentials are the SDK's own to find.
 */
export const createDynamodbClient = (settings: DynamoDBClientConfig = {}): DynamoDBClient =>
  new DynamoDBClient({
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 1000,
      requestTimeout: 5000,
      // Without this the SDK only logs a warning and goes on waiting.
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: 50 },
      httpsAgent: { keepAlive: true, maxSockets: 50 },
    },
    ...settings,
  });

/**
 * The store on DynamoDB.
 *
 * `write` sends again by itself when an answer is lost, so its `refused` may be the echo of its own success; a
 * transaction's cannot, as every attempt carries one ClientRequestToken.
 *
 * @param tables the three tables' names in AWS.
 * @throws STORE_BUSY as {@link Store} says; everything else as the SDK throws it, with the tables named.
 */
export function dynamodbStore(client: DynamoDBClient, tables: Readonly<Record<Table, string>>): Store {
  const logical = new Map(TABLES.map((table) => [tables[table], table]));
  const named = (used: readonly Table[]): string[] => [...new Set(used)].map((table) => tables[table]);

  /** Splits what DynamoDB calls by name into requests by table. */
  function byTable<T, R>(all: readonly T[], tableOf: (one: T) => Table, request: (one: T) => R): Record<string, R[]> {
    const grouped: Record<string, R[]> = {};
    for (const one of all) (grouped[tables[tableOf(one)]] ??= []).push(request(one));
    return grouped;
  }

  /** The other way: what DynamoDB did not do, by table. */
  const flatten = <R, T>(grouped: Record<string, R> | undefined, of: (table: Table, left: R) => readonly T[]): T[] =>
    Object.entries(grouped ?? {}).flatMap(([name, left]) => {
      const table = logical.get(name);
      return table === undefined ? [] : of(table, left);
    });

  return {
    async read(keys) {
      if (keys.length === 0) return { items: [], unread: [] };
      const asked = byTable(keys, ({ table }) => table, marshalKey);
      const RequestItems = Object.fromEntries(
        Object.entries(asked).map(([name, Keys]) => [name, { Keys, ConsistentRead: true }]),
      );
      const { Responses, UnprocessedKeys } = await answerTo('read', Object.keys(asked), () =>
        client.send(new BatchGetItemCommand({ RequestItems })),
      );
      return {
        items: Object.values(Responses ?? {}).flatMap((items) => items.map(unmarshalItem)),
        unread: flatten(UnprocessedKeys, (table, { Keys = [] }) => Keys.map((key) => keyOf(table, unmarshalItem(key)))),
      };
    },

    async query(query) {
      const { table, partition, from, to, after, descending = false, limit } = query;
      if (from !== undefined && to !== undefined && compareUtf8(from, to) > 0) return { items: [] };
      const [, sortName] = KEY_ATTRIBUTES[table];
      const { Items = [], LastEvaluatedKey } = await answerTo('query', named([table]), () =>
        client.send(
          new QueryCommand({
            TableName: tables[table],
            ConsistentRead: true,
            ScanIndexForward: !descending,
            Limit: limit,
            ExclusiveStartKey: after === undefined ? undefined : marshalKey({ table, partition, sort: after }),
            ...queryExpressions(query),
          }),
        ),
      );
      const items = Items.map(unmarshalItem);
      const next = LastEvaluatedKey?.[sortName]?.S;
      return next === undefined ? { items } : { items, next };
    },

    async write(write) {
      const { Put, Update, Delete } = action(write, tables);
      return outcomeOf('write', named([tableOf(write)]), async () => {
        if (Put !== undefined) await client.send(new PutItemCommand(Put));
        if (Update !== undefined) await client.send(new UpdateItemCommand(Update));
        if (Delete !== undefined) await client.send(new DeleteItemCommand(Delete));
      });
    },

    async transact(writes) {
      if (writes.length === 0) return 'done';
      const TransactItems = writes.map((write) => action(write, tables));
      return outcomeOf('transact', named(writes.map(tableOf)), () =>
        client.send(new TransactWriteItemsCommand({ TransactItems })),
      );
    },

    async writeBatch(writes) {
      assert(
        writes.every(({ when }) => when === undefined),
        'a batch is unconditional',
      );
      if (writes.length === 0) return [];
      const RequestItems = byTable(writes, tableOf, writeRequest);
      const { UnprocessedItems } = await answerTo('writeBatch', Object.keys(RequestItems), () =>
        client.send(new BatchWriteItemCommand({ RequestItems })),
      );
      return flatten(UnprocessedItems, (table, requests) => requests.flatMap((request) => unwritten(table, request)));
    },
  };
}

const TABLES = ['buckets', 'progress', 'results'] as const satisfies Table[];

const tableOf = (write: Write): Table => (write.kind === 'put' ? write.table : write.key.table);

function marshalKey({ table, partition, sort }: Key): Record<string, AttributeValue> {
  const [partitionName, sortName] = KEY_ATTRIBUTES[table];
  return marshalItem({ [partitionName]: partition, [sortName]: sort });
}

function action(write: Write, tables: Readonly<Record<Table, string>>): TransactWriteItem {
  const table = tableOf(write);
  const expressions = new Expressions();
  const ConditionExpression = expressions.condition(write.when, KEY_ATTRIBUTES[table][0]);
  const common = { TableName: tables[table], ConditionExpression };
  if (write.kind === 'put') return { Put: { ...common, Item: marshalItem(write.item), ...expressions.meanings } };
  const Key = marshalKey(write.key);
  if (write.kind === 'delete') return { Delete: { ...common, Key, ...expressions.meanings } };
  const UpdateExpression = expressions.update(write.set, write.remove);
  return { Update: { ...common, Key, UpdateExpression, ...expressions.meanings } };
}

function writeRequest(write: Put | Delete): WriteRequest {
  if (write.kind === 'put') return { PutRequest: { Item: marshalItem(write.item) } };
  return { DeleteRequest: { Key: marshalKey(write.key) } };
}

function unwritten(table: Table, { PutRequest, DeleteRequest }: WriteRequest): (Put | Delete)[] {
  if (PutRequest?.Item !== undefined) return [{ kind: 'put', table, item: unmarshalItem(PutRequest.Item) }];
  if (DeleteRequest?.Key === undefined) return [];
  return [{ kind: 'delete', key: keyOf(table, unmarshalItem(DeleteRequest.Key)) }];
}

function queryExpressions({ table, partition, from, to, attributes }: Query) {
  const expressions = new Expressions();
  const [partitionName, sortName] = KEY_ATTRIBUTES[table];
  const name = (attribute: string): string => expressions.name(attribute);
  const value = (text: string): string => expressions.value(text);
  const clauses = [`${name(partitionName)} = ${value(partition)}`];
  if (from !== undefined && to !== undefined) {
    clauses.push(`${name(sortName)} BETWEEN ${value(from)} AND ${value(to)}`);
  } else if (from !== undefined) clauses.push(`${name(sortName)} >= ${value(from)}`);
  else if (to !== undefined) clauses.push(`${name(sortName)} <= ${value(to)}`);
  const projected = attributes === undefined ? [] : [...new Set<string>([partitionName, sortName, ...attributes])];
  return {
    KeyConditionExpression: clauses.join(' AND '),
    ProjectionExpression: projected.map(name).join(', ') || undefined,
    ...expressions.meanings,
  };
}

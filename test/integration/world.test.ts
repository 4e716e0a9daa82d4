import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { ConfigResourceTypes } from 'kafkajs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { kafkaClient } from '../../lib/source/kafkajs.ts';
import { identityOf } from '../../localstack/process-table.ts';
import { readSettings, type WorldSettings } from '../../localstack/settings.ts';
import { startWorld, type World } from '../../localstack/world.ts';

const table = (logicalId: string, name: string, partition: string, sort: string): string => `
    ${logicalId}:
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: ${name}
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{ AttributeName: ${partition}, AttributeType: S }, { AttributeName: ${sort}, AttributeType: S }]
        KeySchema: [{ AttributeName: ${partition}, KeyType: HASH }, { AttributeName: ${sort}, KeyType: RANGE }]`;

const serverlessYml = (partitions: number): string => `
custom: { topics: { messages: { partitions: ${partitions} } } }
functions: { count: { role: !GetAtt Role.Arn } }
resources:
  Resources:${table('BucketsTable', 'world-buckets', 'pk', 'sk')}${table('ProgressTable', 'world-progress', 'pk', 'sk')}
${table('ResultsTable', 'world-results', 'window_id', 'row_id')}`;

const lines: string[] = [];
const screen = { line: (text: string) => void lines.push(text), status: () => undefined };

let project: string;
let settings: WorldSettings;
let world: World;
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'tidemark-world-'));
  await writeFile(join(project, 'serverless.yml'), serverlessYml(2));
  const [kafka, controller, dynamodb] = await freePorts(3);
  const { KAFKA_BROKERS: _brokers, AWS_ENDPOINT_URL_DYNAMODB: _endpoint, TIDEMARK_DATA: _data, ...env } = process.env;
  const ports = { KAFKA_PORT: kafka, KAFKA_CONTROLLER_PORT: controller, DYNAMODB_PORT: dynamodb };
  settings = readSettings({ ...env, ...ports }, project);
  world = await startWorld(settings, screen);
});
beforeEach(() => {
  lines.length = 0;
});
afterAll(async () => {
  await world.stop();
  await rm(project, { recursive: true, force: true });
});

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => String((server.address() as AddressInfo).port));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function produce(count: number): Promise<void> {
  const producer = kafkaClient(world.brokers.split(','), 'test').producer();
  await producer.connect();
  const messages = Array.from({ length: count }, (_, n) => ({ value: String(n), partition: n % 2 }));
  await producer.send({ topic: 'messages', acks: -1, messages });
  await producer.disconnect();
}

async function stored(): Promise<number> {
  const admin = kafkaClient(world.brokers.split(','), 'test').admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets('messages');
  await admin.disconnect();
  return offsets.reduce((sum, { high }) => sum + Number(high), 0);
}

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
const dynamodb = () => new DynamoDBClient({ endpoint: world.dynamodbEndpoint, region: 'us-east-1', credentials });
const key = { pk: { S: 'a' }, sk: { S: 'b' } };

const pidOf = (name: string): number => world.processes.find((process) => process.name === name)?.pid ?? 0;

async function untilUpAgain(name: string): Promise<void> {
  for (let tries = 0; tries < 600 && !lines.some((line) => line.startsWith(`${name} is up again`)); tries++)
    await sleep(100);
  expect(lines[0]).toBe(`${name} ended unexpectedly (killed by SIGKILL); starting it again (1 of 5 a minute).`);
}

test('topics and tables are there', async () => {
  const admin = kafkaClient(world.brokers.split(','), 'test').admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: ['messages'] });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: 'messages', configNames: ['message.timestamp.after.max.ms'] }],
  });
  await admin.disconnect();
  expect(topics[0]?.partitions).toHaveLength(2);
  expect(resources[0]?.configEntries[0]?.configValue).toBe('300000');
  await dynamodb().send(new PutItemCommand({ TableName: 'world-buckets', Item: key }));
});

test('a second system on the same folder is refused', async () => {
  await expect(startWorld(settings, screen)).rejects.toThrow('Tidemark already runs on');
});

test('Kafka killed by SIGKILL comes back with every acknowledged record', async () => {
  await produce(1_000);
  process.kill(pidOf('Kafka'), 'SIGKILL');
  await untilUpAgain('Kafka');
  expect(await stored()).toBe(1_000);
});

test('DynamoDB killed by SIGKILL comes back with its items', async () => {
  process.kill(pidOf('DynamoDB'), 'SIGKILL');
  await untilUpAgain('DynamoDB');
  const { Item } = await dynamodb().send(new GetItemCommand({ TableName: 'world-buckets', Key: key }));
  expect(Item).toEqual(key);
});

test('servers that are there are used: none is started, and topics with too few partitions are named', async () => {
  await writeFile(join(project, 'serverless.yml'), serverlessYml(4));
  const env = { KAFKA_BROKERS: world.brokers, AWS_ENDPOINT_URL_DYNAMODB: world.dynamodbEndpoint };
  const guest = await startWorld(readSettings(env, project), screen);
  expect(guest.processes).toEqual([]);
  expect(lines).toEqual(['Topic messages has 2 partitions, serverless.yml wants 4; it is left as it is.']);
  await guest.stop();
  expect(await stored()).toBe(1_000);
});

test('stops without leaving a process, within 3 s, and goes on from its data', async () => {
  const pids = world.processes.map(({ pid }) => pid);
  const started = performance.now();
  await world.stop();
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(pids.map(identityOf)).toEqual([undefined, undefined]);

  world = await startWorld(settings, screen);
  expect(await stored()).toBe(1_000);
  const { Item } = await dynamodb().send(new GetItemCommand({ TableName: 'world-buckets', Key: key }));
  expect(Item).toEqual(key);
});

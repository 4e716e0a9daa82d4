import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const cli = createRequire(import.meta.url).resolve('serverless/bin/serverless.js');

const Statement = z.object({
  Sid: z.string().optional(),
  Effect: z.literal('Allow'),
  Action: z.union([z.string(), z.array(z.string())]),
  Resource: z.unknown(),
});
const Template = z.object({
  Resources: z.record(z.string(), z.looseObject({ Type: z.string(), Properties: z.looseObject({}).default({}) })),
});

const PIPELINES = ['telegram', 'telegram-activity', 'transactions', 'sales', 'tweets'];
const COUNTS = ['CountTelegram', 'CountTelegramActivity', 'CountTransactions', 'CountSales', 'CountTweets'];

let folder: string;
let resources: z.infer<typeof Template>['Resources'];

beforeAll(async () => {
  // A copy, so that no other run of Serverless and no `.build` of the user's is disturbed.
  folder = await mkdtemp(join(tmpdir(), 'tidemark-package-'));
  const parts = ['serverless.yml', 'package.json', 'functions', 'lib', 'localstack'];
  await Promise.all(parts.map((part) => cp(join(root, part), join(folder, part), { recursive: true })));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  // No credentials, and a home folder without any.
  await run(process.execPath, [cli, 'package'], { cwd: folder, env: { PATH: process.env['PATH'], HOME: folder } });
  const template = await readFile(join(folder, '.serverless/cloudformation-template-update-stack.json'), 'utf8');
  resources = Template.parse(JSON.parse(template)).Resources;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const ofType = (type: string): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(resources).flatMap(([id, { Type, Properties }]) => (Type === type ? [[id, Properties]] : [])),
  );

test('the tables are declared in full and outlive the stack', () => {
  const keys = { BucketsTable: ['pk', 'sk'], ProgressTable: ['pk', 'sk'], ResultsTable: ['window_id', 'row_id'] };
  expect(Object.keys(ofType('AWS::DynamoDB::Table')).sort()).toEqual(Object.keys(keys).sort());
  for (const [id, [hash = '', range = '']] of Object.entries(keys)) {
    expect(resources[id]).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        TableName: `tidemark-dev-${id.replace('Table', '').toLowerCase()}`,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [hash, range].map((name) => ({ AttributeName: name, AttributeType: 'S' })),
        KeySchema: [
          { AttributeName: hash, KeyType: 'HASH' },
          { AttributeName: range, KeyType: 'RANGE' },
        ],
        TimeToLiveSpecification: { AttributeName: 'expires_at', Enabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true },
      },
    });
  }
});

test.each([
  { count: 'CountTelegram', topic: 'telegram_messages', group: 'telegram', position: 'LATEST' },
  { count: 'CountTelegramActivity', topic: 'telegram_data', group: 'telegram-activity', position: 'LATEST' },
  { count: 'CountTransactions', topic: 'real-time-transactions', group: 'transactions', position: 'TRIM_HORIZON' },
  { count: 'CountSales', topic: 'sales', group: 'sales', position: 'TRIM_HORIZON' },
  { count: 'CountTweets', topic: 'tweets-kafka', group: 'tweets', position: 'TRIM_HORIZON' },
])(
  'the mapping of $count keeps retrying: nothing lets the poller drop records',
  ({ count, topic, group, position }) => {
    const FunctionName = { 'Fn::GetAtt': [`${count}LambdaFunction`, 'Arn'] };
    const mappings = Object.values(ofType('AWS::Lambda::EventSourceMapping')) as { FunctionName: unknown }[];
    expect(mappings.filter((mapping) => isDeepStrictEqual(mapping.FunctionName, FunctionName))).toEqual([
      {
        EventSourceArn: expect.stringMatching(/^arn:aws:kafka:/),
        FunctionName,
        StartingPosition: position,
        Topics: [topic],
        BatchSize: 1000,
        AmazonManagedKafkaEventSourceConfig: { ConsumerGroupId: `tidemark-dev-${group}` },
      },
    ]);
  },
);

test('emit and finalize tick every minute per pipeline, and a failed tick is not repeated', () => {
  const schedules = Object.values(ofType('AWS::Scheduler::Schedule'));
  expect(schedules).toEqual(
    ['Emit', 'Finalize'].flatMap((name) =>
      PIPELINES.map((pipeline) => ({
        ScheduleExpression: 'rate(1 minute)',
        State: 'ENABLED',
        Target: {
          Arn: { 'Fn::GetAtt': [`${name}LambdaFunction`, 'Arn'] },
          RoleArn: { 'Fn::GetAtt': ['ScheduleRole', 'Arn'] },
          Input: JSON.stringify({ pipeline }),
        },
        FlexibleTimeWindow: { Mode: 'OFF' },
      })),
    ),
  );
  for (const configuration of Object.values(ofType('AWS::Lambda::EventInvokeConfig'))) {
    expect(configuration).toMatchObject({ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 });
  }
});

test('each function runs on arm64 under Node 24, with plain names in its environment', () => {
  const functions = ofType('AWS::Lambda::Function');
  expect(Object.keys(functions)).toEqual([...COUNTS, 'Emit', 'Finalize'].map((name) => `${name}LambdaFunction`));
  for (const [id, properties] of Object.entries(functions)) {
    expect(properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Timeout: id.startsWith('Emit') ? 70 : 60,
      Environment: {
        Variables: {
          STAGE: 'dev',
          BUCKETS_TABLE: 'tidemark-dev-buckets',
          PROGRESS_TABLE: 'tidemark-dev-progress',
          RESULTS_TABLE: 'tidemark-dev-results',
          FINALIZE_FUNCTION: 'tidemark-dev-finalize',
          KAFKA_AUTH: 'iam',
        },
      },
    });
  }
  const served = COUNTS.map((name) => Object(functions[`${name}LambdaFunction`]).Environment.Variables.PIPELINES);
  expect(served).toEqual(PIPELINES);
});

describe('permissions', () => {
  const Role = z.looseObject({
    Policies: z.array(z.object({ PolicyDocument: z.object({ Statement: z.array(Statement) }) })),
  });
  const statements = (id: string) =>
    Role.parse(resources[id]?.Properties).Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
  const roles = ['CountRole', 'EmitRole', 'FinalizeRole', 'ScheduleRole'];
  const actions = (id: string): string[] => statements(id).flatMap(({ Action }) => Action);

  test('each function has its own role', () => {
    expect(Object.keys(ofType('AWS::IAM::Role'))).toEqual(roles);
    for (const [name, role] of [
      ...COUNTS.map((name) => [name, 'CountRole'] as const),
      ['Emit', 'EmitRole'],
      ['Finalize', 'FinalizeRole'],
    ] as const) {
      expect(resources[`${name}LambdaFunction`]?.Properties['Role']).toEqual({ 'Fn::GetAtt': [role, 'Arn'] });
    }
  });

  test('no action has a wildcard; the resource is one only where EC2 has no resource level', () => {
    const all = roles.flatMap(statements);
    expect(all.flatMap(({ Action }) => Action).filter((action) => action.includes('*'))).toEqual([]);
    const everywhere = all.filter(({ Resource }) => [Resource].flat().includes('*'));
    const allowed = everywhere.flatMap(({ Action }) => Action);
    expect(allowed.filter((action) => !action.startsWith('ec2:Describe'))).toEqual([]);
  });

  test('who counts cannot write results, who emits has no table, nobody can drop one', () => {
    expect(actions('EmitRole').filter((action) => action.startsWith('dynamodb:'))).toEqual([]);
    const tables = statements('CountRole').filter(({ Action }) => [Action].flat().join().includes('dynamodb:'));
    expect(JSON.stringify(tables)).not.toContain('ResultsTable');
    expect(roles.flatMap(actions).filter((action) => action.endsWith('Table'))).toEqual([]);
    expect(actions('ScheduleRole')).toEqual(['lambda:InvokeFunction']);
  });
});

test.each(['countTelegram', 'emit', 'finalize'])(
  'the bundle of %s has one module and its map, and loads from its file',
  async (name) => {
    const built = join(folder, '.build', name);
    expect((await readdir(built)).sort()).toEqual(['index.mjs', 'index.mjs.map']);
    const zip = await readFile(join(folder, '.serverless', `${name}.zip`));
    expect(entries(zip)).toEqual([`.build/${name}/index.mjs`, `.build/${name}/index.mjs.map`]);

    const env = {
      PATH: process.env['PATH'],
      AWS_REGION: 'us-east-1',
      STAGE: 'dev',
      BUCKETS_TABLE: 'buckets',
      PROGRESS_TABLE: 'progress',
      RESULTS_TABLE: 'results',
      KAFKA_BROKERS: '127.0.0.1:1',
      KAFKA_AUTH: 'none',
      PIPELINES: 'telegram',
    };
    // Copied away, as on Lambda: nothing of node_modules is near. Not by `node -e`, which has a `require` of its own.
    const away = await mkdtemp(join(tmpdir(), 'tidemark-bundle-'));
    await cp(built, away, { recursive: true });
    await cp(join(import.meta.dirname, '../support/import-handler.mjs'), join(away, 'import-handler.mjs'));
    const { stdout } = await run(process.execPath, [join(away, 'import-handler.mjs')], { cwd: away, env });
    await rm(away, { recursive: true });
    expect(stdout.trim()).toBe('function');
  },
);

/** The names in a zip's central directory. */
function entries(zip: Buffer): string[] {
  const names: string[] = [];
  for (let at = zip.indexOf('PK\u0001\u0002'); at >= 0; at = zip.indexOf('PK\u0001\u0002', at + 46)) {
    names.push(zip.toString('utf8', at + 46, at + 46 + zip.readUInt16LE(at + 28)));
  }
  return names.sort();
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { tableDefinitions } from '../../lib/store/tables.ts';

const table = (name: string, [partition, sort]: [string, string], more = ''): string => `
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: ${name}
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions:
          - { AttributeName: ${partition}, AttributeType: S }
          - { AttributeName: ${sort}, AttributeType: S }
        KeySchema:
          - { AttributeName: ${partition}, KeyType: HASH }
          - { AttributeName: ${sort}, KeyType: RANGE }
        SSESpecification: { SSEEnabled: true, KMSMasterKeyId: !Ref SomeKey }${more}`;

const TTL = `
        TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }`;

const file = ({ buckets = 'tidemark-${sls:stage}-buckets', keys = ['pk', 'sk'] as [string, string] } = {}): string => `
service: tidemark
provider:
  stage: \${opt:stage, 'dev'}
  environment:
    PROGRESS_TABLE: \${self:custom.prefix}-progress
custom:
  prefix: \${self:service}-\${opt:stage, 'dev'}
resources:
  Resources:
    BucketsTable:${table(buckets, keys, TTL)}
    ProgressTable:${table('${self:provider.environment.PROGRESS_TABLE}', ['pk', 'sk'])}
    ResultsTable:${table('${self:custom.prefix}-results', ['window_id', 'row_id'], TTL)}
  Outputs:
    Arn: { Value: !GetAtt BucketsTable.Arn, Other: !Sub 'x-\${AWS::Region}' }
`;

describe('tableDefinitions', () => {
  const namesIn = (env: Record<string, string>): string[] => tableDefinitions(file(), env).map(({ name }) => name);

  test('fills in the stage', () => {
    expect(namesIn({})).toEqual(['tidemark-dev-buckets', 'tidemark-dev-progress', 'tidemark-dev-results']);
    expect(namesIn({ STAGE: 'prod' })).toEqual([
      'tidemark-prod-buckets',
      'tidemark-prod-progress',
      'tidemark-prod-results',
    ]);
  });

  test('prefers the settings', () => {
    const env = { BUCKETS_TABLE: 'mine-b', PROGRESS_TABLE: 'mine-p', RESULTS_TABLE: '' };
    expect(namesIn(env)).toEqual(['mine-b', 'mine-p', 'tidemark-dev-results']);
  });

  test('takes what creates a table and leaves what is for AWS alone', () => {
    const [buckets, progress] = tableDefinitions(file(), {});
    expect(buckets).toEqual({
      table: 'buckets',
      name: 'tidemark-dev-buckets',
      expiresBy: 'expires_at',
      input: {
        TableName: 'tidemark-dev-buckets',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
      },
    });
    expect(progress?.expiresBy).toBeUndefined();
  });

  test('names every problem at once', () => {
    const broken = file({ keys: ['id', 'sk'] })
      .replace('ProgressTable:', 'Progress:')
      .replaceAll('self:custom', 'self:other');
    expect(() => tableDefinitions(broken, {})).toThrow(
      'serverless.yml: BucketsTable: KeySchema is id, sk, expected pk, sk; resources.Resources.ProgressTable is missing; ' +
        'ResultsTable: TableName ${self:other.prefix}-results is no name; set RESULTS_TABLE',
    );
    expect(() => tableDefinitions('a: [', {})).toThrow('serverless.yml: ');
    expect(() => tableDefinitions('', {})).toThrow('BucketsTable is missing');
  });
});

describe('npm run tables', () => {
  const PATH = fileURLToPath(new URL('../../lib/cli/tables.ts', import.meta.url));
  const run = async (args: string[], env: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [PATH, ...args], { env: { ...env, NODE_NO_WARNINGS: '1' } });
    const [out, problem, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { out, problem, exitCode: exitCode as number };
  };

  test('explains itself', async () => {
    const { out, exitCode } = await run(['--help']);
    expect(out).toContain('npm run tables -- --endpoint http://127.0.0.1:8000');
    expect(exitCode).toBe(0);
  });

  test.each([
    [[], 'tables: no endpoint: give --endpoint URL or set AWS_ENDPOINT_URL_DYNAMODB\n'],
    [['--endpoint', 'localhost:1'], 'tables: --endpoint: localhost:1 is no http URL\n'],
    [['--port', '1'], expect.stringContaining("tables: Unknown option '--port'")],
  ])('refuses %j', async (args, problem) => {
    expect(await run(args)).toMatchObject({ problem, exitCode: 2 });
  });
});

import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
  type CreateTableCommandInput,
  type DynamoDBClient,
  type TableDescription,
} from '@aws-sdk/client-dynamodb';
import { parseDocument } from 'yaml';
import { TidemarkError } from '../runtime/error.ts';
import { KEY_ATTRIBUTES, type Table } from './store.ts';

/** One table as `serverless.yml` declares it. */
export interface TableDefinition {
  readonly table: Table;
  readonly name: string;
  readonly input: CreateTableCommandInput;
  /** The attribute whose instant, in seconds, ends an item's life; absent when the table declares none. */
  readonly expiresBy?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const SOURCES = [
  { table: 'buckets', logicalId: 'BucketsTable', setting: 'BUCKETS_TABLE' },
  { table: 'progress', logicalId: 'ProgressTable', setting: 'PROGRESS_TABLE' },
  { table: 'results', logicalId: 'ResultsTable', setting: 'RESULTS_TABLE' },
] as const satisfies { table: Table; logicalId: string; setting: string }[];

/** What of a CloudFormation table creates one; the rest (recovery, encryption, tags) is for AWS alone. */
const CREATED = ['AttributeDefinitions', 'KeySchema', 'GlobalSecondaryIndexes', 'BillingMode', 'ProvisionedThroughput'];

/**
 * The three tables that `serverless.yml` declares under `resources.Resources`.
 *
 * A table's name is its setting (`BUCKETS_TABLE` and so on), else the declared name with STAGE (default `dev`) filled in.
 *
 * @param serverlessYml the file's text.
 * @param env settings: the three names and STAGE.
 * @throws BAD_DECLARATION naming everything that is missing or not understood.
 */
export function tableDefinitions(serverlessYml: string, env: Environment): TableDefinition[] {
  const document = parseDocument(serverlessYml, { logLevel: 'silent' });
  const problems = document.errors.map(({ message }) => message);
  const root: unknown = problems.length === 0 ? document.toJS() : {};
  const definitions = SOURCES.flatMap(({ table, logicalId, setting }) => {
    const properties = at(root, ['resources', 'Resources', logicalId, 'Properties']);
    const declared = at(properties, ['TableName']);
    const name = env[setting] || resolve(String(declared), root, env);
    const keys = names(at(properties, ['KeySchema']));
    const expected = KEY_ATTRIBUTES[table].join(', ');
    if (properties === undefined) problems.push(`resources.Resources.${logicalId} is missing`);
    else if (keys !== expected) problems.push(`${logicalId}: KeySchema is ${keys || 'missing'}, expected ${expected}`);
    else if (!/^[\w.-]{3,255}$/.test(name)) problems.push(`${logicalId}: TableName ${name} is no name; set ${setting}`);
    const created = CREATED.map((property) => [property, at(properties, [property])]);
    const input = { ...Object.fromEntries(created), TableName: name } as CreateTableCommandInput;
    const expiresBy = at(properties, ['TimeToLiveSpecification', 'AttributeName']);
    return { table, name, input, ...(typeof expiresBy === 'string' ? { expiresBy } : {}) };
  });
  if (problems.length === 0) return definitions;
  throw new TidemarkError('BAD_DECLARATION', `serverless.yml: ${problems.join('; ')}`, { problems });
}

/**
 * Creates the tables that are missing, waits until they can be used, and sees to their time to live.
 *
 * @returns the names of those created.
 * @throws BAD_ENVIRONMENT when a table of that name has other keys; the SDK's own errors otherwise.
 */
export async function createTables(client: DynamoDBClient, definitions: readonly TableDefinition[]): Promise<string[]> {
  const created = await Promise.all(
    definitions.map(async (definition) => {
      const isNew = await createIfMissing(client, definition);
      await waitUntilTableExists({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { TableName: definition.name });
      await enableExpiry(client, definition);
      return isNew ? [definition.name] : [];
    }),
  );
  return created.flat();
}

async function createIfMissing(client: DynamoDBClient, definition: TableDefinition): Promise<boolean> {
  const existing = await describe(client, definition.name);
  if (existing !== undefined) {
    assertSameKeys(definition, existing);
    return false;
  }
  try {
    await client.send(new CreateTableCommand(definition.input));
    return true;
  } catch (error) {
    // Somebody else created it since we looked.
    if (error instanceof ResourceInUseException) return false;
    throw error;
  }
}

async function describe(client: DynamoDBClient, name: string): Promise<TableDescription | undefined> {
  try {
    return (await client.send(new DescribeTableCommand({ TableName: name }))).Table;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}

function assertSameKeys({ name, input }: TableDefinition, existing: TableDescription): void {
  const [found, expected] = [keysOf(existing), keysOf(input)];
  if (found === expected) return;
  const message = `table ${name} exists with the keys ${found}, expected ${expected}: delete it or choose another name`;
  throw new TidemarkError('BAD_ENVIRONMENT', message, { problems: [message], found, expected });
}

async function enableExpiry(client: DynamoDBClient, { name, expiresBy }: TableDefinition): Promise<void> {
  if (expiresBy === undefined) return;
  const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName: name }));
  if (TimeToLiveDescription?.TimeToLiveStatus?.startsWith('ENABL')) return;
  const TimeToLiveSpecification = { AttributeName: expiresBy, Enabled: true };
  await client.send(new UpdateTimeToLiveCommand({ TableName: name, TimeToLiveSpecification }));
}

/** Keys with their roles and types, to compare and to read: `pk HASH S, sk RANGE S`. */
function keysOf({
  KeySchema = [],
  AttributeDefinitions = [],
}: Pick<TableDescription, 'KeySchema' | 'AttributeDefinitions'>) {
  const types = new Map(AttributeDefinitions.map(({ AttributeName, AttributeType }) => [AttributeName, AttributeType]));
  return KeySchema.map(({ AttributeName, KeyType }) => `${AttributeName} ${KeyType} ${types.get(AttributeName)}`).join(
    ', ',
  );
}

const names = (schema: unknown): string =>
  Array.isArray(schema) ? schema.map((key) => String(at(key, ['AttributeName']))).join(', ') : '';

/** What stands at a path of a document, if anything does. */
function at(node: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (parent, name) => (typeof parent === 'object' && parent !== null ? Reflect.get(parent, name) : undefined),
    node,
  );
}

/**
 * A text with its Serverless variables filled in; those it does not know stay as they are.
 *
 * @source https://www.serverless.com/framework/docs/guides/variables
 */
function resolve(text: string, root: unknown, env: Environment, depth = 0): string {
  if (depth > 10) return text;
  const filled = text.replace(/\$\{([^${}]+)\}/g, (whole, variable: string) => {
    const [source = '', ...fallbacks] = variable.split(',').map((part) => part.trim());
    const fallback = fallbacks.map((part) => part.replace(/^'(.*)'$/, '$1')).at(-1);
    return value(source, root, env) ?? fallback ?? whole;
  });
  return filled === text ? text : resolve(filled, root, env, depth + 1);
}

function value(source: string, root: unknown, env: Environment): string | undefined {
  const [kind = '', path = ''] = source.split(/:(.*)/);
  if (source === 'sls:stage' || source === 'opt:stage') return env['STAGE'] || 'dev';
  if (kind === 'env') return env[path];
  const found = kind === 'self' ? at(root, path.split('.')) : undefined;
  return typeof found === 'string' ? found : undefined;
}

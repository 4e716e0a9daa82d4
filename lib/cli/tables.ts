/** `npm run tables`: creates the three tables of serverless.yml where a DynamoDB endpoint is. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { createDynamodbClient } from '../store/dynamodb.ts';
import { createTables, tableDefinitions } from '../store/tables.ts';

const HELP = `Creates the three tables that serverless.yml declares, where they are missing.

  npm run tables -- --endpoint http://127.0.0.1:8000

  --endpoint URL   the DynamoDB to ask; default: AWS_ENDPOINT_URL_DYNAMODB
  --help           this text

Names: BUCKETS_TABLE, PROGRESS_TABLE and RESULTS_TABLE, or those of serverless.yml with STAGE (default dev).
On AWS \`npx serverless deploy\` creates the tables.
Exit code: 0 all tables are there, 1 they could not be created, 2 the arguments make no sense.
`;

const CONNECTION_CODES = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ETIMEDOUT', 'ECONNRESET']);

process.exitCode = await main(process.argv.slice(2), process.env);

async function main(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const asked = parsed(args);
  if (typeof asked === 'string') return failed(asked, 2);
  if (asked.help) {
    console.log(HELP);
    return 0;
  }
  const endpoint = asked.endpoint ?? env['AWS_ENDPOINT_URL_DYNAMODB'];
  if (!endpoint) return failed('no endpoint: give --endpoint URL or set AWS_ENDPOINT_URL_DYNAMODB', 2);
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    return failed(`--endpoint: ${endpoint} is no http URL`, 2);
  const client = createDynamodbClient({
    endpoint,
    region: env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1',
    // A local DynamoDB takes any credentials, but the SDK sends nothing without some.
    ...(env['AWS_ACCESS_KEY_ID'] || env['AWS_PROFILE']
      ? {}
      : { credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }),
  });
  try {
    const text = await readFile(new URL('../../serverless.yml', import.meta.url), 'utf8');
    const definitions = tableDefinitions(text, env);
    const created = new Set(await createTables(client, definitions));
    for (const { name } of definitions) console.log(`${name}: ${created.has(name) ? 'created' : 'already there'}`);
    return 0;
  } catch (error) {
    return failed(reason(error, endpoint), 1);
  } finally {
    client.destroy();
  }
}

function parsed(args: string[]): { endpoint?: string | undefined; help?: boolean | undefined } | string {
  try {
    return parseArgs({ args, options: { endpoint: { type: 'string' }, help: { type: 'boolean' } } }).values;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function reason(error: unknown, endpoint: string): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const isUnanswered = CONNECTION_CODES.has(code) || code === 'TimeoutError';
  return isUnanswered ? `nothing answers at ${endpoint} (${code})` : error.message;
}

function failed(message: string, exitCode: number): number {
  console.error(`tables: ${message}`);
  return exitCode;
}

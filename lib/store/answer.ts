import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { TidemarkError } from '../runtime/error.ts';
import type { Outcome } from './store.ts';

/** Codes that say: not now, or nobody knows. Network codes are Node's, all others DynamoDB's. */
const BUSY = new Set([
  'TransactionConflict',
  'TransactionConflictException',
  'TransactionInProgressException',
  'ReplicatedWriteConflictException',
  'ProvisionedThroughputExceeded',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingError',
  'ThrottlingException',
  'ThrottledException',
  'Throttling',
  'RequestTimeout',
  'RequestTimeoutException',
  'TimeoutError',
  'AbortError',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * DynamoDB's answer.
 *
 * @throws STORE_BUSY for conflicts, throttling, timeouts, broken connections and faults of the server, after the SDK's
 *   own attempts; everything else as it came, with the tables named.
 * @source https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 */
export async function answerTo<A>(operation: string, tables: readonly string[], ask: () => Promise<A>): Promise<A> {
  try {
    return await ask();
  } catch (error) {
    throw sorted(error, `${operation} on ${tables.join(', ')}`);
  }
}

/**
 * The outcome of conditional writes.
 *
 * @throws like {@link answerTo}.
 */
export async function outcomeOf(
  operation: string,
  tables: readonly string[],
  send: () => Promise<unknown>,
): Promise<Outcome> {
  try {
    await send();
    return 'done';
  } catch (error) {
    if (codesOf(error).some((code) => code.startsWith('ConditionalCheckFailed'))) return 'refused';
    throw sorted(error, `${operation} on ${tables.join(', ')}`);
  }
}

/** The error to throw: a busy world, or a mistake of ours. */
function sorted(error: unknown, where: string): unknown {
  const codes = codesOf(error);
  if (isServerFault(error) || codes.some((code) => BUSY.has(code))) {
    return new TidemarkError('STORE_BUSY', `store: ${where}: ${codes.join(', ')}`, { where, codes }, error);
  }
  if (error instanceof Error) error.message = `${error.message} (${where}${reasons(error)}${advice(codes)})`;
  return error;
}

/** What went wrong, most telling first: for a cancelled transaction each action's reason, otherwise code and name. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  if (error instanceof TransactionCanceledException) {
    const codes = (error.CancellationReasons ?? []).flatMap(({ Code }) => Code ?? []);
    return [...new Set(codes.filter((code) => code !== 'None')), error.name];
  }
  return 'code' in error && typeof error.code === 'string' ? [error.code, error.name] : [error.name];
}

function isServerFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('$fault' in error && error.$fault === 'server') return true;
  const metadata = '$metadata' in error ? (error.$metadata as { httpStatusCode?: number }) : {};
  return (metadata.httpStatusCode ?? 0) >= 500;
}

/** What DynamoDB says of each action of a cancelled transaction. */
function reasons(error: Error): string {
  if (!(error instanceof TransactionCanceledException)) return '';
  return (error.CancellationReasons ?? [])
    .flatMap(({ Code, Message }, index) =>
      Code === 'None' ? [] : [`; action ${index}: ${Code}, ${Message ?? 'no message'}`],
    )
    .join('');
}

function advice(codes: readonly string[]): string {
  if (!codes.includes('ResourceNotFoundException')) return '';
  return '; no such table: `npm run tables -- --endpoint URL` creates the tables locally, a deployment does on AWS';
}

import type { Clock } from './clock.ts';
import { TidemarkError, isError } from './error.ts';

export interface Retry {
  readonly clock: Clock;
  readonly random: () => number;
  /** Monotonic instant after which no new try begins. */
  readonly deadline: number;
  readonly tries?: number;
}

const TRIES = 12;
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 2_000;

/**
 * Tries again, from what is stored, while the world is busy.
 *
 * @param attempt returns undefined when it lost a race; throws STORE_BUSY when the store did not answer.
 * @throws TidemarkError GAVE_UP after bounded tries; anything else an attempt throws passes through.
 * @source Exponential backoff and full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export async function retrying<T>(what: string, retry: Retry, attempt: () => Promise<T | undefined>): Promise<T> {
  const { clock, random, deadline, tries = TRIES } = retry;
  let cause: unknown;
  for (let n = 0; n < tries; n++) {
    const waitMs = n === 0 ? 0 : random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** n);
    if (clock.monotonic() + waitMs >= deadline) break;
    if (n > 0) await clock.sleep(waitMs);
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      if (!isError(error, 'STORE_BUSY')) throw error;
      cause = error;
    }
  }
  throw new TidemarkError(
    'GAVE_UP',
    `${what}: gave up after bounded tries; it is tried again from what is stored`,
    {},
    cause,
  );
}

/** Makes calls, at most `limit` at once; settles when all have, and gives every outcome in order. */
export async function inParallel<T>(
  calls: readonly (() => Promise<T>)[],
  limit: number,
): Promise<PromiseSettledResult<T>[]> {
  const outcomes: PromiseSettledResult<T>[] = [];
  const left = calls.entries(); // shared by the workers: each takes the next
  const worker = async () => {
    for (const [i, call] of left) {
      try {
        outcomes[i] = { status: 'fulfilled', value: await call() };
      } catch (reason) {
        outcomes[i] = { status: 'rejected', reason };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, calls.length) }, worker));
  return outcomes;
}

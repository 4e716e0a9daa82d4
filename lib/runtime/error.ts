/** Everything that can go wrong on purpose, and who has to act. */
export type ErrorCode =
  /** A declaration that makes no sense; `details.problems` lists every one. */
  | 'BAD_DECLARATION'
  /** An environment that makes no sense; `details.problems` lists every one. */
  | 'BAD_ENVIRONMENT'
  /** The invocation's event is not what this function takes. */
  | 'BAD_EVENT'
  /** A command was called with arguments that make no sense. */
  | 'BAD_ARGUMENTS'
  /** Stored state was written under another declaration of the same revision. */
  | 'FINGERPRINT_DIFFERS'
  /** The partition's topic was recreated or truncated; a person has to decide. */
  | 'PARTITION_STOPPED'
  /** The store did not do it, or nobody knows whether it did: forget what was read and begin again. */
  | 'STORE_BUSY'
  /** The broker could not be asked. */
  | 'BROKER_UNREACHABLE'
  /** Bounded tries were used up; the caller's own retry goes on. */
  | 'GAVE_UP'
  /** The local world could not be started. */
  | 'LOCAL_WORLD'
  /** Our own invariant does not hold: a bug. */
  | 'BROKEN_INVARIANT';

/** The one error class: a code to branch on, a sentence to read, typed details, a cause. */
export class TidemarkError extends Error {
  override readonly name = 'TidemarkError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

/** Whether an error is ours and has this code. */
export const isError = (error: unknown, code: ErrorCode): error is TidemarkError =>
  error instanceof TidemarkError && error.code === code;

/** Stops at a broken invariant of our own. Never for bad input: that is a value. */
export function assert(
  holds: boolean,
  invariant: string,
  details: Readonly<Record<string, unknown>> = {},
): asserts holds {
  if (!holds) throw new TidemarkError('BROKEN_INVARIANT', `broken invariant: ${invariant}`, details);
}

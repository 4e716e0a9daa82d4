/** What a handler's answer says about the delivery it got. */
export type Verdict =
  | { readonly kind: 'success' }
  /** All of it is delivered again; `reason` for the log. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Per `<topic>-<partition>`, the lowest offset reported: delivery goes on from there. */
  | { readonly kind: 'partial'; readonly from: ReadonlyMap<string, number> };

/**
 * Reads a partial batch response: `{ batchItemFailures: [{ itemIdentifier: { partition, offset } }] }`.
 *
 * Nothing reported is success. Anything that cannot be understood fails the whole delivery, as AWS does: a slip in the
 * handler must not pass for success.
 *
 * @param offered whether a record was in the event.
 * @source docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
 */
export function readPartialResponse(
  response: unknown,
  offered: (partition: string, offset: number) => boolean,
): Verdict {
  if (response === null || response === undefined) return { kind: 'success' };
  const failures = fieldOf(response, 'batchItemFailures');
  if (typeof response === 'object' && (failures === null || failures === undefined)) return { kind: 'success' };
  if (!Array.isArray(failures)) return { kind: 'failed', reason: 'its answer is no partial batch response' };
  if (failures.length === 0) return { kind: 'success' };

  const from = new Map<string, number>();
  for (const failure of failures as readonly unknown[]) {
    const identifier = fieldOf(failure, 'itemIdentifier');
    const partition = fieldOf(identifier, 'partition');
    const offset = fieldOf(identifier, 'offset');
    if (typeof partition !== 'string' || typeof offset !== 'number' || !Number.isSafeInteger(offset)) {
      return { kind: 'failed', reason: `it reported ${JSON.stringify(failure)}, which names no partition and offset` };
    }
    if (!offered(partition, offset)) {
      return { kind: 'failed', reason: `it reported ${partition} offset ${offset}, which it was not given` };
    }
    from.set(partition, Math.min(offset, from.get(partition) ?? offset));
  }
  return { kind: 'partial', from };
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && name in value ? (value as Record<string, unknown>)[name] : undefined;

import { randomInt } from 'node:crypto';
import type { Retry } from '../runtime/retry.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { TidemarkError } from '../runtime/error.ts';
import type { WindowReport } from '../sink/report.ts';
import { usageError } from './arguments.ts';
import type { Connection, World } from './command.ts';

/** What commands that change stored state work with. */
export interface Operator {
  readonly connection: Connection;
  readonly runtime: Runtime;
  readonly retry: Retry;
  /** Windows that were emitted meanwhile. */
  readonly reports: readonly WindowReport[];
}

/** Connects for a command that changes stored state, and lets go when it is done. */
export async function operating<T>(world: World, act: (operator: Operator) => Promise<T>): Promise<T> {
  const { clock, terminal, connect } = world;
  const connection = await connect();
  try {
    const { store } = connection.reader();
    const random = (): number => randomInt(2 ** 47) / 2 ** 47;
    const reports: WindowReport[] = [];
    const note = (message: string, fields?: object): void =>
      terminal.note(`${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`);
    const runtime: Runtime = {
      store,
      clock,
      random,
      log: { debug: nothing, info: nothing, warn: note, error: note },
      metrics: nothing,
      report: (report) => void reports.push(report),
      sink: await connection.openSink?.(),
      hint: undefined,
      hintedAt: new Map(),
      // Without evidence nothing is idle: what these commands close, they close by decision.
      broker: { offsets: unasked, read: unasked },
      groupOf: (pipeline) => pipeline,
      partialBatchResponses: false,
    };
    const retry: Retry = { clock, random, deadline: Number.POSITIVE_INFINITY };
    return await act({ connection, runtime, retry, reports });
  } finally {
    connection.close();
  }
}

const nothing = (): undefined => undefined;
const unasked = async (): Promise<never> => {
  throw new TidemarkError('BROKER_UNREACHABLE', 'commands do not ask the broker');
};

/** The option that answers the question beforehand. */
export const YES = { yes: { type: 'boolean', short: 'y' } } as const;

/**
 * Says what will happen and lets a person decide.
 *
 * @returns whether to go on.
 * @throws BAD_ARGUMENTS when there is nobody to ask and `--yes` is missing.
 */
export async function isAgreed(
  world: World,
  yes: boolean | undefined,
  consequences: readonly string[],
): Promise<boolean> {
  const { terminal } = world;
  terminal.note(consequences.join('\n'));
  if (yes) return true;
  if (!terminal.ask) throw usageError('this changes stored state: say --yes to agree');
  const answer = await terminal.ask('Go on? [y/N] ');
  if (/^y(es)?$/i.test(answer.trim())) return true;
  terminal.note('nothing was changed');
  return false;
}

/** A whole number from 0. */
export function offsetOf(option: string, text: string | undefined): number {
  const offset = Number(text);
  if (text !== undefined && /^\d+$/.test(text) && Number.isSafeInteger(offset)) return offset;
  throw usageError(`${option} is ${text === undefined ? 'missing' : `'${text}'`}; expected an offset such as 1200`);
}

/** A topic-partition by its number. */
export const partitionNumber = (text: string | undefined): number => offsetOf('the partition', text);

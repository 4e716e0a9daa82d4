import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Pipeline } from '../pipeline.ts';
import { TidemarkError } from '../runtime/error.ts';

/** A command line that makes no sense: what was found, and what is allowed. */
export const usageError = (message: string): TidemarkError => new TidemarkError('BAD_ARGUMENTS', message);

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * Options and operands of a command.
 *
 * @throws BAD_ARGUMENTS naming the option that is not known, or that lacks its value.
 */
export function parseCommand<const T extends Options>(command: string, args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = Object.keys(options).map((name) => `--${name}`);
    const unknown = /^Unknown option '(--?[^']*)'/.exec(error.message)?.[1];
    if (unknown === undefined) throw usageError(`${command}: ${error.message.split('\n', 1)[0]}`);
    throw usageError(`${command}: ${unknown} is no option; ${allowed(unknown, known)}`);
  }
}

/** One of a set by its name. @throws BAD_ARGUMENTS with the names there are. */
export function oneOf<T>(what: string, found: string | undefined, all: ReadonlyMap<string, T>): T {
  const names = [...all.keys()];
  if (found === undefined) throw usageError(`which ${what}? ${allowed('', names)}`);
  const one = all.get(found);
  if (one === undefined) throw usageError(`${found} is no ${what}; ${allowed(found, names)}`);
  return one;
}

/** A declared pipeline by its name, with or without its revision. */
export function pipelineNamed(found: string | undefined, pipelines: readonly Pipeline[]): Pipeline {
  const exact = pipelines.find(({ id }) => id === found);
  return exact ?? oneOf('pipeline', found, new Map(pipelines.map((pipeline) => [pipeline.name, pipeline])));
}

/** A whole number from 1. */
export function countOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && Number.isSafeInteger(count)) return count;
  throw usageError(`${option} is '${text}'; expected a whole number from 1`);
}

/** Refuses operands beyond those a command takes. */
export function assertNoMore(command: string, extra: readonly string[]): void {
  if (extra.length > 0) throw usageError(`${command}: nothing more is expected, found ${extra.join(' ')}`);
}

/** What may stand instead, the most similar first when one is close. */
function allowed(found: string, names: readonly string[]): string {
  const near = nearest(found, names);
  const all = `expected ${names.length === 1 ? '' : 'one of '}${names.join(', ')}`;
  return near === undefined ? all : `did you mean ${near}? ${all}`;
}

/** The name that so many letters at most, a third of it, have to change for; undefined when none is so close. */
function nearest(found: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({ name, distance: distance(found, name) }));
  const [best] = distances.sort((a, b) => a.distance - b.distance);
  return best && best.distance <= best.name.length / 3 && found !== '' ? best.name : undefined;
}

/** Letters to insert, delete or replace between two words: Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

import type { Pipeline } from '../pipeline.ts';
import type { Selection } from '../query.ts';
import { formatInstant, isInstant, parseInstant } from '../time/instant.ts';
import { floorTo, type Window } from '../window/geometry.ts';
import type { RunningKind, WindowKind } from '../window/window.ts';
import { assertNoMore, countOf, oneOf, parseCommand, pipelineNamed, usageError } from './arguments.ts';

/** What `results` is asked for. */
export interface Asked {
  readonly pipeline: Pipeline;
  /** The window's declared name. */
  readonly name: string;
  /** This window only. */
  readonly window: Window | undefined;
  readonly isOpen: boolean;
  readonly isFollowing: boolean;
  /** At most so many windows; undefined: all. */
  readonly windows: number | undefined;
  readonly selection: Selection;
  readonly format: 'table' | 'json' | 'csv';
}

const OPTIONS = {
  window: { type: 'string' },
  key: { type: 'string', multiple: true },
  open: { type: 'boolean' },
  follow: { type: 'boolean' },
  windows: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean' },
  csv: { type: 'boolean' },
} as const;

/** Final windows that a key is looked for in, unless said. */
const SEARCHED_WINDOWS = 100;
/** Rows of a window that a table shows, unless said. */
const SHOWN_ROWS = 100;

/** @throws BAD_ARGUMENTS */
export function readResultsArguments(args: readonly string[], pipelines: readonly Pipeline[]): Asked {
  const { values, positionals } = parseCommand('results', args, OPTIONS);
  for (const [a, b] of [
    ['json', 'csv'],
    ['window', 'open'],
    ['window', 'windows'],
    ['window', 'follow'],
  ] as const) {
    if (values[a] !== undefined && values[b] !== undefined) throw usageError(`--${a} and --${b} exclude each other`);
  }
  const [pipelineName, windowName, ...extra] = positionals;
  assertNoMore('results', extra);
  const pipeline = pipelineNamed(pipelineName, pipelines);
  const { running } = pipeline;
  const kinds = new Map<string, WindowKind | RunningKind>(
    running ? [[running.name, running]] : pipeline.geometry.kinds,
  );
  const name = windowName ?? (kinds.size === 1 ? [...kinds.keys()][0] : undefined);
  const kind = oneOf(`window of ${pipeline.name}`, name, kinds);
  if (values.csv && values.follow && (values.open || running))
    throw usageError('--csv does not go with --follow of open windows; use --json');
  for (const option of ['window', 'windows'] as const) {
    if (running && values[option] !== undefined)
      throw usageError(`${name} of ${pipeline.name} is one window over all time; --${option} does not go with it`);
  }
  const key = values.key && keyOf(values.key, pipeline);
  const format = values.json ? 'json' : values.csv ? 'csv' : 'table';
  const isOpen = values.open ?? false;
  const otherwise = isOpen ? undefined : key && !values.follow ? SEARCHED_WINDOWS : 1;
  const limit = countOf('--limit', values.limit) ?? (format === 'table' ? SHOWN_ROWS : undefined);
  return {
    pipeline,
    name: name ?? '',
    window:
      values.window === undefined || kind.kind === 'running'
        ? undefined
        : windowStarting(values.window, name ?? '', kind),
    isOpen,
    isFollowing: values.follow ?? false,
    windows: countOf('--windows', values.windows) ?? otherwise,
    selection: { ...(key && { key }), ...(limit !== undefined && { limit }) },
    format,
  };
}

/** `username=alice` asks for a text, `username=` for the empty one, `username` alone for the null group. */
function keyOf(pairs: readonly string[], { groupBy, name }: Pipeline): Record<string, string | null> {
  const columns = new Map(groupBy.map((column) => [column, column]));
  const entries = pairs.map((pair): [string, string | null] => {
    const equals = pair.indexOf('=');
    const column = oneOf(`group column of ${name}`, equals < 0 ? pair : pair.slice(0, equals), columns);
    return [column, equals < 0 ? null : pair.slice(equals + 1)];
  });
  const key = Object.fromEntries(entries);
  if (Object.keys(key).length < entries.length)
    throw usageError('--key names a column twice; a row has one value in it');
  return key;
}

/** Greatest number read as seconds since the epoch: the year 5138; below 1973 in milliseconds. */
const MAX_SECONDS = 100_000_000_000;

function windowStarting(text: string, name: string, { sizeMs, everyMs, offsetMs }: WindowKind): Window {
  const number = Number(text);
  const isNumber = /^-?\d+$/.test(text);
  const start = isNumber ? (Math.abs(number) < MAX_SECONDS ? number * 1000 : number) : parseInstant(text);
  if (start === undefined || !isInstant(start)) {
    throw usageError(
      `--window is '${text}'; expected a start such as 2026-01-08T18:58:00Z, or seconds since the epoch`,
    );
  }
  const before = floorTo(start, everyMs, offsetMs);
  if (before === start) return { name, start, end: start + sizeMs };
  const [nearest, other] = start - before <= everyMs / 2 ? [before, before + everyMs] : [before + everyMs, before];
  throw usageError(
    `no ${name} window starts at ${formatInstant(start)}; the nearest starts are ${formatInstant(nearest)} and ${formatInstant(other)}`,
  );
}

import { setTimeout as sleep } from 'node:timers/promises';
import { finalWindows, openWindows, windowAt, type WindowResult } from '../query.ts';
import { checkpointsOf, registryOf, type Reader } from '../reader.ts';
import { isError } from '../runtime/error.ts';
import { lastRefreshed, runningTotals } from '../running-query.ts';
import type { Command, Connection, World } from './command.ts';
import { readResultsArguments, type Asked } from './results-arguments.ts';
import { printer, type Printer } from './results-printer.ts';

const HELP = `Prints the rows of windows, in rank order.

  npx tidemark results <pipeline> <window> [options]

  npx tidemark results telegram 1m                          the last closed window that has events
  npx tidemark results telegram 1m --windows 5              the last five
  npx tidemark results telegram 1m --window 2026-01-08T18:58:00Z
  npx tidemark results telegram 1m --key username=alice     where alice stood in the last 100 windows
  npx tidemark results telegram 10m --open --windows 1      the newest open window, merged at this moment
  npx tidemark results telegram 1m --follow                 each window as it closes, until Ctrl-C
  npx tidemark results telegram 1m --csv > minutes.csv
  npx tidemark results tweets                               running totals, as last refreshed
  npx tidemark results tweets --open --limit 1000           merged at this moment, however many there are
  npx tidemark results tweets --key word=hello              one total, read directly

  --window START      the window that starts then: ISO 8601, UTC unless it says a zone, or seconds since the epoch
  --windows N         at most N windows, newest first
  --key COLUMN=TEXT   only rows with this text in a group column; --key COLUMN is the null group. Several: all hold
  --open              windows that are not final yet, merged exactly from what is counted; they still change
  --follow            go on, looking every 2 seconds: new windows, or with --open the newest state
  --limit N           at most N rows of a window; a table shows 100 unless said, --json and --csv all
  --json              one JSON document; with --follow one a line
  --csv               RFC 4180; null is empty, the empty text is ""
`;

/** `npx tidemark results` */
export const results: Command = {
  name: 'results',
  summary: 'rows of closed and open windows',
  help: HELP,
  async run(args, world) {
    const asked = readResultsArguments(args, world.pipelines);
    const connection = await world.connect();
    try {
      const print = printer(asked, world.terminal);
      if (asked.isFollowing) await follow(asked, world, connection, print);
      else await show(asked, connection, print, world);
    } finally {
      connection.close();
    }
  },
};

async function show(asked: Asked, connection: Connection, print: Printer, world: World): Promise<void> {
  const reader = connection.reader();
  let found = 0;
  for await (const result of windowsOf(asked, reader)) {
    found++;
    print.window(result);
    if (world.terminal.signal.aborted) return;
  }
  print.end();
  if (found === 0) world.terminal.note(await nothing(asked, reader, connection.where));
}

async function* windowsOf(asked: Asked, reader: Reader): AsyncGenerator<WindowResult> {
  const { pipeline, name, window, isOpen, windows, selection } = asked;
  const options = { ...selection, ...(windows !== undefined && { windows }) };
  if (pipeline.running) {
    const totals = await runningTotals(reader, pipeline, pipeline.running, isOpen, selection);
    if (totals) yield totals;
  } else if (isOpen) yield* openWindows(reader, pipeline, name, options);
  else if (window === undefined) yield* finalWindows(reader, pipeline, name, options);
  else {
    const result = await windowAt(reader, pipeline, window, selection);
    if (result) yield result;
  }
}

async function nothing({ pipeline, name, isOpen }: Asked, reader: Reader, where: string): Promise<string> {
  if (!(await registryOf(reader, pipeline))) return `${pipeline.id} has not counted anything yet, at ${where}`;
  if (pipeline.running)
    return `${name} of ${pipeline.name} has not been refreshed yet; --open merges what is counted so far`;
  if (isOpen) return `no ${name} window of ${pipeline.name} is open: all that was counted is final`;
  return `no ${name} window of ${pipeline.name} is closed yet; --open shows what is counted so far, status when the next closes`;
}

const EVERY_MS = 2_000;

/** Looks again until the user stops it; an unreachable store is said once, until it answers again. */
async function follow(asked: Asked, world: World, connection: Connection, print: Printer): Promise<void> {
  const { terminal } = world;
  const look = asked.isOpen || asked.pipeline.running ? openChanges(asked, print) : newlyClosed(asked, print);
  let isFirst = true;
  let isReachable = true;
  do {
    try {
      const found = await look(connection.reader(), isFirst);
      if (isFirst && found === 0) terminal.note(await nothing(asked, connection.reader(), connection.where));
      isFirst = false;
      isReachable = true;
    } catch (error) {
      if (!isError(error, 'GAVE_UP')) throw error;
      if (isReachable) terminal.note(`tidemark: ${error.message}; trying again`);
      isReachable = false;
    }
    await sleep(EVERY_MS, undefined, { signal: terminal.signal }).catch(() => undefined);
  } while (!terminal.signal.aborted);
}

/** One look at the tables. @returns how many windows it printed. */
type Look = (reader: Reader, isFirst: boolean) => Promise<number>;

function newlyClosed(asked: Asked, print: Printer): Look {
  const { pipeline, name, windows = 1, selection } = asked;
  let after: number | undefined;
  return async (reader, isFirst) => {
    const results = isFirst
      ? await newestReversed(finalWindows(reader, pipeline, name, { ...selection, windows }))
      : finalWindows(reader, pipeline, name, { ...selection, order: 'oldest', ...(after !== undefined && { after }) });
    let found = 0;
    for await (const result of results) {
      print.window(result);
      after = result.window.start;
      found++;
    }
    return found;
  };
}

async function newestReversed(windows: AsyncIterable<WindowResult>): Promise<WindowResult[]> {
  const all: WindowResult[] = [];
  for await (const result of windows) all.unshift(result);
  return all;
}

function openChanges(asked: Asked, print: Printer): Look {
  let seen: string | undefined;
  return async (reader) => {
    const state = await stateOf(asked, reader);
    if (state === seen) return 0;
    let found = 0;
    print.begin();
    for await (const result of windowsOf(asked, reader)) {
      print.window(result);
      found++;
    }
    print.end();
    seen = state;
    return found;
  };
}

/** Changes whenever something is counted or closed: a small read, so that nothing is merged in vain. */
async function stateOf({ pipeline, isOpen, selection }: Asked, reader: Reader): Promise<string> {
  const registry = await registryOf(reader, pipeline);
  if (!registry) return 'new';
  const checkpoints = await checkpointsOf(reader, pipeline, registry);
  // Running totals are shown as last refreshed unless merged at this moment, or read directly.
  const isStored = pipeline.running && !isOpen && !selection.key;
  if (isStored) return (await lastRefreshed(reader, pipeline, pipeline.running))?.versions ?? 'counted';
  return [registry.closed, registry.emitted, ...checkpoints.map(({ version }) => version)].join(' ');
}

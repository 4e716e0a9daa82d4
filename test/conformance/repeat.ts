import { seeded } from '../../lib/pipelines/random.ts';
import { canonical, compareRows } from './compare.ts';
import type { Trace } from './log.ts';
import type { Row, Spec } from './schema.ts';
import { newWorld, type Death, type Entry } from './world.ts';

interface Answer {
  readonly finals: readonly Row[];
  readonly late: number;
}

/** All cuts of a log of up to so many records; of a longer one, every cut in two and a sample. */
const ALL_CUTS = 11;
const SAMPLED_CUTS = 48;
const SHUFFLES = 24;

/**
 * Delivers a log again in every way Lambda may: any cut, everything twice, every prefix again, by several processes
 * at once, by a process that dies before or after each of its calls to the store, partitions in any order. Each has to come to the same final rows and
 * late events, each row once.
 *
 * @param answer what the first run came to; all of the final rows when `isWhole`, else some of them.
 * @returns what differs.
 */
export async function repeated(trace: Trace, spec: Spec, answer: Answer, isWhole: boolean): Promise<string[]> {
  const { log } = trace;
  const isCutFree = trace.played.every(({ declared }) => declared === trace.declared); // else the delay changed in between
  if (log.length === 0 || !isCutFree) return [];
  const flushes = spec.flush_at_end === true;
  const singly = log.map((entry) => [entry]);
  const base = await run(trace, singly, flushes);
  const problems = isWhole
    ? differences('each record alone', trace, answer, base)
    : contained('each record alone', trace, answer, base);

  const compare = async (what: string, deliveries: readonly (readonly Entry[])[], way?: Way): Promise<boolean> => {
    if (problems.length > 0) return false;
    const found = await run(trace, deliveries, flushes, way);
    problems.push(...differences(what, trace, base, found));
    return found.died;
  };
  for (const cut of cutsOf(log)) await compare(`cut ${cut.map((part) => part.length).join('+')}`, cut);
  for (const cut of [singly, [log], halves(log)]) {
    await compare(
      'each delivery twice',
      cut.flatMap((part) => [part, part]),
    );
    await compare(
      'every prefix again',
      cut.flatMap((part, i) => [part, cut.slice(0, i + 1).flat()]),
    );
    await compare('several processes at once', cut, 'at once');
    for (const kind of ['before', 'after'] as const) {
      for (let call = 0; await compare(`crash ${kind} call ${call} to the store`, cut, { call, kind }); call++);
    }
  }
  const random = seeded(log.length);
  for (let i = 0; i < SHUFFLES && trace.partitions > 1; i++) {
    const shuffled = interleaved(log, random);
    await compare(
      'partitions in another order',
      shuffled.map((entry) => [entry]),
    );
    await compare('partitions in another order, at once', [shuffled]);
  }
  return problems;
}

/** How a sequence of deliveries is met. */
type Way =
  | 'one by one'
  /** Each delivery by two processes at the same time, a third with the one before it, and two that finalize. */
  | 'at once'
  /** Processes die at a call to the store, and what they had to do comes again. */
  | Death;

interface Found extends Answer {
  /** Windows reported more than once, where nothing went wrong. */
  readonly twice: number;
  /** Whether any process called the store often enough to die. */
  readonly died: boolean;
}

async function run(
  trace: Trace,
  deliveries: readonly (readonly Entry[])[],
  flushes: boolean,
  way: Way = 'one by one',
): Promise<Found> {
  const world = await newWorld(trace.declared, trace.log, trace.partitions);
  let died = false;
  for (const [i, entries] of deliveries.entries()) {
    if (way === 'one by one') await world.deliver(entries);
    else if (way === 'at once') {
      const again = deliveries[i - 1] ?? entries;
      await Promise.all([
        world.deliver(entries),
        world.finalize(),
        world.deliver(entries),
        world.deliver(again),
        world.finalize(),
      ]);
    } else {
      const first = await world.deliver(entries, way);
      if (first) await world.deliver(entries);
      const second = await world.finalize(way);
      if (second) await world.finalize();
      died ||= first || second;
    }
  }
  if (flushes) await world.flush();
  else await world.finalize();
  const finals = await world.results();
  const twice = [...world.finalReports.values()].filter((times) => times > 1).length;
  return { finals, late: (await world.counters()).late, twice: way === 'one by one' ? twice : 0, died };
}

function differences(
  what: string,
  { declared }: Trace,
  expected: Answer,
  found: Answer & { readonly twice?: number },
): string[] {
  const { columns, aggs } = declared;
  const problems = compareRows(what, expected.finals, found.finals, columns, aggs);
  if (expected.late !== found.late)
    problems.push(`${what}: expected ${expected.late} late events, found ${found.late}`);
  if (found.twice) problems.push(`${what}: ${found.twice} windows were emitted more than once`);
  const keys = new Set(
    found.finals.map((row) => JSON.stringify([row['w'], columns.map((column) => row[column] ?? null)])),
  );
  if (keys.size !== found.finals.length) problems.push(`${what}: a row is there twice`);
  return problems;
}

function contained(what: string, { declared }: Trace, some: Answer, all: Answer): string[] {
  const have = new Set(all.finals.map((row) => canonical(row, declared.columns, declared.aggs)));
  return some.finals.every((row) => have.has(canonical(row, declared.columns, declared.aggs)))
    ? []
    : [`${what}: some of the rows are missing`];
}

/** Ways to cut a log into deliveries. */
function* cutsOf(log: readonly Entry[]): Generator<readonly (readonly Entry[])[]> {
  const borders = log.length - 1;
  const cutAt = (isCut: (border: number) => boolean): (readonly Entry[])[] => {
    const parts: Entry[][] = [[]];
    log.forEach((entry, i) => {
      if (i > 0 && isCut(i - 1)) parts.push([]);
      parts.at(-1)?.push(entry);
    });
    return parts;
  };
  if (log.length <= ALL_CUTS) {
    for (let bits = 0; bits < 2 ** borders; bits++) yield cutAt((border) => (bits & (1 << border)) !== 0);
    return;
  }
  yield [log];
  for (let border = 0; border < borders; border++) yield cutAt((at) => at === border);
  const random = seeded(borders);
  for (let i = 0; i < SAMPLED_CUTS; i++) {
    const share = random();
    yield cutAt(() => random() < share);
  }
}

const halves = (log: readonly Entry[]): (readonly Entry[])[] =>
  log.length < 2 ? [log] : [log.slice(0, log.length >> 1), log.slice(log.length >> 1)];

/** The same partitions, each in its own order, met in another one. */
function interleaved(log: readonly Entry[], random: () => number): Entry[] {
  const left = [...new Set(log.map(({ p }) => p))].map((p) => log.filter((entry) => entry.p === p));
  const all: Entry[] = [];
  while (left.some((entries) => entries.length > 0)) {
    const open = left.filter((entries) => entries.length > 0);
    const next = open[Math.floor(random() * open.length)]?.shift();
    if (next) all.push(next);
  }
  return all;
}

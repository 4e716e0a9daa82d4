import { pipeline, type Pipeline } from '../../lib/pipeline.ts';
import { isError } from '../../lib/runtime/error.ts';
import { isIdle } from '../../lib/source/idle.ts';
import { NEVER, newCheckpoint } from '../../lib/store/progress.ts';
import { advance, type Tide } from '../../lib/window/verdict.ts';
import { fakeBroker } from '../support/fake-broker.ts';
import { clicks, clickSource, at } from '../support/scene.ts';
import { compareValue } from './compare.ts';
import { declare, inMs } from './declare.ts';
import type { Findings } from './replay.ts';
import { NotApplicable, type Fields, type Json, type Vector } from './schema.ts';
import { newWorld, type Entry } from './world.ts';

/** Vectors about the watermark of several inputs or partitions, and about idleness. */

/**
 * Several inputs, each with its own delay: the watermark is the least of theirs, and waits for all.
 *
 * Each is a partition, whose watermark is stored. The originals store only the least one, so after a restart an input
 * that was ahead stands there until it is observed again: their answers are checked by that, and ours may be ahead.
 */
export function observed({ spec = {}, steps = [], time_unit_inputs }: Vector): Findings {
  const unitMs = { s: 1000, ms: 1, undefined: 1 }[String(time_unit_inputs)];
  const inputs = Object.entries(spec.inputs ?? {});
  if (unitMs === undefined) return { problems: [`time_unit_inputs '${time_unit_inputs}' is not known`], notes: [] };
  if (inputs.length === 0) return { problems: ['no inputs are declared'], notes: [] };
  const tides = new Map<string, Tide>();
  const fallen = new Map<string, number>();
  const watermarkOf = (name: string): number => tides.get(name)?.watermark ?? NEVER;
  const problems: string[] = [];
  const ahead: string[] = [];
  for (const [i, { op, in: seen = {}, fresh, expect = {} }] of steps.entries()) {
    const what = `step ${i + 1}`;
    const least = () => Math.max(0, Math.min(...inputs.map(([name]) => watermarkOf(name)))); // the originals begin at 0
    const original = () => Math.max(0, Math.min(...inputs.map(([name]) => fallen.get(name) ?? watermarkOf(name))));
    if (fresh === true) tides.clear();
    if (op === 'restart') {
      const stored = original();
      for (const [name] of inputs) fallen.set(name, stored);
    } else if (op !== 'observe') problems.push(`${what}: ${op} has no meaning here`);
    for (const [name, instants] of Object.entries(seen)) {
      const input = inputs.find(([known]) => known === name)?.[1];
      if (!input) problems.push(`${what}: no input is called ${name}`);
      else if (instants.length > 0) {
        const before = tides.get(name) ?? { clock: NEVER, watermark: NEVER };
        tides.set(
          name,
          instants.reduce((tide, instant) => advance(tide, instant * unitMs, input.delay ?? 0), before),
        );
        const own = Math.max(...instants) * unitMs - (input.delay ?? 0);
        if (own >= (fallen.get(name) ?? own)) fallen.delete(name);
      }
    }
    for (const [key, expected] of Object.entries(expect)) {
      if (key === 'effective_policy') problems.push(...compareValue(`${what}: effective_policy`, expected, 'min'));
      else if (key !== 'watermark') problems.push(`${what}: expect.${key} has no meaning here`);
      else problems.push(...compareValue(`${what}: watermark`, expected, original()));
      if (least() !== original()) ahead.push(`${what}: ${least()}, not ${original()}`);
    }
    if (least() < original()) problems.push(`${what}: found ${least()}, behind the original's ${original()}`);
  }
  const note = `after its restart the original has forgotten how far the faster input was; ours is ahead (${ahead.join('; ')})`;
  return { problems, notes: ahead.length > 0 ? [note] : [] };
}

const FURTHER =
  'when all partitions are idle, ours goes on with the wall clock to the end of the last window with data';

type Happening = readonly [partition: string, what: number | 'idle' | 'removed'];

/** Windows of 1 ms, so that any watermark is the end of one. */
const SPEC = { window: { type: 'tumbling', size: 1 } } as const;

/**
 * Watermarks of several partitions, through the production `count` and `finalize`.
 *
 * The originals' watermark W promises that no more t <= W come, ours that no more t < W do: W is W + 1 here.
 */
export async function watermarkCombined({ cases = [] }: Vector): Promise<Findings> {
  const problems: string[] = [];
  const notes = new Set<string>();
  const unlike: string[] = [];
  for (const [i, one] of cases.entries()) {
    const { events, then = [] } = one as unknown as { events: readonly Happening[]; then?: readonly Happening[] };
    if ([...events, ...then].some(([, what]) => what === 'removed')) {
      unlike.push(`case ${i + 1}: partitions of a topic are never removed`);
      continue;
    }
    const names = [...new Set([...events, ...then].map(([name]) => name))];
    const sea = await newSea(names);
    const check = async (what: string, combined: Json | undefined, idle: Json | undefined) => {
      const found = await sea.combined();
      const { isAllIdle } = sea;
      if (idle !== undefined) problems.push(...compareValue(`case ${i + 1}: ${what} idle`, idle, isAllIdle()));
      if (combined === undefined) return;
      if (!isAllIdle() || found === null)
        return void problems.push(...compareValue(`case ${i + 1}: ${what}`, combined, found));
      // The original then stands at the greatest of them.
      problems.push(...compareValue(`case ${i + 1}: ${what}`, combined, sea.greatest()));
      if (found > sea.greatest()) notes.add(FURTHER);
      if (found < sea.greatest() || found > sea.greatest() + 1) problems.push(`case ${i + 1}: ${what}: found ${found}`);
    };
    for (const happening of events) await sea.happen(happening);
    await check('combined', one['combined'], one['idle']);
    for (const happening of then) await sea.happen(happening);
    await check('combined_then', one['combined_then'], one['idle_then']);
  }
  if (unlike.length === cases.length) throw new NotApplicable([...new Set(unlike)].join('; '));
  return { problems, notes: [...notes, ...unlike] };
}

/** Partitions that get a watermark, fall idle and come back. */
async function newSea(names: readonly string[]) {
  const declared = declare(SPEC, [], { delayMs: 0 });
  const { idleAfterMs } = declared.pipeline;
  const world = await newWorld(declared, [], names.length);
  const idle = new Set<string>();
  const ends = new Map(names.map((name) => [name, 0]));
  let greatest = NEVER;
  const finalize = async () => {
    for (const [p, name] of names.entries()) {
      const end = ends.get(name) ?? 0;
      // A partition that is not idle has something undelivered that would count.
      const ahead = {
        offset: end,
        timestamp: at('19:00:00'),
        key: null,
        value: Buffer.from(JSON.stringify(wire(at('18:59:00')))).toString('base64'),
      };
      world.broker.partitions[p] = idle.has(name) ? { end } : { end: end + 1, records: [ahead] };
    }
    await world.finalize();
  };
  const wire = (t: number) => declared.wireOf({ t });
  return {
    async happen([name, what]: Happening): Promise<void> {
      const p = names.indexOf(name);
      if (typeof what === 'string' && what !== 'idle') throw new Error(`'${what}' is not known`);
      if (typeof what === 'number') {
        const o = ends.get(name) ?? 0;
        const entry: Entry = { p, o, timestamp: at('19:00:00'), wire: wire(what + 1), event: { t: what + 1 } };
        await world.deliver([entry]);
        ends.set(name, o + 1);
        idle.delete(name);
        greatest = Math.max(greatest, what);
      } else {
        idle.add(name);
        world.push(idleAfterMs);
      }
      await finalize();
    },
    combined: async (): Promise<number | null> => {
      const closed = await world.closed();
      return closed === NEVER ? null : closed - 1;
    },
    isAllIdle: (): boolean => names.length > 0 && idle.size === names.length,
    /** The greatest watermark of any, in the originals' counting; the last window with data ends 1 ms later. */
    greatest: (): number => greatest,
  };
}

/** Tiny times of the originals as times the product takes: a second is the least. */
const SCALE = 1000;

/** One partition with nothing undelivered, looked at a while after its last activity. */
export async function idleTimer({ cases = [] }: Vector): Promise<Findings> {
  const problems: string[] = [];
  for (const [i, one] of cases.entries()) {
    const { timeout, probe_at, idle, activity_at, probe_after, idle_after, error } = one as Fields & {
      timeout: number;
    };
    let declared: Pipeline | undefined;
    try {
      declared = pipelineWith(timeout * SCALE);
    } catch (thrown) {
      if (!isError(thrown, 'BAD_DECLARATION')) throw thrown;
    }
    if (error === true || !declared) {
      if ((error === true) !== (declared === undefined))
        problems.push(`case ${i + 1}: timeout ${timeout} is ${declared ? 'accepted' : 'refused'}`);
      continue;
    }
    const { broker } = fakeBroker({ 0: { end: 0 } });
    const isIdleAt = (now: number, seen: number): Promise<boolean> => {
      const checkpoint = newCheckpoint(declared, 0, 'x', NEVER, seen * SCALE);
      return isIdle(
        declared,
        { ...checkpoint, from: 0, next: 0 },
        { start: 0, end: 0, committed: 0 },
        broker,
        now * SCALE,
      );
    };
    problems.push(...compareValue(`case ${i + 1}: idle`, idle, await isIdleAt(Number(probe_at), 0)));
    if (idle_after === undefined) continue;
    problems.push(
      ...compareValue(
        `case ${i + 1}: idle_after`,
        idle_after,
        await isIdleAt(Number(probe_after ?? probe_at), Number(activity_at ?? 0)),
      ),
    );
  }
  return { problems, notes: [] };
}

const pipelineWith = (idleAfterMs: number): Pipeline => {
  const { kinds } = clicks().geometry;
  return pipeline({
    name: 'idle',
    revision: 1,
    source: clickSource(),
    watermark: '30 seconds',
    groupBy: ['username'],
    windows: Object.fromEntries(kinds),
    aggregate: { n: { kind: 'count' } },
    orderBy: 'n',
    retain: '7 days',
    idleAfter: inMs(idleAfterMs),
  });
};

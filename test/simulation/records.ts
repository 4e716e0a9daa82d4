import type { Dice } from './dice.ts';
import { CENTS } from './declare.ts';
import { GARBAGE } from './five.ts';
import type { Log, Truth } from './kafka.ts';
import type { Plan } from './plan.ts';

/** What producers write, and the truth about it. */
export interface Producer {
  /** Appends one record of this world's usual mix. */
  produce(log: Log, now: number): void;
  /** Appends one good event. */
  produceLast(log: Log, now: number): void;
  /** Appends a record that can neither count nor move the clock: late, rejected or filtered. */
  produceInert(log: Log, now: number, below: number): void;
  /** Ends a transaction: its records become readable, or never will. */
  endTransaction(log: Log): void;
}

interface Value {
  t?: unknown;
  k?: string | null;
  l?: string;
  n?: number;
  does?: string;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

export function producer(plan: Plan, dice: Dice): Producer {
  const { faults, app, sizeMs, sliceMs } = plan;
  const [pipeline] = plan.deployments;
  const { maxFutureMs, running, sideOutput } = pipeline;
  const isWhole = pipeline.columns.length === 2;
  const isTrusted = !faults.has('untrusted');
  const lagMs = new Map<number, number>();
  let leap = 0;

  // An event that is late counts all the same where totals are running, and late ones go to files too.
  const tailKind = running || (app && sideOutput) ? 0 : dice.pick([0, 1, 2, undefined]);
  let isCalm = false;

  function append(log: Log, now: number, timestamp: number, value: Value | string | null, truth: Truth): void {
    const text = value === null || typeof value === 'string' ? value : base64(JSON.stringify(value));
    const inTransaction = !isCalm && faults.has('transactions') && dice.chance(0.3);
    log.entries.push({
      offset: log.entries.length,
      timestamp,
      key: null,
      value: text,
      truth,
      appendedAt: now,
      state: inTransaction || log.entries.at(-1)?.state === 'open' ? 'open' : 'visible',
      isDoomed: false,
    });
    if (faults.has('holes') && dice.chance(0.2)) hole(log, now);
  }

  function hole(log: Log, now: number): void {
    const truth: Truth = { kind: 'rejected', reason: '' };
    const hole = {
      timestamp: now,
      key: null,
      value: null,
      truth,
      appendedAt: now,
      state: 'hole',
      isDoomed: true,
    } as const;
    log.entries.push({ ...hole, offset: log.entries.length });
  }

  /** A record no schema or step accepts. Some have an instant, and move the clock. */
  function malformed(log: Log, now: number, timestamp: number, instant: number): void {
    const rejected = (reason: string): Truth => ({ kind: 'rejected', reason });
    switch (dice.int(0, 6)) {
      case 0:
        return append(log, now, timestamp, null, rejected('tombstone'));
      case 1:
        return append(log, now, timestamp, '%%% no base64', rejected('base64'));
      case 2:
        return append(log, now, timestamp, base64('{"t":'), rejected('json'));
      case 3:
        return append(log, now, timestamp, { k: 'no time' }, rejected('schema'));
      case 4:
        return append(
          log,
          now,
          timestamp,
          { t: 'noon', k: 'a', l: 'v', n: 1 },
          running ? event('a', 'v', 1) : rejected('instant'),
        );
      case 5:
        return append(log, now, timestamp, { t: instant, k: 'x'.repeat(600), n: 1 }, { ...rejected('key'), instant });
      default:
        return append(
          log,
          now,
          timestamp,
          { t: instant, k: 'a', n: 1, does: 'throw' },
          { ...rejected('step'), instant },
        );
    }
  }

  /** The truth about an event that is said once or several times. */
  function event(k: string | null, l: string, n: number, instant?: number, times = 1): Truth {
    const add = {
      keys: pipeline.groupBy.length === 2 ? [k, l] : [k],
      amount: isWhole ? n : Math.round(n * 10 ** CENTS),
    };
    const row = sideOutput && l === 'u' ? [[k, n.toFixed(2)]] : [];
    const all = <T>(one: readonly T[]): T[] => Array.from({ length: times }, () => one).flat();
    return { kind: 'event', instant, adds: all([add]), rows: all(row) };
  }

  /** What a mock of the application writes at some instant. */
  function mocked(log: Log, now: number, timestamp: number, instant: number, garbage?: string | null): boolean {
    if (!app) return false;
    const message = app.mock.generate(dice.next, instant, log.entries.length + 1);
    const text = garbage === undefined ? message.value : garbage;
    const recordedAt = timestamp === -1 ? -1 : (message.timestamp ?? timestamp);
    append(log, now, recordedAt, text === null ? null : base64(text), app.truthOf(text, recordedAt));
    return true;
  }

  return {
    produce(log, now) {
      leap += plan.strideMs;
      if (isTrusted && faults.has('jump') && dice.chance(0.06)) leap += dice.int(1, 50) * sizeMs;
      if (!lagMs.has(log.partition)) lagMs.set(log.partition, dice.chance(0.3) ? dice.int(0, 2 * sizeMs) : 0);
      const disorder = !faults.has('disorder')
        ? 0
        : dice.chance(0.2)
          ? dice.int(0, 3 * sizeMs)
          : dice.int(0, 2 * sliceMs);
      const wall = Math.floor(now);
      const usual = wall - plan.ageMs - plan.shiftMs + leap - (lagMs.get(log.partition) ?? 0) - disorder;
      // On the grid often: bounds are where mistakes are.
      let instant = dice.chance(0.3) ? Math.floor(usual / sliceMs) * sliceMs - dice.int(0, 1) : usual;
      const isTimeless = faults.has('timeless') && dice.chance(0.2);
      const timestamp = isTimeless ? -1 : wall - plan.ageMs + leap - dice.int(0, 50);
      const k = dice.pick(plan.keys);
      const n = isWhole ? dice.int(-5, 20) : dice.int(-500, 2_000) / 100;
      const l = dice.pick(['u', 'v']);
      const latest = isTrusted && !isTimeless ? timestamp + maxFutureMs : Number.POSITIVE_INFINITY;
      if (faults.has('future') && dice.chance(0.1)) {
        const beyond = dice.pick([1, 1_000, 1_000_000_000]);
        if (app) return void mocked(log, now, timestamp, Math.min(latest, timestamp + maxFutureMs) + beyond);
        if (Number.isFinite(latest))
          return append(log, now, timestamp, { t: latest + beyond, k, l, n }, { kind: 'rejected', reason: 'future' });
        // The wall clock of whoever decodes it says what becomes of this one.
        if (!isTrusted) instant = wall + maxFutureMs + beyond;
      }
      instant = Math.min(instant, latest);
      if (app && faults.has('malformed') && dice.chance(0.1)) {
        if (dice.chance(0.2))
          return append(log, now, timestamp, '%%% no base64', { kind: 'rejected', reason: 'base64' });
        return void mocked(log, now, timestamp, instant, dice.pick([null, ...GARBAGE]));
      }
      if (mocked(log, now, timestamp, instant)) return undefined;
      if (faults.has('malformed') && dice.chance(0.15)) return malformed(log, now, timestamp, instant);
      if (faults.has('filtered') && dice.chance(0.15)) {
        return append(log, now, timestamp, { t: instant, k, l, n, does: 'drop' }, { kind: 'filtered', instant });
      }
      const times = dice.chance(0.05) ? 2 : 1;
      const does = times === 2 ? 'double' : 'count';
      append(log, now, timestamp, { t: instant, k, l, n, does }, event(k, l, n, instant, times));
      return undefined;
    },
    produceLast(log, now) {
      isCalm = true;
      const wall = Math.floor(now);
      const t = wall - plan.ageMs - plan.shiftMs + leap;
      const [k, l, n] = [plan.keys[0], 'u', 1];
      if (!mocked(log, now, wall - plan.ageMs + leap, t))
        append(log, now, wall - plan.ageMs + leap, { t, k, l, n }, event(k, l, n, t));
    },
    produceInert(log, now, below) {
      const timestamp = Math.floor(now);
      const instant = below - sizeMs - 1 - dice.int(0, 1_000);
      const t = Math.min(instant, isTrusted ? timestamp + maxFutureMs : instant);
      const kind = Number.isFinite(t) ? (tailKind ?? dice.int(0, 2)) : 0;
      if (app)
        return void mocked(log, now, timestamp, Number.isFinite(t) ? t : timestamp, kind === 0 ? null : undefined);
      if (kind === 0) return append(log, now, timestamp, base64('no json'), { kind: 'rejected', reason: 'json' });
      if (kind === 1) {
        return append(log, now, timestamp, { t, k: 'late', l: 'v', n: 1 }, event('late', 'v', 1, t));
      }
      return append(log, now, timestamp, { t, k: 'late', n: 1, does: 'drop' }, { kind: 'filtered', instant: t });
    },
    endTransaction(log) {
      const isAborted = dice.chance(0.3);
      for (const entry of log.entries) {
        if (entry.state !== 'open') continue;
        entry.state = isAborted ? 'hole' : 'visible';
        entry.isDoomed = isAborted;
      }
      hole(log, log.entries.at(-1)?.appendedAt ?? 0);
    },
  };
}

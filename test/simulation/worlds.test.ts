import { expect, test } from 'vitest';
import { inParallel } from '../../lib/runtime/retry.ts';
import { PROCESSES, simulate } from './processes.ts';
import { runWorld } from './run.ts';

const FIRST_SEED = 1;
const WORLDS = 2_000;

/** Situations the protocol is about: a simulation that never meets one proves nothing about it. */
const MUST_HAPPEN = [
  'all idle',
  'base collected',
  'closed on an old listing',
  'compacted',
  'counted after a raise',
  'crash after a call',
  'crash before a call',
  'delay changed',
  'delay raised',
  'delta collected',
  'emitted read again, pages dropped',
  'file was there',
  'file written',
  'final row written again',
  'finalize hinted',
  'first delivery after the join',
  'first delivery below the end it joined at',
  'gap classified as discarded',
  'gap classified as empty',
  'gap classified as expired',
  'idle raise',
  'incomplete window',
  'join in mid-run',
  'joined by count',
  'joined by finalize',
  'late event',
  'late event partially visible',
  'latest joined before its first delivery',
  'live snapshot',
  'log: batch not committed',
  'log: nothing closes: the broker cannot be asked about a gap',
  'log: nothing closes: the broker cannot be asked for partitions',
  'one total read',
  'overlapping delivery',
  'partition added',
  'pipeline sales',
  'pipeline telegram',
  'pipeline telegram-activity',
  'pipeline transactions',
  'pipeline tweets',
  'poller restarted',
  'raised over a lag that cannot count',
  'raised over a loss, and said so',
  'raised over markers',
  'redelivered',
  'redelivery dropped',
  'refused: commit',
  'refused: compaction',
  'refused: directory or live',
  'refused: join or gaps',
  'refused: raise',
  'refused: range of a file',
  'refused: registry',
  'refused: running snapshot',
  'rejected by the wall clock',
  'rejection',
  'rows beyond the top',
  'running snapshot',
  'segment collected',
  'segment of its own',
  'several files',
  'throttled',
  'time jump',
  'totals read',
  'unknown outcome: batch',
  'unknown outcome: put',
  'unknown outcome: transact',
  'unknown outcome: write',
  'unprocessed items',
  'unread keys',
];

test(`${WORLDS} worlds end as the oracle says, and every situation happens in some`, async () => {
  const share = Math.ceil(WORLDS / PROCESSES);
  const tasks = Array.from({ length: PROCESSES }, (_, i) => async () => {
    const { exitCode, output } = await simulate('--seed', `${FIRST_SEED + i * share}`, '--runs', `${share}`);
    expect(exitCode, output).toBe(0);
    return output;
  });
  const outputs = (await inParallel(tasks, PROCESSES)).map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
  const marks = new Set(outputs.join('\n').match(/(?<=^ *\d+ {2})\S.*$/gm));
  expect(MUST_HAPPEN.filter((situation) => !marks.has(situation))).toEqual([]);
});

test('one seed replays one world, step by step', async () => {
  for (const seed of [3, 4, 8, 14, 15, 92]) {
    const trace: string[] = [];
    const [first, second] = [await runWorld(seed), await runWorld(seed, (line) => void trace.push(line))];
    expect(second.hash).toBe(first.hash);
    expect(second.events).toBe(first.events);
    expect(trace.length).toBeGreaterThan(20);
  }
  expect((await runWorld(3)).hash).not.toBe((await runWorld(4)).hash);
});

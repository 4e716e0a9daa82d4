import { expect, test } from 'vitest';
import { runWorld } from './run.ts';

const FIRST_SEED = 1;
const WORLDS = 2_000;

/** Situations the protocol is about: a simulation that never meets one proves nothing about it. */
const MUST_HAPPEN = [
  'all idle',
  'closed on an old listing',
  'counted after a raise',
  'crash after a call',
  'crash before a call',
  'delay changed',
  'delay raised',
  'emitted read again, pages dropped',
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
  'overlapping delivery',
  'partition added',
  'poller restarted',
  'raised over a lag that cannot count',
  'raised over a loss, and said so',
  'raised over markers',
  'redelivered',
  'redelivery dropped',
  'refused: commit',
  'refused: directory or live',
  'refused: join or gaps',
  'refused: raise',
  'refused: registry',
  'rejected by the wall clock',
  'rejection',
  'rows beyond the top',
  'segment collected',
  'segment of its own',
  'throttled',
  'time jump',
  'unknown outcome: batch',
  'unknown outcome: transact',
  'unknown outcome: write',
  'unprocessed items',
  'unread keys',
];

test(`${WORLDS} worlds end as the oracle says, and every situation happens in some`, async () => {
  const marks = new Set<string>();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + WORLDS; seed++) {
    const outcome = await runWorld(seed);
    expect(
      outcome.discrepancies,
      `npm run simulate -- --seed ${seed} --verbose; faults: ${[...outcome.plan.faults].join(', ')}`,
    ).toEqual([]);
    for (const mark of outcome.marks) marks.add(mark);
  }
  expect(MUST_HAPPEN.filter((situation) => !marks.has(situation))).toEqual([]);
});

test('one seed replays one world, step by step', async () => {
  for (const seed of [3, 14, 15, 92]) {
    const trace: string[] = [];
    const [first, second] = [await runWorld(seed), await runWorld(seed, (line) => void trace.push(line))];
    expect(second.hash).toBe(first.hash);
    expect(second.events).toBe(first.events);
    expect(trace.length).toBeGreaterThan(20);
  }
  expect((await runWorld(3)).hash).not.toBe((await runWorld(4)).hash);
});

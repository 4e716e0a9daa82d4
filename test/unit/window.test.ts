import { describe, expect, test } from 'vitest';
import { running, sliding, tumbling } from '../../lib/window/window.ts';
import type { Duration } from '../../lib/time/duration.ts';

/** What a declaration from untyped code may hold. */
const text = (value: string): Duration => value as Duration;

describe('a window declared well', () => {
  test('tumbling: the step is the size', () => {
    expect(tumbling('1 minute', { emit: 'final' })).toStrictEqual({
      kind: 'tumbling',
      sizeMs: 60_000,
      everyMs: 60_000,
      offsetMs: 0,
      emit: 'final',
      problems: [],
    });
  });

  test('sliding, with everything', () => {
    const window = sliding('10 minutes', {
      every: '30 seconds',
      offset: '10 seconds',
      emit: 'update',
      trigger: '20 seconds',
      top: 100,
    });
    expect(window).toEqual({
      kind: 'sliding',
      sizeMs: 600_000,
      everyMs: 30_000,
      offsetMs: 10_000,
      emit: 'update',
      triggerMs: 20_000,
      top: 100,
      problems: [],
    });
  });

  test('an offset of whole steps is none', () => {
    expect(tumbling('1 minute', { emit: 'final', offset: '1 minute' }).offsetMs).toBe(0);
    expect(sliding('1 minute', { every: '20 seconds', emit: 'final', offset: '50 seconds' }).offsetMs).toBe(10_000);
  });

  test('is frozen', () => {
    expect(Object.isFrozen(tumbling('1 minute', { emit: 'final' }))).toBe(true);
    expect(Object.isFrozen(running({ trigger: '10 seconds' }))).toBe(true);
  });

  test('at the limits', () => {
    const final = { emit: 'final' } as const;
    const all = [
      tumbling('366 days', final),
      tumbling('1 millisecond', final),
      sliding('10000 seconds', { ...final, every: '1 second' }),
      tumbling('1 minute', { ...final, top: 1 }),
      tumbling('1 minute', { ...final, top: 1_000_000 }),
      tumbling('1 minute', { ...final, offset: '0 seconds' }),
      tumbling('1 minute', { emit: 'update', trigger: '1 millisecond' }),
    ];
    expect(all.flatMap(({ problems }) => problems)).toEqual([]);
  });
});

describe('a window says what is wrong with it', () => {
  const final = { emit: 'final' } as const;
  const every = text('often');
  test.each([
    [tumbling(text('soon'), final), ['size', 'every'].map((what) => notADuration('tumbling', what, 'soon'))],
    [tumbling('0 seconds', final), ['size', 'every'].map((what) => notADuration('tumbling', what, '0 seconds'))],
    [sliding('1 minute', { ...final, every }), [notADuration('sliding', 'every', 'often')]],
    [
      tumbling('1 minute', { emit: 'update', trigger: '0 seconds' }),
      [notADuration('tumbling', 'trigger', '0 seconds')],
    ],
    [
      tumbling('1 minute', { ...final, offset: text('later') }),
      ["tumbling: offset is 'later'; expected a duration such as '15 minutes'"],
    ],
    [tumbling('367 days', final), ["tumbling: size is '367 days'; the longest window is 366 days"]],
    [
      sliding('1 minute', { ...final, every: '2 minutes' }),
      ['sliding: every (2 minutes) is longer than the window (1 minute); events would fall between windows'],
    ],
    [
      sliding('10001 seconds', { ...final, every: '1 second' }),
      ['sliding: 10001 seconds every 1 second puts each event in more than 10000 windows'],
    ],
    ...[0, 1_000_001, 1.5, Number.NaN].map((top) => [
      tumbling('1 minute', { ...final, top }),
      [`tumbling: top is ${top}; expected a whole number from 1 to 1000000`],
    ]),
  ])('%#', (window, problems) => {
    expect(window).toMatchObject({ problems });
  });
});

function notADuration(kind: string, what: string, found: string): string {
  return `${kind}: ${what} is '${found}'; expected a duration such as '30 seconds'`;
}

describe('running totals', () => {
  test('keep 100 rows unless said', () => {
    expect(running({ trigger: '10 seconds' })).toEqual({ kind: 'running', triggerMs: 10_000, top: 100, problems: [] });
  });

  test('take 1 to 1,000 rows and any trigger', () => {
    const all = [1, 1_000].map((top) => running({ trigger: '1 millisecond', top }));
    expect(all.map(({ top, triggerMs, problems }) => [top, triggerMs, problems])).toEqual([
      [1, 1, []],
      [1_000, 1, []],
    ]);
  });

  test.each([0, 1_001, 1.5])('do not take %d rows', (top) => {
    expect(running({ trigger: '10 seconds', top }).problems).toEqual([
      `running: top is ${top}; expected a whole number from 1 to 1000`,
    ]);
  });

  test.each(['now', '0 seconds'])('do not take the trigger %j', (trigger) => {
    expect(running({ trigger: text(trigger) }).problems).toEqual([
      `running: trigger is '${trigger}'; expected a duration such as '10 seconds'`,
    ]);
  });
});

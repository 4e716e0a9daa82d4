import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  avg,
  count,
  kafka,
  max,
  min,
  pipeline,
  running,
  sliding,
  sum,
  tumbling,
  unixMillis,
  type Pipeline,
} from '../../lib/index.ts';
import { formatDuration } from '../../lib/time/duration.ts';
import type { WindowKind } from '../../lib/window/window.ts';
import type { Dice } from './dice.ts';
import type { Fault } from './plan.ts';

/** An event of every pipeline that is made up. */
interface Event {
  readonly t: number;
  readonly k: string | null;
  readonly l?: string | undefined;
  readonly n: number;
  readonly does?: 'drop' | 'throw' | 'double' | undefined;
}

/** Windows in event time, or one over all time. */
export interface Shape {
  readonly windows: Readonly<Record<string, WindowKind>> | undefined;
  /** What delays and jumps are multiples of. */
  readonly unitMs: number;
}

export const TELEGRAM: Shape = {
  unitMs: 10_000,
  windows: {
    '1m': tumbling('1 minute', { emit: 'final' }),
    '10m': sliding('10 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 100 }),
  },
};

/** So many slices in one batch that a commit takes several transactions. */
export const MANY_SLICES: Shape = {
  unitMs: 500,
  windows: { t: tumbling('500 milliseconds', { emit: 'final' }) },
};

export const overAllTime = (d: Dice): Shape => ({ unitMs: d.pick([500, 1_000, 3_000]), windows: undefined });

export function randomGeometry(d: Dice): Shape {
  const unitMs = d.pick([500, 1_000, 3_000]);
  const windows: Record<string, WindowKind> = {};
  const top = d.chance(0.25) ? { top: d.int(1, 3) } : {};
  const emit = d.chance(0.3)
    ? ({ emit: 'update', trigger: formatDuration(unitMs * d.int(1, 4)), ...top } as const)
    : ({ emit: 'final', ...top } as const);
  const offset = d.chance(0.3) ? { offset: formatDuration(d.int(1, 10) * (unitMs / 2)) } : {};
  if (d.chance(0.7)) windows['t'] = tumbling(formatDuration(unitMs * d.int(1, 6)), { ...emit, ...offset });
  if (d.chance(0.6) || !windows['t']) {
    const size = d.int(2, 8);
    const every = formatDuration(unitMs * d.int(Math.ceil(size / 4), size));
    windows['s'] = sliding(formatDuration(unitMs * size), { every, emit: 'final', ...(d.chance(0.3) && offset) });
  }
  return { windows, unitMs };
}

/** Digits after the point of every amount, where amounts are not whole. */
export const CENTS = 2;

/**
 * A made-up pipeline, once per delay.
 *
 * @param d decides about windows as ever; `more` about what came later, so that old seeds give old worlds.
 */
export function declared(
  d: Dice,
  more: Dice,
  faults: ReadonlySet<Fault>,
  { windows, unitMs }: Shape,
  delays: readonly [number, ...number[]],
  hasSideOutput: boolean,
): readonly [Pipeline, ...Pipeline[]] {
  const source = sourceOf(d, faults);
  const idleAfter = formatDuration(d.pick([1_000, 3_000, 10_000, 30_000]));
  const maxFuture = formatDuration(unitMs * d.int(0, 8));
  const groupBy = d.chance(0.2) ? (['k', 'l'] as const) : (['k'] as const);
  const orderBy = d.pick(['events', 'amount'] as const);
  const roll = { rows: more.int(1, 6), age: formatDuration(more.pick([1_000, 5_000, 20_000])) };
  const columns = { k: 'text', n: 'decimal(2)' } as const;
  const side = hasSideOutput && { sideOutput: { name: 'side', where: ({ l }: Event) => l === 'u', columns, roll } };
  const common = { name: 'world', revision: 1, source, groupBy, retain: '7 days', maxFuture, ...side } as const;
  const whole = { aggregate: { events: count(), amount: sum('n', { scale: 0 }) }, orderBy } as const;
  const cents = {
    aggregate: CENT_AGGREGATES,
    orderBy: more.pick(['events', 'amount', 'mean', 'least', 'most'] as const),
  } as const;
  const isWhole = more.chance(0.7);
  if (windows) {
    const inWindows = (delay: number) => ({ ...common, watermark: formatDuration(delay), windows, idleAfter });
    const declare = (delay: number): Pipeline =>
      isWhole ? pipeline({ ...inWindows(delay), ...whole }) : pipeline({ ...inWindows(delay), ...cents });
    return [declare(delays[0]), ...delays.slice(1).map(declare)];
  }
  const top = more.chance(0.6) ? { top: more.int(1, 5) } : {};
  const trigger = formatDuration(more.pick([100, unitMs, 3 * unitMs]));
  const all = { ...common, windows: { all: running({ trigger, ...top }) } };
  return [isWhole ? pipeline({ ...all, ...whole }) : pipeline({ ...all, ...cents })];
}

const CENT_AGGREGATES = {
  events: count(),
  amount: sum('n', { scale: CENTS }),
  mean: avg('n', { scale: CENTS }),
  least: min('n', { scale: CENTS }),
  most: max('n', { scale: CENTS }),
} as const;

const schema: StandardSchemaV1<unknown, Event> = {
  '~standard': {
    version: 1,
    vendor: 'simulation',
    validate: (value) =>
      typeof value === 'object' && value !== null && 't' in value && 'n' in value
        ? { value: value as Event } // the only objects the world makes
        : { issues: [{ message: 'no event' }] },
  },
};

function sourceOf(d: Dice, faults: ReadonlySet<Fault>) {
  const source = kafka({
    topic: 'records',
    startAt: d.pick(['earliest', 'earliest', 'latest']),
    maxBatch: 1000,
    value: schema,
    eventTime: unixMillis('t'),
    ...(faults.has('untrusted') && { timestamps: 'untrusted' as const, wallClockGuard: true }),
  });
  return source
    .filter('not dropped', ({ does }) => does !== 'drop')
    .flatMap('doubled', (event) => (event.does === 'double' ? [event, event] : [event]))
    .map('never thrown', (event) => {
      if (event.does === 'throw') throw new Error('thrown');
      return event;
    });
}

import type { StandardSchemaV1 } from '@standard-schema/spec';
import { count, kafka, pipeline, sliding, sum, tumbling, unixMillis, type Pipeline } from '../../lib/index.ts';
import { formatDuration } from '../../lib/time/duration.ts';
import type { WindowKind } from '../../lib/window/window.ts';
import { dice, type Dice } from './dice.ts';

/** Whole kinds of trouble, each switched on or off per world: what is never off hides what it always masks. */
export const FAULTS = [
  'crash', // an invocation never goes on after a store call
  'throttle', // a store call is refused as busy, and was not applied
  'lost-answer', // a store call was applied, and its answer lost
  'unprocessed', // unread keys and unprocessed items
  'pages', // short pages, and empty ones with a next
  'stall', // a call takes seconds to a minute
  'timeout', // the poller gives an invocation up, which goes on all the same
  'overlap', // another poller delivers the same partition at the same time
  'restart', // the poller starts again where the group has committed
  'discard', // the poller drops a batch
  'retention', // the log's start moves over records nobody got
  'holes', // markers of transactions, and compaction
  'transactions', // records that are there but cannot be read yet
  'grow', // partitions are added
  'unreachable', // the broker does not answer now and then
  'sneak', // records come right after the broker was asked
  'outage', // the broker does not answer for minutes
  'skew', // clocks of invocations differ
  'deploy', // the delay changes, and some invocations still run the old one
  'disorder', // event times are out of order, some late
  'malformed', // records no schema, guard or step accepts
  'future', // event times too far beyond the Kafka timestamp
  'filtered', // records a step filters
  'timeless', // records without a Kafka timestamp
  'jump', // event time leaps far ahead
  'lull', // partitions are silent for long
  'deadline', // Lambda's time is short
  'hints', // count asks for finalize
  'crowd', // several finalize at once
  'long-keys', // keys that outgrow an open segment
  'combined', // several partitions in one delivery
  'partial', // the mapping reads which records failed
  'untrusted', // no timestamp can be trusted: the wall clock guards
  'tail', // late, rejected or filtered records go on when all else has ended
] as const;
export type Fault = (typeof FAULTS)[number];

/** An event of every simulated pipeline. */
interface Event {
  readonly t: number;
  readonly k: string | null;
  readonly l?: string | undefined;
  readonly n: number;
  readonly does?: 'drop' | 'throw' | 'double' | undefined;
}

/** One world, as its seed has it. */
export interface Plan {
  readonly seed: number;
  readonly faults: ReadonlySet<Fault>;
  /** One per deployment: the same declaration with another delay. */
  readonly deployments: readonly [Pipeline, ...Pipeline[]];
  readonly partitions: number;
  /** Wall time the world begins at. */
  readonly start: number;
  /** How far event times lie behind Kafka's timestamps: to 1970 and before. */
  readonly shiftMs: number;
  /** How long records are produced. */
  readonly spanMs: number;
  readonly records: number;
  /** Most records in one delivery. */
  readonly maxBatch: number;
  /** How far event time goes ahead with every record, beside wall time. */
  readonly strideMs: number;
  /** How far timestamps and event times lie behind wall time: a backlog has history in it. */
  readonly ageMs: number;
  /** Greatest usual latency of a call. */
  readonly latencyMs: number;
  readonly skewMs: number;
  readonly finalizeMs: number;
  readonly pollMs: number;
  readonly keys: readonly [string | null, ...(string | null)[]];
}

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

/** Key order that JavaScript gets wrong (U+FF5E before U+1F600), a null, an empty one, one that needs escapes. */
const KEYS = ['alice', 'bob', null, '', 'null', '\u{1f600}', '\uff5e', 'a\tb\\N'] as const;

const START = Date.UTC(2026, 0, 8, 19);

export function planOf(seed: number): Plan {
  const d = dice(seed);
  const density = d.pick([0.1, 0.3, 0.5, 0.8]);
  const faults = new Set(FAULTS.filter(() => d.chance(density)));
  const geometry = d.chance(0.03) ? TELEGRAM : d.chance(0.02) ? MANY_SLICES : randomGeometry(d);
  const { windows, unitMs } = geometry;
  const sizes = Object.values(windows).map(({ sizeMs }) => sizeMs);
  const maxSizeMs = Math.max(...sizes);
  const delayMs = unitMs * d.int(0, 3);
  const delays = faults.has('deploy') ? [delayMs, unitMs * d.int(0, 6), unitMs * d.int(0, 6)] : [delayMs];
  const source = sourceOf(d, faults);
  const idleAfter = formatDuration(d.pick([1_000, 3_000, 10_000, 30_000]));
  const maxFuture = formatDuration(unitMs * d.int(0, 8));
  const groupBy = d.chance(0.2) ? (['k', 'l'] as const) : (['k'] as const);
  const orderBy = d.pick(['events', 'amount'] as const);
  const declare = (delay: number): Pipeline =>
    pipeline({
      name: 'world',
      revision: 1,
      source,
      watermark: formatDuration(delay),
      groupBy,
      windows,
      aggregate: { events: count(), amount: sum('n', { scale: 0 }) },
      orderBy,
      retain: '7 days',
      idleAfter,
      maxFuture,
    });
  const keys = faults.has('long-keys') ? KEYS.map((key) => (key ?? '').padEnd(150, '.')) : KEYS.slice(0, d.int(1, 8));
  return {
    seed,
    faults,
    deployments: [declare(delays[0] ?? 0), ...delays.slice(1).map(declare)],
    partitions: d.pick([1, 1, 2, 2, 3]),
    start: START,
    shiftMs: d.pick([0, 0, START - Date.UTC(1969, 11, 31, 23, 59, 50), START - Date.UTC(1950, 1, 3)]),
    spanMs: maxSizeMs * d.int(1, 4) + d.int(0, 10_000),
    records: geometry === MANY_SLICES ? 250 : d.int(4, 40),
    maxBatch: geometry === MANY_SLICES ? 200 : d.pick([1, 3, 6, 12]),
    strideMs: geometry === MANY_SLICES ? 700 : 0,
    ageMs: d.chance(0.2) ? d.int(1, 1_000) * maxSizeMs : 0,
    latencyMs: d.pick([1, 10, 100, 100, 1_000, 3_000]),
    skewMs: faults.has('skew') ? d.pick([10, 1_000, 3_000]) : 0,
    finalizeMs: Math.max(d.pick([1_000, 3_000, 10_000]), maxSizeMs / 20),
    pollMs: Math.max(d.pick([300, 1_000, 4_000]), maxSizeMs / 100),
    keys: [keys[0] ?? null, ...keys.slice(1)],
  };
}

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

interface Shape {
  readonly windows: Readonly<Record<string, WindowKind>>;
  /** What delays and jumps are multiples of. */
  readonly unitMs: number;
}

const TELEGRAM: Shape = {
  unitMs: 10_000,
  windows: {
    '1m': tumbling('1 minute', { emit: 'final' }),
    '10m': sliding('10 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 100 }),
  },
};

/** So many slices in one batch that a commit takes several transactions. */
const MANY_SLICES: Shape = { unitMs: 500, windows: { t: tumbling('500 milliseconds', { emit: 'final' }) } };

function randomGeometry(d: Dice): Shape {
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

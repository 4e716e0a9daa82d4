import type { Pipeline } from '../../lib/index.ts';
import { MANY_SLICES, TELEGRAM, declared, overAllTime, randomGeometry } from './declare.ts';
import { dice } from './dice.ts';
import { anyApp, type App } from './five.ts';
import type { Selection } from './mutant.ts';

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

/** What a world is about: made-up windows, made-up running totals, one of the application's five pipelines. */
export type Kind = 'windows' | 'running' | 'five';

export const isSelected = ({ kind, deployments: [{ sideOutput }] }: Plan, selection: Selection): boolean =>
  selection === 'side-output' ? sideOutput !== undefined : selection === kind;

/** One world, as its seed has it. */
export interface Plan {
  readonly seed: number;
  readonly faults: ReadonlySet<Fault>;
  readonly kind: Kind;
  /** For `five`: which one. */
  readonly app: App | undefined;
  /** One per deployment: the same declaration with another delay. */
  readonly deployments: readonly [Pipeline, ...Pipeline[]];
  readonly partitions: number;
  /** What event times are spread by: the longest window, and the shortest piece of one. */
  readonly sizeMs: number;
  readonly sliceMs: number;
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

/** Key order that JavaScript gets wrong (U+FF5E before U+1F600), a null, an empty one, one that needs escapes. */
const KEYS = ['alice', 'bob', null, '', 'null', '\u{1f600}', '\uff5e', 'a\tb\\N'] as const;

const START = Date.UTC(2026, 0, 8, 19);

export function planOf(seed: number): Plan {
  const d = dice(seed);
  const more = dice(seed ^ 0x0b0e);
  const kind = more.chance(0.75) ? 'windows' : more.pick(['running', 'running', 'five'] as const);
  const density = d.pick([0.1, 0.3, 0.5, 0.8]);
  const faults = new Set(FAULTS.filter(() => d.chance(density)));
  if (kind === 'five') faults.delete('untrusted'); // they trust
  const usual = d.chance(0.03) ? TELEGRAM : d.chance(0.02) ? MANY_SLICES : randomGeometry(d);
  const shape = kind === 'running' ? overAllTime(more) : usual;
  const { unitMs } = shape;
  const delayMs = unitMs * d.int(0, 3);
  const delays: [number, ...number[]] = faults.has('deploy')
    ? [delayMs, unitMs * d.int(0, 6), unitMs * d.int(0, 6)]
    : [delayMs];
  const app = kind === 'five' ? anyApp(more) : undefined;
  const deployments = app
    ? deployed(app.pipeline, delays)
    : declared(d, more, faults, shape, delays, more.chance(kind === 'running' ? 0.3 : 0.15));
  const [{ geometry, running, source }] = deployments;
  const sizeMs = running ? unitMs * more.int(2, 20) : geometry.maxSizeMs;
  const keys = faults.has('long-keys') ? KEYS.map((key) => (key ?? '').padEnd(150, '.')) : KEYS.slice(0, d.int(1, 8));
  const isMany = shape === MANY_SLICES && !app;
  const partitions = d.pick([1, 1, 2, 2, 3]);
  const shiftMs = d.pick([0, 0, START - Date.UTC(1969, 11, 31, 23, 59, 50), START - Date.UTC(1950, 1, 3)]);
  return {
    seed,
    faults,
    kind,
    app,
    deployments,
    partitions: app?.mock.topic.partitions ?? partitions,
    sizeMs,
    sliceMs: running ? unitMs : geometry.sliceMs,
    start: START,
    shiftMs: source.eventTime.kind === 'kafkaTimestamp' ? 0 : shiftMs,
    spanMs: (app ? sizeMs / 2 : sizeMs) * d.int(1, 4) + d.int(0, 10_000),
    records: isMany ? 250 : d.int(4, 40) * (app ? 2 : 1),
    maxBatch: isMany ? 200 : d.pick(app ? [6, 12] : [1, 3, 6, 12]),
    strideMs: isMany ? 700 : 0,
    ageMs: d.chance(0.2) ? d.int(1, 1_000) * sizeMs : 0,
    latencyMs: d.pick([1, 10, 100, 100, 1_000, 3_000]),
    skewMs: faults.has('skew') ? d.pick([10, 1_000, 3_000]) : 0,
    finalizeMs: Math.max(d.pick([1_000, 3_000, 10_000]), sizeMs / 20),
    pollMs: Math.max(d.pick([300, 1_000, 4_000]), sizeMs / (app ? 60 : 100)),
    keys: [keys[0] ?? null, ...keys.slice(1)],
  };
}

/** The application's declaration, and the same one with other delays. */
function deployed(pipeline: Pipeline, [, ...later]: readonly number[]): [Pipeline, ...Pipeline[]] {
  return [pipeline, ...later.map((delay) => (pipeline.running ? pipeline : { ...pipeline, delayMs: 10 * delay }))];
}

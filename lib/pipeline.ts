import { createHash } from 'node:crypto';
import { accumulator, type Accumulator, type Aggregate } from './aggregate/aggregate.ts';
import type { Decimal } from './aggregate/decimal.ts';
import { problemsOf, type OwnName } from './problems.ts';
import { TidemarkError } from './runtime/error.ts';
import { columnText, sideOutputOf, type SideOutput, type SideOutputOf } from './sink/side-output.ts';
import type { FieldsOf, Source, SourceOf } from './source/source.ts';
import { parseDuration, type Duration } from './time/duration.ts';
import { SHARDS } from './store/shard.ts';
import { geometryOf, type Geometry } from './window/geometry.ts';
import type { RunningKind, WindowKind } from './window/window.ts';

/** What a pipeline says: one object, in the order the data flows. */
export type Declaration<Event, Groups extends string, Columns extends Record<string, Aggregate>> = Common<
  Event,
  Groups,
  Columns
> &
  (InWindows | OverAllTime);

/** Windows in event time. */
interface InWindows {
  /** How far the watermark stays behind the greatest event time. No default: a hidden one would lose data. */
  readonly watermark: Duration;
  readonly windows: Readonly<Record<string, WindowKind>>;
  /** A partition without anything that counts for this long, and nothing undelivered, is idle; 1 minute unless said. */
  readonly idleAfter?: Duration;
}

/** One window that never ends: there is nothing to wait for, nothing is late and nothing expires but rejections. */
interface OverAllTime {
  readonly watermark?: never;
  readonly windows: Readonly<Record<string, RunningKind>>;
  readonly idleAfter?: never;
}

interface Common<Event, Groups extends string, Columns extends Record<string, Aggregate>> {
  readonly name: string;
  /** Raised by the author whenever a change would make old state mean something else. */
  readonly revision: number;
  readonly source: SourceOf<Event>;
  readonly groupBy: readonly [Groups, ...Groups[]];
  readonly aggregate: Columns;
  /** Rows are sorted by this column, descending; ties by key in UTF-8 byte order. */
  readonly orderBy: keyof Columns & string;
  /** How long results, late events and rejections are kept after they are written; running totals are kept for ever. */
  readonly retain: Duration;
  /** How far an event time may lie beyond the record's trusted Kafka timestamp; 5 minutes unless said. */
  readonly maxFuture?: Duration;
  /** A partition with undelivered records that commits none for this long is reported as stuck; 10 minutes unless said. */
  readonly stuckAfter?: Duration;
  /** Events that also go to Parquet files at SINK_URL, each exactly once. */
  readonly sideOutput?: SideOutputOf<NoInfer<Event>>;
}

/** A pipeline ready to run. Identified in storage as `id`. */
export interface Pipeline {
  readonly name: string;
  readonly revision: number;
  /** `name@revision`: the prefix of every stored key. */
  readonly id: string;
  readonly source: Source;
  readonly delayMs: number;
  readonly groupBy: readonly string[];
  /** Windows in event time; none when the totals are running. */
  readonly geometry: Geometry;
  /** The one window over all time; undefined when there are windows in event time. */
  readonly running: Running | undefined;
  readonly columns: readonly string[];
  readonly aggregates: readonly Aggregate[];
  readonly accumulators: readonly Accumulator[];
  /** Position of the ordering column in `columns`. */
  readonly orderBy: number;
  readonly retainMs: number;
  readonly idleAfterMs: number;
  readonly maxFutureMs: number;
  readonly stuckAfterMs: number;
  readonly sideOutput: SideOutput | undefined;
  /** Short hash of `describe(pipeline).shape`: everything that shapes stored state or results. */
  readonly fingerprint: string;
}

/** A running window and the name it was declared under. */
export type Running = RunningKind & { readonly name: string };

type Numeric<Event> = FieldsOf<Event, number | bigint | Decimal | null | undefined>;
type Text<Event> = FieldsOf<Event, string | null | undefined>;

/**
 * Declares a pipeline.
 *
 * @throws TidemarkError BAD_DECLARATION with every problem at once, when the module that declares it is loaded.
 * @example
 * export const telegram = pipeline({
 *   name: 'telegram',
 *   revision: 1,
 *   source: kafka({ topic: 'telegram_messages', startAt: 'latest', value: TelegramMessage, eventTime: 'event_time' }),
 *   watermark: '30 seconds',
 *   groupBy: ['username'],
 *   windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
 *   aggregate: { message_count: count() },
 *   orderBy: 'message_count',
 *   retain: '7 days',
 * });
 */
export function pipeline<
  Event,
  const Groups extends Exclude<Text<Event>, OwnName>,
  const Columns extends { readonly [name: string]: Aggregate<Numeric<Event>> } & {
    readonly [K in OwnName | Groups]?: never;
  },
>(declared: Declaration<Event, Groups, Columns>): Pipeline {
  const problems = problemsOf(declared);
  if (problems.length > 0) {
    const list = problems.map((problem) => `\n  - ${problem}`).join('');
    throw new TidemarkError('BAD_DECLARATION', `pipeline '${declared.name}' makes no sense:${list}`, { problems });
  }
  const columns = Object.keys(declared.aggregate);
  const aggregates = Object.values(declared.aggregate);
  const withoutFingerprint = {
    name: declared.name,
    revision: declared.revision,
    id: `${declared.name}@${declared.revision}`,
    source: declared.source,
    // A watermark that far behind never moves: nothing is late for a window that never ends.
    delayMs: parseDuration(declared.watermark ?? '') ?? Number.POSITIVE_INFINITY,
    groupBy: declared.groupBy,
    geometry: geometryOf(inEventTime(declared.windows)),
    running: runningOf(declared.windows),
    columns,
    aggregates,
    accumulators: aggregates.map(accumulator),
    orderBy: columns.indexOf(declared.orderBy),
    retainMs: parseDuration(declared.retain) ?? 0,
    idleAfterMs: parseDuration(declared.idleAfter ?? '1 minute') ?? 0,
    maxFutureMs: parseDuration(declared.maxFuture ?? '5 minutes') ?? 0,
    stuckAfterMs: parseDuration(declared.stuckAfter ?? '10 minutes') ?? 0,
    sideOutput: declared.sideOutput && sideOutputOf(declared.sideOutput),
  };
  return Object.freeze({ ...withoutFingerprint, fingerprint: hash(shapeOf(withoutFingerprint)) });
}

/** Where the stored format changes, the number does, and with it every fingerprint. */
const STORED_FORMAT = 1;

/** What a pipeline means, as JSON: `shape` may only change with the revision, `settings` may change freely. */
export interface Description {
  readonly name: string;
  readonly revision: number;
  readonly fingerprint: string;
  readonly shape: Shape;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
}

export type Shape = Readonly<Record<string, string>>;

export function describe(pipeline: Pipeline): Description {
  const { source, sideOutput } = pipeline;
  return {
    name: pipeline.name,
    revision: pipeline.revision,
    fingerprint: pipeline.fingerprint,
    shape: shapeOf(pipeline),
    settings: {
      startAt: source.startAt,
      maxBatch: source.maxBatch,
      timestamps: source.timestamps,
      wallClockGuard: source.wallClockGuard,
      ...(!pipeline.running && { delayMs: pipeline.delayMs, idleAfterMs: pipeline.idleAfterMs }),
      retainMs: pipeline.retainMs,
      maxFutureMs: pipeline.maxFutureMs,
      stuckAfterMs: pipeline.stuckAfterMs,
      ...(sideOutput && {
        'side output rolls at rows': sideOutput.rollRows,
        'side output rolls at bytes': sideOutput.rollBytes,
        'side output rolls at age, ms': sideOutput.rollAgeMs,
      }),
      ...Object.fromEntries(triggersOf(pipeline).map(([name, triggerMs]) => [`trigger of ${name}, ms`, triggerMs])),
    },
  };
}

/** The windows that are shown while they are open, and the shortest time between two refreshes of each, ms. */
export const triggersOf = ({ geometry, running }: Pick<Pipeline, 'geometry' | 'running'>): [string, number][] => [
  ...[...geometry.kinds].flatMap(([name, { triggerMs }]): [string, number][] =>
    triggerMs === undefined ? [] : [[name, triggerMs]],
  ),
  ...(running ? [[running.name, running.triggerMs] as [string, number]] : []),
];

type Windows = Readonly<Record<string, WindowKind | RunningKind>>;

const inEventTime = (windows: Windows): Record<string, WindowKind> =>
  Object.fromEntries(
    Object.entries(windows).flatMap(([name, kind]) => (kind.kind === 'running' ? [] : [[name, kind]])),
  );

function runningOf(windows: Windows): Running | undefined {
  const [found] = Object.entries(windows).flatMap(([name, kind]) =>
    kind.kind === 'running' ? [{ ...kind, name }] : [],
  );
  return found;
}

/** One line per thing whose change would make stored state mean something else. */
function shapeOf(pipeline: Omit<Pipeline, 'fingerprint'>): Shape {
  const { source, geometry, running, sideOutput } = pipeline;
  const kinds = [...geometry.kinds].sort(([a], [b]) => (a < b ? -1 : 1)); // their order means nothing
  const windows = kinds.map(([name, { kind, sizeMs, everyMs, offsetMs, emit, top }]) => [
    `window ${name}`,
    `${kind} ${sizeMs} ms every ${everyMs} ms offset ${offsetMs} ms, ${emit}, ${top === undefined ? 'all rows' : `top ${top}`}`,
  ]);
  const aggregates = pipeline.columns.map((column, i) => [
    `aggregate ${column}`,
    JSON.stringify(pipeline.aggregates[i]),
  ]);
  return {
    topic: source.topic,
    format: source.format,
    eventTime: JSON.stringify(source.eventTime),
    steps: source.steps.map((step) => `${step.kind} ${step.name}`).join(', '),
    groupBy: pipeline.groupBy.join(', '),
    ...Object.fromEntries([...windows, ...aggregates]),
    ...(running && { [`window ${running.name}`]: `running over ${SHARDS} shards, top ${running.top}` }),
    columns: pipeline.columns.join(', '), // stored states are in this order
    orderBy: pipeline.columns[pipeline.orderBy] ?? '',
    ...(sideOutput && { [`side output ${sideOutput.name}`]: sideOutput.columns.map(columnText).join(', ') }),
    storedFormat: String(STORED_FORMAT),
  };
}

const hash = (shape: Shape): string => createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 12);

/** What differs between a stored shape and the code's, one sentence each. */
export function differences(stored: Shape, code: Shape): string[] {
  return [...new Set([...Object.keys(stored), ...Object.keys(code)])]
    .filter((name) => stored[name] !== code[name])
    .map((name) => `${name}: stored '${stored[name] ?? 'nothing'}', code '${code[name] ?? 'nothing'}'`);
}

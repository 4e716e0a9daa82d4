import type { KeptRecord } from '../kept.ts';
import type { Description, Pipeline } from '../pipeline.ts';
import { columnsOf, type WindowResult } from '../query.ts';
import type { KindStatus, PartitionStatus, PipelineStatus } from '../status.ts';
import type { Counters } from '../store/progress.ts';
import type { Row } from '../store/results.ts';
import type { Value } from '../store/store.ts';
import { formatInstant } from '../time/instant.ts';
import type { Window } from '../window/geometry.ts';

/*
 * What `--json` prints: the product's contract with scripts. Within a version names and meanings stay and more may be
 * added. Instants are ISO 8601 text, UTC, with ms; what has not happened is null. Decimals that no JSON number carries
 * exactly (sums, averages) are text.
 */

/** `npx tidemark results <pipeline> <window> --json` */
export interface ResultsDocument {
  readonly version: 1;
  readonly pipeline: string;
  readonly revision: number;
  /** The window's declared name. */
  readonly window: string;
  readonly group_by: readonly string[];
  /** Columns of a row: groups, then aggregates. */
  readonly columns: readonly string[];
  readonly order_by: string;
  /** Newest first. */
  readonly windows: readonly WindowDocument[];
}

export interface WindowDocument {
  /** Inclusive; null when the totals are running. */
  readonly window_start: string | null;
  /** Exclusive; null when the totals are running. */
  readonly window_end: string | null;
  /** `final` never changes; `closing` neither, but is not all written yet; `open` still may. */
  readonly status: WindowResult['status'];
  /** The pipeline's watermark when the result was made. */
  readonly watermark: string | null;
  /** Groups in the window, whether or not their rows are stored or asked for. */
  readonly key_count: number;
  /** Aggregates over all groups. */
  readonly totals: Row;
  /** Why the result may lack records; null when it does not. */
  readonly incomplete: string | null;
  /** In rank order: `rank` in the whole window (null where one group of running totals was read directly), then every column; a null group is null. */
  readonly rows: readonly Row[];
}

export const resultsDocument = (
  pipeline: Pipeline,
  window: string,
  results: readonly WindowResult[],
): ResultsDocument => ({
  version: 1,
  pipeline: pipeline.name,
  revision: pipeline.revision,
  window,
  group_by: pipeline.groupBy,
  columns: columnsOf(pipeline),
  order_by: pipeline.columns[pipeline.orderBy] ?? '',
  windows: results.map(({ window, status, watermark, keys, totals, incomplete, rows }) => ({
    window_start: instantText(window.start),
    window_end: instantText(window.end),
    status,
    watermark: instantText(watermark),
    key_count: keys,
    totals: withAll(pipeline.columns, totals),
    incomplete: incomplete ?? null,
    rows: rows.map(({ rank, row }) => ({ rank: rank ?? null, ...withAll(columnsOf(pipeline), row) })),
  })),
});

const withAll = (columns: readonly string[], row: Row): Row =>
  Object.fromEntries(columns.map((column): [string, Value] => [column, row[column] ?? null]));

/** `npx tidemark status --json` */
export interface StatusDocument {
  readonly version: 1;
  /** When the tables were read. */
  readonly at: string;
  readonly pipelines: readonly PipelineDocument[];
}

export interface PipelineDocument {
  readonly pipeline: string;
  readonly revision: number;
  /** `new`: nothing has been counted. */
  readonly state: PipelineStatus['state'];
  readonly watermark: string | null;
  /** Windows ending at or before this are final. */
  readonly closed: string | null;
  /** Windows ending at or before this have their results written. */
  readonly emitted: string | null;
  /** Records of all partitions that are not counted yet; null unless every partition's is known. */
  readonly lag: number | null;
  readonly counters: CountersDocument;
  readonly partitions: readonly PartitionDocument[];
  readonly windows: readonly KindDocument[];
}

/** In records: `records` is the sum of the next five. In (event, window) pairs: the last two. */
export interface CountersDocument {
  readonly records: number;
  readonly rejected: number;
  readonly filtered: number;
  readonly late: number;
  readonly counted: number;
  readonly skipped: number;
  readonly pairs_counted: number;
  readonly pairs_missed: number;
}

export interface PartitionDocument {
  readonly partition: number;
  readonly state: PartitionStatus['state'];
  /** Why a stopped partition stopped. */
  readonly reason: string | null;
  readonly next_offset: number | null;
  readonly end_offset: number | null;
  /** `end_offset - next_offset`; null without an answer of the broker. */
  readonly lag: number | null;
  readonly clock: string | null;
  readonly watermark: string | null;
  /** Wall time of the last commit that counted an event or moved the clock. */
  readonly seen: string | null;
  /** Since when it has undelivered records and makes no progress, wall time; null when it does. */
  readonly stuck_since: string | null;
  readonly counters: CountersDocument;
  /** Offsets `[from, to)` that were not counted; `reason` where a person skipped them. */
  readonly gaps: readonly {
    readonly from: number;
    readonly to: number;
    readonly kind: string;
    readonly reason: string | null;
  }[];
}

export interface KindDocument {
  readonly window: string;
  /** Windows with something in them that are not final. */
  readonly open: number;
  readonly oldest_open: BoundsDocument | null;
  readonly next_to_close: BoundsDocument | null;
  /** How far event time has to go until that one closes. */
  readonly event_time_left_ms: number | null;
  /** The least time that takes when events come as they happen. */
  readonly wall_time_left_ms: number | null;
}

export interface BoundsDocument {
  readonly window_start: string;
  readonly window_end: string;
}

export const statusDocument = (at: number, all: readonly PipelineStatus[]): StatusDocument => ({
  version: 1,
  at: formatInstant(at),
  pipelines: all.map(({ pipeline, state, watermark, closed, emitted, counters, partitions, windows }) => ({
    pipeline: pipeline.name,
    revision: pipeline.revision,
    state,
    watermark: instantText(watermark),
    closed: instantText(closed),
    emitted: instantText(emitted),
    lag: lagOf(partitions) ?? null,
    counters: countersDocument(counters),
    partitions: partitions.map(partitionDocument),
    windows: windows.map(kindDocument),
  })),
});

/** The sum of the partitions' lags; undefined unless all are known. */
function lagOf(partitions: readonly PartitionStatus[]): number | undefined {
  const lags = partitions.flatMap(({ lag }) => lag ?? []);
  return lags.length === partitions.length && lags.length > 0 ? lags.reduce((a, b) => a + b) : undefined;
}

const countersDocument = ({ pairsCounted, pairsMissed, ...records }: Counters): CountersDocument => ({
  ...records,
  pairs_counted: pairsCounted,
  pairs_missed: pairsMissed,
});

const partitionDocument = (status: PartitionStatus): PartitionDocument => ({
  partition: status.partition,
  state: status.state,
  reason: status.reason ?? null,
  next_offset: status.next ?? null,
  end_offset: status.end ?? null,
  lag: status.lag ?? null,
  clock: instantText(status.clock),
  watermark: instantText(status.watermark),
  seen: instantText(status.seen),
  stuck_since: instantText(status.stuckSince ?? Number.NEGATIVE_INFINITY),
  counters: countersDocument(status.counters),
  gaps: status.gaps.map(({ from, to, kind, reason = null }) => ({ from, to, kind, reason })),
});

const kindDocument = ({ name, open, oldest, next, eventTimeLeftMs, wallTimeLeftMs }: KindStatus): KindDocument => ({
  window: name,
  open,
  oldest_open: oldest ? boundsOf(oldest) : null,
  next_to_close: next ? boundsOf(next) : null,
  event_time_left_ms: eventTimeLeftMs ?? null,
  wall_time_left_ms: wallTimeLeftMs ?? null,
});

/** `npx tidemark rejected <pipeline> --json` and `npx tidemark late <pipeline> --json` */
export interface KeptDocument {
  readonly version: 1;
  readonly pipeline: string;
  readonly revision: number;
  readonly topic: string;
  readonly kind: 'rejected' | 'late';
  /** Newest first by Kafka timestamp; beside these a rejection's `value`, or a late event's `time` and so on. */
  readonly records: readonly Readonly<Record<string, unknown>>[];
}

export const keptDocument = (
  { name, revision, source }: Pipeline,
  kind: KeptDocument['kind'],
  records: readonly KeptRecord[],
): KeptDocument => ({
  version: 1,
  pipeline: name,
  revision,
  topic: source.topic,
  kind,
  records: records.map(({ partition, offset, timestamp, reason, details }) => ({
    partition,
    offset,
    timestamp: timestamp === -1 ? null : instantText(timestamp),
    reason,
    ...details,
  })),
});

/** `npx tidemark pipelines --json` */
export interface PipelinesDocument {
  readonly version: 1;
  readonly pipelines: readonly Description[];
}

const boundsOf = ({ start, end }: Window): BoundsDocument => ({
  window_start: formatInstant(start),
  window_end: formatInstant(end),
});

const instantText = (at: number): string | null => (Number.isFinite(at) ? formatInstant(at) : null);

/** A document as `--json` prints it: indented for people, or on one line each when more follow. */
export const jsonText = (document: object, isOneLine = false): string =>
  `${JSON.stringify(document, undefined, isOneLine ? undefined : 2)}\n`;

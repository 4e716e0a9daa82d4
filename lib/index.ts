/** Tidemark's public API, in the order the data flows. */

export { kafka, type KafkaOptions, type Source, type SourceOf } from './source/source.ts';
export { iso, kafkaTimestamp, unixMillis, unixSeconds, type EventTime } from './time/event-time.ts';
export type { Duration } from './time/duration.ts';
export { running, sliding, tumbling, type RunningKind, type WindowKind } from './window/window.ts';
export { avg, count, max, min, sum, type Aggregate } from './aggregate/aggregate.ts';
export { Decimal } from './aggregate/decimal.ts';
export type { Roll, SideOutputOf } from './sink/side-output.ts';
export { describe, pipeline, type Declaration, type Description, type Pipeline } from './pipeline.ts';
export { TidemarkError, type ErrorCode } from './runtime/error.ts';

import { NEVER } from '../../lib/store/progress.ts';
import { advance, judge, type Tide } from '../../lib/window/verdict.ts';
import { MAX_DELAY_MS, declare, type Declared, type Options } from './declare.ts';
import { NotApplicable, type Event, type Spec, type Step } from './schema.ts';
import { NOW, type Entry } from './world.ts';

/** A step of a vector, and the records its delivery holds; none for a step that delivers nothing. */
export interface Played {
  readonly step: Step;
  readonly entries: readonly Entry[];
  /** The declaration in force from this step on. */
  readonly declared: Declared;
}

/** A vector's trace as a log of Kafka records. */
export interface Trace {
  readonly played: readonly Played[];
  /** Every record once, in the order of arrival. */
  readonly log: readonly Entry[];
  readonly partitions: number;
  readonly declared: Declared;
  /**
   * `record`: each record moves the watermark, as the product's do. `beats`: only records without an event do, because
   * the vector sets its watermark itself, by batch or step. `none`: nothing is ever late.
   */
  readonly time: 'record' | 'beats' | 'none';
}

export const eventsOf = (step: Step): readonly Event[] => {
  if (step.op === 'event' || step.op === 'upsert') {
    const { op: _, expect: __, note: ___, notes: ____, ...event } = step;
    return [event as unknown as Event];
  }
  if (step.op === 'preload')
    return (step['batches'] as readonly Preloaded[]).flatMap((batch) => ('events' in batch ? batch.events : batch));
  return step.events ?? [];
};
type Preloaded = readonly Event[] | { readonly events: readonly Event[] };

/**
 * Writes a trace as a log.
 *
 * A watermark that is set by hand, or by batch, travels as a record that a filter drops: such records move the clock as
 * any other does, and a delay longer than the span of the events keeps the events themselves from moving it. So the
 * production code runs unchanged under all of these watermarks.
 */
export function traceOf(spec: Spec, steps: readonly Step[], filter?: Options['filter']): Trace {
  const { policy, delay = 0, partitions: declaredPartitions = 1, max_future_skew } = spec.watermark ?? {};
  const events = steps.flatMap(eventsOf);
  const partitions = Math.max(declaredPartitions, ...events.map(({ p }) => Number(p ?? 0) + 1));
  const instants = steps.flatMap((step) =>
    step.op === 'watermark' ? [step.t ?? 0] : eventsOf(step).flatMap(({ t }) => t ?? []),
  );
  const least = instants.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const greatest = instants.reduce((a, b) => Math.max(a, b), NOW);
  const span = Math.max(0, instants.reduce((a, b) => Math.max(a, b), least) - least);
  const time =
    spec.watermark === undefined || spec.window?.type === 'none'
      ? 'none'
      : policy === undefined || policy === 'record_max' || (policy === 'batch_max' && isSameByRecord(spec, steps))
        ? 'record'
        : 'beats';
  const isInOrder = instants.every((t, i) => t >= (instants[i - 1] ?? t));
  const isEnough = time === 'none' && (isInOrder || spec.window?.type === 'none'); // a shorter delay makes nobody late
  const delayMs = time === 'record' ? delay : isEnough ? Math.min(span + 1, MAX_DELAY_MS) : span + 1;
  if (delayMs > MAX_DELAY_MS) throw new NotApplicable('a watermark is at most a year behind');
  const options = {
    delayMs,
    ...(filter && { filter }),
    ...(max_future_skew !== undefined && { maxFutureMs: max_future_skew }),
  };
  const declared = declare(spec, events, options);

  let current = declared;
  let delayNow = delay;
  let wall = NOW;
  let watermark = Number.NEGATIVE_INFINITY;
  const offsets = new Map<number, number>();
  const log: Entry[] = [];
  let failed: Entry[] = [];
  let last: readonly Entry[] = [];

  const entry = (p: number, o: number | undefined, wire: Entry['wire'], event: Event | undefined): Entry => {
    const offset = o ?? offsets.get(p) ?? 0;
    offsets.set(p, offset + 1);
    const made = { p, o: offset, timestamp: max_future_skew === undefined ? greatest + log.length : wall, wire, event };
    log.push(made);
    return made;
  };
  // Records that only move time take offsets of their own, so the vector's would collide with them.
  const offsetOf = (event: Event) => (time === 'beats' || event['o'] === undefined ? undefined : Number(event['o']));
  const record = (event: Event): Entry => entry(Number(event['p'] ?? 0), offsetOf(event), current.wireOf(event), event);
  /** Raises the watermark of every partition: a record of no event, `delayMs` ahead of it. */
  const beats = (to: number): Entry[] => {
    if (to <= watermark) return [];
    watermark = to;
    const wire = { ...current.wireOf({ t: to + delayMs }), beat: true };
    return Array.from({ length: partitions }, (_, p) => entry(p, undefined, wire, undefined));
  };
  const afterBatch = (batch: readonly Event[]): Entry[] => {
    if (time !== 'beats' || policy !== 'batch_max') return [];
    return beats(batch.reduce((w, { t }) => (t === null ? w : Math.max(w, t - delayNow)), Number.NEGATIVE_INFINITY));
  };
  const entriesOf = (step: Step): readonly Entry[] => {
    switch (step.op) {
      case 'watermark':
        return beats((step.t ?? 0) + (policy === 'explicit' ? 1 : 0));
      case 'replay_last':
        return last;
      case 'redeliver': {
        const again = failed.slice(0, eventsOf(step).length);
        const more = eventsOf(step).slice(again.length);
        failed = [];
        return [...again, ...more.map(record), ...afterBatch(eventsOf(step))];
      }
      case 'batch_fail':
        return (failed = eventsOf(step).map(record));
      case 'preload':
        return [
          ...eventsOf(step).map(record),
          ...(step['watermark'] === undefined ? [] : beats(Number(step['watermark']))),
        ];
      default:
        return [...eventsOf(step).map(record), ...afterBatch(eventsOf(step))];
    }
  };
  const played = steps.map((step): Played => {
    if (step.op === 'clock') wall = Number(step.now);
    if (step['batch_time'] !== undefined) wall = Number(step['batch_time']);
    if (step.op === 'restart' && step.new_config?.['delay'] !== undefined) {
      delayNow = Number(step.new_config['delay']);
      if (time === 'record') current = declare(spec, events, { ...options, delayMs: delayNow });
    }
    const entries = entriesOf(step);
    if (entries.length > 0) last = entries;
    return { step, entries, declared: current };
  });
  return { played, log, partitions, declared, time };
}

/** Whether judging each batch by the watermark before it gives the answers of judging each record by its own. */
function isSameByRecord(spec: Spec, steps: readonly Step[]): boolean {
  const delay = spec.watermark?.delay ?? 0;
  const { geometry } = declare(spec, [], { delayMs: delay }).pipeline;
  const verdictOf = judge(geometry);
  let tide: Tide = { clock: NEVER, watermark: NEVER };
  for (const step of steps) {
    if (step.op === 'restart' && step.new_config) return false;
    if (step.op === 'preload') return false;
    const before = tide.watermark;
    for (const { t } of eventsOf(step)) {
      if (t === null) continue;
      const [byBatch, byRecord] = [verdictOf(t, before), verdictOf(t, tide.watermark)];
      if (byBatch.visibleFrom !== byRecord.visibleFrom) return false;
      tide = advance(tide, t, delay);
    }
  }
  return true;
}

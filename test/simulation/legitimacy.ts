import { NEVER, type Checkpoint } from '../../lib/store/progress.ts';
import type { Registry } from '../../lib/store/registry.ts';
import type { Invocation } from './invocation.ts';
import { recordsIn, type Entry, type Log } from './kafka.ts';
import { windowsHolding } from './oracle.ts';
import type { History, Loss } from './watch.ts';
import type { World } from './world.ts';

/** A closing, with what was known to be incomplete then. */
export type Close = Pick<Registry, 'closed' | 'incomplete' | 'incompleteUntil'>;

/** How a mark of incomplete windows begins that speaks of a loss. */
const lossOf = (partition: number, { from, to }: { from: number; to: number }): string =>
  `partition ${partition}, offsets ${from} to ${to - 1}: `;

const EVIDENCE_MS = 5_000;
const LISTING_MAX_AGE_MS = 10 * 60_000;

/**
 * Whether decisions were justified by what was true at the broker when they were taken.
 *
 * The oracle trusts stored decisions, so it is blind to wrong ones; this is where those are found.
 */
export interface Legitimacy {
  raised(
    invocation: Invocation,
    from: Checkpoint,
    to: Checkpoint,
    registry: Registry | undefined,
    histories: ReadonlyMap<number, History>,
    issuedAt: number,
  ): void;
  closed(invocation: Invocation, histories: ReadonlyMap<number, History>, to: Registry): void;
  /** @returns the gaps that turned out to be losses. */
  classified(from: Checkpoint, to: Checkpoint, before: Registry | undefined, after: Registry | undefined): Loss[];
  readonly closes: readonly Close[];
}

export function legitimacy({ plan, logs, wrong, mark }: World): Legitimacy {
  const [pipeline] = plan.deployments;
  const { kinds, maxSizeMs } = pipeline.geometry;
  const closes: Close[] = [];

  /** Whether a record would count or move the clock, had it been delivered. */
  function matters(invocation: Invocation, { clock, watermark }: Checkpoint, { truth, isDoomed }: Entry): boolean {
    const { instant } = truth;
    if (instant === undefined || isDoomed) return false;
    const latest = invocation.startedAt + invocation.skewMs + pipeline.maxFutureMs;
    if (plan.faults.has('untrusted') && instant > latest) return false;
    if (instant > clock) return true;
    return truth.kind === 'event' && windowsHolding(kinds, instant).some(({ end }) => end > watermark);
  }

  function undeliveredFrom({ next, from }: Checkpoint, { start, committed }: Log): number {
    if (next === undefined) return committed ?? start;
    return from === undefined ? Math.min(next, committed ?? next) : next;
  }

  /** How far a raise may go: to a watermark there is, or as far as time has gone on since anything was seen. */
  function fastestTarget(
    invocation: Invocation,
    histories: ReadonlyMap<number, History>,
    from: Checkpoint,
    now: number,
  ): number {
    const all = [...histories.values()];
    const clock = Math.max(...all.map(({ checkpoint }) => checkpoint.clock));
    const watermark = Math.max(
      ...all.map(({ checkpoint: other }) => (other.partition === from.partition ? from : other).watermark),
    );
    // What was applied later than it read cannot be asked of it: then the raise of the partition that moved is refused.
    const seen = all.map(
      (history) => history.seen.findLast(({ appliedAt }) => appliedAt < invocation.registryReadAt)?.at ?? NEVER,
    );
    return Math.max(watermark, clock + now - Math.max(...seen) - invocation.pipeline.delayMs + 2 * plan.skewMs + 2);
  }

  return {
    closes,
    raised(invocation, from, to, registry, histories, issuedAt) {
      mark('idle raise');
      const { partition } = to;
      const log = logs[partition];
      if (!log) return;
      const where = `partition ${partition} was raised to ${to.watermark} by ${invocation.name}`;
      if (to.next !== from.next || to.clock !== from.clock) wrong(`${where}, with more than its watermark`);
      const seenAt = histories.get(partition)?.seen.at(-1)?.at ?? issuedAt;
      if (issuedAt - seenAt < pipeline.idleAfterMs - 2 * plan.skewMs - 2) {
        wrong(`${where} after ${issuedAt - seenAt} ms without anything that counts`);
      }
      const fastest = fastestTarget(invocation, histories, from, issuedAt);
      if (to.watermark > fastest) wrong(`${where}, when time had only come to ${fastest}`);
      // The broker is asked after the checkpoints were read, and at most so long ago: what was there then had to be seen.
      const asked = Math.max(issuedAt - EVIDENCE_MS, invocation.checkpointsReadAt);
      const begin = undeliveredFrom(from, log);
      const waiting = log.entries.find(
        (entry) =>
          entry.offset >= Math.max(begin, log.start) && entry.appendedAt < asked && matters(invocation, from, entry),
      );
      if (waiting) wrong(`${where} while offset ${waiting.offset} could count: ${JSON.stringify(waiting.truth)}`);
      if (log.entries.length > begin) mark('raised over a lag that cannot count');
      if (log.entries.at(-1)?.isDoomed && log.entries.length > begin) mark('raised over markers');
      if (from.from === undefined || log.startMovedAt >= invocation.askedAt) return;
      const isSaid = registry?.incomplete.some(({ reason }) =>
        reason.startsWith(`partition ${partition}, offsets ${begin} to `),
      );
      if (isSaid) return mark('raised over a loss, and said so');
      const lost = recordsIn(log, begin, log.start).find((entry) => matters(invocation, from, entry));
      if (lost)
        wrong(`${where} over offset ${lost.offset}, which retention had removed: ${JSON.stringify(lost.truth)}`);
    },
    closed(invocation, histories, to) {
      const { closed, incomplete, incompleteUntil } = to;
      const asked = invocation.listedAt;
      // Without an answer windows close for as long as the last one counts.
      const known = asked ?? invocation.checkpointsReadAt - LISTING_MAX_AGE_MS - 2 * plan.skewMs;
      if (asked === undefined) mark('closed on an old listing');
      for (const { partition, createdAt } of logs) {
        if (createdAt < known && !to.partitions.includes(partition)) {
          wrong(`closed ${closed} without partition ${partition}, which was there, by ${invocation.name}`);
        }
      }
      let clock = NEVER;
      for (const [partition, { checkpoint, firstCountedAt }] of histories) {
        clock = Math.max(clock, checkpoint.clock);
        for (const gap of checkpoint.gaps) {
          if (gap.kind === 'unclassified' && closed > gap.watermark) {
            wrong(
              `closed ${closed} over the gap ${gap.from} to ${gap.to} of partition ${partition}, by ${invocation.name}`,
            );
          }
        }
        const start = logs[partition]?.start ?? 0;
        const { from, fromTimestamp } = checkpoint;
        const wasKnown = firstCountedAt !== undefined && firstCountedAt < invocation.checkpointsReadAt;
        if (
          wasKnown &&
          from !== undefined &&
          from > start &&
          incompleteUntil < (fromTimestamp ?? 0) + pipeline.maxFutureMs
        ) {
          wrong(`closed ${closed} without saying that partition ${partition} is counted from ${from} only`);
        }
      }
      const last = Math.max(NEVER, ...windowsHolding(kinds, clock).map(({ end }) => end));
      if (closed > last)
        wrong(`closed ${closed} beyond ${last}, the last window that can hold data, by ${invocation.name}`);
      if (closed === last) mark('all idle');
      closes.push({ closed, incomplete, incompleteUntil });
    },
    classified(from, to, before, after) {
      const log = logs[from.partition];
      const lost: Loss[] = [];
      if (!log) return lost;
      for (const gap of from.gaps.filter(({ kind }) => kind === 'unclassified')) {
        const still = to.gaps.find((other) => other.from === gap.from);
        if (still?.kind === 'unclassified') continue;
        const records = recordsIn(log, gap.from, gap.to);
        // A mark made before this gap was delivered over may be dropped now, when all it speaks of is emitted.
        const marks = [...(before?.incomplete ?? []), ...(after?.incomplete ?? [])];
        const marked = marks.findLast(({ reason }) => reason.startsWith(lossOf(from.partition, gap)));
        const where = `the gap ${gap.from} to ${gap.to} of partition ${from.partition}`;
        if (records.length > 0) lost.push(gap);
        if (marked && records.length === 0 && log.start <= gap.from) wrong(`${where} is said to have lost records`);
        const emitted = before?.emitted ?? NEVER;
        const isOver = from.clock + maxSizeMs <= emitted;
        if (records.length > 0 && !marked && !isOver) wrong(`${where} lost records and nobody says so`);
        // Nobody saw the records: any window one of them may have counted in says so, if its Kafka timestamp was honest.
        for (const { truth, appendedAt } of isOver ? [] : records) {
          const latest = appendedAt - plan.skewMs + pipeline.maxFutureMs;
          if (truth.kind !== 'event' || truth.instant === undefined || truth.instant > latest) continue;
          const touched = windowsHolding(kinds, truth.instant).filter(
            ({ end }) => end > Math.max(gap.watermark, emitted),
          );
          const isSaid = touched.every(
            ({ id, end }) => marked && end > marked.after && Number(id.split('/')[1]) <= marked.upTo,
          );
          if (!isSaid) wrong(`${where} does not mark a window of the instant ${truth.instant}`);
        }
        const kind = /: (\w+)$/.exec(marked?.reason ?? '')?.[1] ?? 'empty';
        mark(`gap classified as ${kind}`);
        if (kind === 'expired' && records.some(({ offset }) => offset >= log.start))
          wrong(`${where} is expired, but records are still there`);
      }
      return lost;
    },
  };
}

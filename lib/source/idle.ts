import type { Pipeline } from '../pipeline.ts';
import type { Checkpoint, Gap } from '../store/progress.ts';
import { judge } from '../window/verdict.ts';
import type { Broker, PartitionOffsets } from './broker.ts';
import { decode } from './decode.ts';
import type { KafkaRecord } from './delivery.ts';

/** Records looked at to tell whether a lag matters; a longer lag is taken to matter. */
const LOOK_AHEAD = 1_000;

/**
 * Whether a partition is idle: nothing that counted or moved its clock for the idle period, and nothing undelivered
 * that could.
 *
 * Evidence comes from the broker alone. Transaction markers, compacted tails, rejections and late events are no lag.
 *
 * @throws TidemarkError BROKER_UNREACHABLE.
 */
export async function isIdle(
  pipeline: Pipeline,
  checkpoint: Checkpoint,
  offsets: PartitionOffsets,
  broker: Broker,
  now: number,
): Promise<boolean> {
  if (checkpoint.state !== 'active' || now - checkpoint.seen < pipeline.idleAfterMs) return false;
  const next = undeliveredFrom(checkpoint, offsets);
  if (offsets.end <= next) return true;
  const { records, reached, start } = await broker.read(pipeline.source.topic, checkpoint.partition, next, LOOK_AHEAD);
  if (start !== undefined && start > offsets.start) return false; // retention was quicker: what it took is marked first
  return reached >= offsets.end && !records.some((record) => matters(pipeline, checkpoint, record, now));
}

/** Before the first delivery nobody knows where it will begin: what the group has not committed may still come. */
export function undeliveredFrom({ next, from }: Checkpoint, { start, committed }: PartitionOffsets): number {
  if (next === undefined) return committed ?? start;
  return from === undefined ? Math.min(next, committed ?? next) : next;
}

/** Whether a record would count or move the clock, judged as `count` would. */
function matters(pipeline: Pipeline, { clock, watermark }: Checkpoint, record: KafkaRecord, now: number): boolean {
  const { instant, outputs } = decode(pipeline, record, now);
  if (instant === undefined) return false;
  return (
    instant > clock || (outputs.length > 0 && judge(pipeline.geometry)(instant, watermark).visibleFrom !== undefined)
  );
}

/** What became of a gap's records. */
export type GapKind = 'empty' | 'expired' | 'discarded';

/**
 * Classifies a gap: `discarded` when records are still there (the poller dropped them), `expired` when retention may
 * have removed some, `empty` when there was nothing to deliver (transaction markers, compaction).
 *
 * @throws TidemarkError BROKER_UNREACHABLE.
 */
export async function classify(
  pipeline: Pipeline,
  partition: number,
  gap: Gap,
  offsets: PartitionOffsets,
  broker: Broker,
): Promise<GapKind> {
  let isExpired = offsets.start > gap.from;
  for (let from = Math.max(gap.from, offsets.start); from < gap.to;) {
    const { records, reached, start } = await broker.read(pipeline.source.topic, partition, from, 1);
    if (records.some((record) => record.offset < gap.to)) return 'discarded';
    if (reached <= from) return 'discarded'; // something is there that cannot be read yet
    isExpired ||= start !== undefined; // retention may move on after the offsets were asked
    from = reached;
  }
  return isExpired ? 'expired' : 'empty';
}

import { TidemarkError } from '../../lib/runtime/error.ts';
import type { Broker } from '../../lib/source/broker.ts';
import type { KafkaRecord } from '../../lib/source/delivery.ts';

export interface FakePartition {
  start?: number;
  end: number;
  committed?: number;
  /** What is still there; offsets without a record are transaction markers, or compacted away. */
  records?: readonly KafkaRecord[];
  /** An open transaction: nothing from here on can be read. */
  openFrom?: number;
}

/** A broker of one topic whose partitions a test changes as it goes; `reads` are the answers to `read` so far. */
export function fakeBroker(partitions: Record<number, FakePartition>) {
  const state = { partitions, isDown: false, asked: 0, reads: 0 };
  const answer = () => {
    if (state.isDown) throw new TidemarkError('BROKER_UNREACHABLE', 'no broker answers');
  };
  const broker: Broker = {
    async offsets() {
      state.asked++;
      answer();
      return new Map(
        Object.entries(state.partitions).map(([partition, { start = 0, end, committed }]) => [
          Number(partition),
          { start, end, committed },
        ]),
      );
    },
    async read(_, partition, from, limit) {
      state.reads++;
      answer();
      const { start = 0, end, records = [], openFrom = end } = state.partitions[partition] ?? { end: 0 };
      const found = records
        .filter(({ offset }) => offset >= Math.max(from, start) && offset < openFrom)
        .slice(0, limit);
      const last = found.at(-1);
      const isCut = found.length === limit && last !== undefined;
      return { records: found, reached: isCut ? last.offset + 1 : Math.max(from, openFrom) };
    },
  };
  return { broker, state };
}

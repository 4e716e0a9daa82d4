import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { tumbling, type Pipeline } from '../../lib/index.ts';
import type { Runtime } from '../../lib/runtime/runtime.ts';
import { parseDelivery, type KafkaRecord } from '../../lib/source/delivery.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { fakeBroker, type FakePartition } from './fake-broker.ts';
import { testRuntime } from './runtime.ts';
import { at, clicks, deliver, registryOf } from './scene.ts';

/** `count` on a store in memory that the test can look into. */
export function countScene(options: Partial<Runtime> & { now?: number } = {}, of: readonly Pipeline[] = [clicks()]) {
  const store = memoryStore();
  const made = testRuntime({ store, ...options });
  const { runtime } = made;
  return { ...made, store, feed: (event: unknown, by = of) => count(event, by, runtime) };
}

/** Minutes alone: one window per event. */
export const MINUTES = { '1m': tumbling('1 minute', { emit: 'final' }) };
export const minutes = clicks({ windows: MINUTES });

/** A world of one store and a broker whose partitions the test changes; without partitions, no broker at all. */
export function closeScene(partitions?: Record<number, FakePartition>, of: Pipeline = minutes, now = at('19:00:00')) {
  const store = memoryStore();
  const fake = fakeBroker(partitions ?? {});
  const made = testRuntime({ store, now, broker: partitions && fake.broker });
  return {
    ...made,
    ...fake,
    store,
    feed: (...args: Parameters<typeof deliver>) => count(deliver(...args), [of], made.runtime),
    close: (more: Partial<Runtime> = {}) => finalize({}, [of], { ...made.runtime, ...more }),
    closed: () => registryOf(store)['closed'],
  };
}

/** Records as a broker holds them. */
export const recordsOf = (...args: Parameters<typeof deliver>): readonly KafkaRecord[] =>
  parseDelivery(deliver(...args))[0]?.records ?? [];

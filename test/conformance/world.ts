import { count } from '../../lib/count.ts';
import { finalize } from '../../lib/finalize.ts';
import { finalWindows, openWindows, type WindowResult } from '../../lib/query.ts';
import { checkpointsOf, registryOf, watermarkOf, type Reader } from '../../lib/reader.ts';
import { keptRecords } from '../../lib/kept.ts';
import { parseDelivery } from '../../lib/source/delivery.ts';
import type { Running } from '../../lib/pipeline.ts';
import { readAll } from '../../lib/store/drain.ts';
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts';
import { NEVER, NO_COUNTERS, addCounters, type Counters } from '../../lib/store/progress.ts';
import type { Row as StoredRow } from '../../lib/store/results.ts';
import { readSnapshot, snapshotKey } from '../../lib/store/snapshot.ts';
import { fakeBroker, type FakePartition } from '../support/fake-broker.ts';
import { crash, faultyStore } from '../support/faulty-store.ts';
import { delivery } from '../support/records.ts';
import { testRuntime } from '../support/runtime.ts';
import { TOPIC, type Declared, type Wire } from './declare.ts';
import { readInstant } from '../../lib/time/instant.ts';
import type { Bounds, Event, Row } from './schema.ts';

/** One record of the log that a vector's events make. */
export interface Entry {
  readonly p: number;
  readonly o: number;
  /** Kafka timestamp. */
  readonly timestamp: number;
  readonly wire: Wire;
  /** Undefined for a record that only moves time. */
  readonly event: Event | undefined;
}

/** Wall time at the beginning of every world. */
export const NOW = Date.parse('2026-01-08T19:00:00.000Z');

/** Where to die: at this call to the store, before it or after it has happened. */
export interface Death {
  readonly call: number;
  readonly kind: 'before' | 'after';
}

export type World = Awaited<ReturnType<typeof newWorld>>;

/**
 * The production `count` and `finalize` over a store in memory, and a broker that holds a whole log.
 *
 * Every partition has joined before the first delivery, so that none is missing from the least watermark.
 */
export async function newWorld(declared: Declared, log: readonly Entry[], partitions: number) {
  let { pipeline } = declared;
  const store: MemoryStore = memoryStore();
  const { broker, state } = fakeBroker(partitionsOf(log, partitions));
  let host = testRuntime({ store, broker, now: NOW });
  const finalReports = new Map<number, number>();
  const reader = (): Reader => {
    const { clock, random } = host.runtime;
    return { store, retry: { clock, random, deadline: Number.POSITIVE_INFINITY } };
  };
  /** A process: it may die at a call, and its successor begins with nothing but the store. */
  async function run(
    death: Death | undefined,
    work: (runtime: typeof host.runtime) => Promise<unknown>,
  ): Promise<boolean> {
    if (!death) {
      await work(host.runtime);
      return true;
    }
    const faulty = faultyStore(store, (call) => (call === death.call ? { kind: death.kind, error: crash } : undefined));
    try {
      await work({ ...host.runtime, store: faulty.store });
    } catch (error) {
      if ((error as Error).message !== 'crashed') throw error;
    }
    return faulty.calls.length > death.call;
  }
  const windows = async (results: AsyncGenerator<WindowResult>): Promise<Row[]> => {
    const rows: Row[] = [];
    for await (const { window, rows: ranked } of results) {
      rows.push(
        ...declared.rowsOf(
          [window.start, window.end],
          ranked.map(({ row }) => row),
        ),
      );
    }
    return rows;
  };
  /** Running totals as the last refresh shows them. */
  async function totals(running: Running): Promise<readonly StoredRow[]> {
    const [item] = await readAll(store, [snapshotKey(pipeline, running)], reader().retry);
    return item ? readSnapshot(item, pipeline).rows : [];
  }
  const world = {
    store,
    /** The broker's partitions, for a test that changes what it says. */
    broker: state,
    /** @returns false when the store was not called often enough to die. */
    deliver: (entries: readonly Entry[], death?: Death): Promise<boolean> =>
      run(death, (runtime) => count(deliveryOf(entries), [pipeline], runtime)),
    finalize: async (death?: Death): Promise<boolean> => {
      const from = host.reports.length;
      host.push(1); // a trigger
      const died = await run(death, (runtime) => finalize({}, [pipeline], runtime));
      for (const { status, start } of host.reports.slice(from)) {
        if (status === 'final') finalReports.set(start, (finalReports.get(start) ?? 0) + 1);
      }
      return died;
    },
    /** The end of the input: everything delivered, nothing more comes, and time passes. */
    async flush(): Promise<void> {
      if (!pipeline.running) host.push(pipeline.idleAfterMs + pipeline.delayMs + 2 * pipeline.geometry.maxSizeMs);
      await world.finalize();
    },
    restart(changed: Declared = declared): void {
      pipeline = changed.pipeline;
      host = testRuntime({ store, broker, now: host.runtime.clock.now() });
    },
    setNow: (now: number): void => host.setNow(now),
    push: (ms: number): void => host.push(ms),
    /** Rows of final windows by start, then rank. */
    finals: (): Promise<Row[]> => windows(finalWindows(reader(), pipeline, 'w', { order: 'oldest' })),
    /** Rows of windows whose result is not written, by start. */
    open: async (): Promise<Row[]> => {
      if (pipeline.running) return declared.rowsOf(undefined, await totals(pipeline.running));
      const rows = await windows(openWindows(reader(), pipeline, 'w'));
      return rows.sort((a, b) => startOf(a) - startOf(b));
    },
    /** Open windows as their snapshots show them. */
    async live(): Promise<Row[]> {
      const items = store.dump('results').filter((item) => item['status'] === 'open');
      return items.flatMap((item) => {
        const bounds = [item['window_start'], item['window_end']].map((text) => readInstant(String(text)) ?? NEVER);
        return declared.rowsOf(bounds as unknown as Bounds, item['rows'] as readonly StoredRow[]);
      });
    },
    /** What is to stay the same however the log is delivered: final rows, or running totals. */
    results: (): Promise<Row[]> => (pipeline.running ? world.open() : world.finals()),
    async counters(): Promise<Counters> {
      const registry = await registryOf(reader(), pipeline);
      const checkpoints = registry ? await checkpointsOf(reader(), pipeline, registry) : [];
      return checkpoints.reduce((all, one) => addCounters(all, one.counters), NO_COUNTERS);
    },
    /** The least watermark of the partitions. */
    async watermark(): Promise<number> {
      const registry = await registryOf(reader(), pipeline);
      return registry ? watermarkOf(await checkpointsOf(reader(), pipeline, registry)) : NEVER;
    },
    /** What is final. */
    closed: async (): Promise<number> => (await registryOf(reader(), pipeline))?.closed ?? NEVER,
    /** Offsets of late events by partition, as `p/o`. */
    async late(): Promise<Set<string>> {
      const kept = await keptRecords(reader(), pipeline, 'late', 100_000);
      return new Set(kept.map(({ partition, offset }) => `${partition}/${offset}`));
    },
    /** How often each final window was reported, by start. */
    finalReports,
  };
  await world.finalize();
  return world;
}

const startOf = (row: Row): number => Number((row['w'] as readonly number[] | undefined)?.[0]);

/** What Lambda would deliver. */
export function deliveryOf(entries: readonly Entry[]): unknown {
  const partitions: Record<number, { offset: number; timestamp: number; value: unknown }[]> = {};
  for (const { p, o, timestamp, wire } of entries) (partitions[p] ??= []).push({ offset: o, timestamp, value: wire });
  return delivery(TOPIC, partitions);
}

function partitionsOf(log: readonly Entry[], partitions: number): Record<number, FakePartition> {
  const found: Record<number, FakePartition> = {};
  for (let p = 0; p < partitions; p++) {
    const entries = log.filter((entry) => entry.p === p);
    const [batch] = parseDelivery(deliveryOf(entries));
    found[p] = { start: entries[0]?.o ?? 0, end: (entries.at(-1)?.o ?? -1) + 1, records: batch?.records ?? [] };
  }
  return found;
}

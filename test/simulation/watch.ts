import { keyOf } from '../../lib/store/item.ts';
import { NEVER, commitsOf, nextVersion, readCheckpoint, type Checkpoint } from '../../lib/store/progress.ts';
import { type Registry, readRegistry } from '../../lib/store/registry.ts';
import type { Item, Write } from '../../lib/store/store.ts';
import type { Applied } from './faulty-store.ts';
import type { Invocation } from './invocation.ts';
import { recordsIn, type Entry } from './kafka.ts';
import { legitimacy } from './legitimacy.ts';
import { windowsHolding, type Decision } from './oracle.ts';
import { resultsWatch } from './results-watch.ts';
import { runningWatch, type RunningWatch } from './running-watch.ts';
import type { World } from './world.ts';

/** Offsets that were lost, and the watermark when that was noticed. */
export interface Loss {
  readonly from: number;
  readonly to: number;
  readonly watermark: number;
}

/** Everything about one partition that was stored, and when. */
export interface History {
  readonly decisions: Decision[];
  checkpoint: Checkpoint;
  /** True times of the commits that counted an event or moved the clock, and of the join: begun, and in the store. */
  readonly seen: { readonly at: number; readonly appliedAt: number }[];
  firstCountedAt: number | undefined;
  /** Offset ranges that `count` covered, and gaps by what became of them. */
  readonly lost: Loss[];
}

/** Looks at every write that was applied: what may never happen, and the decisions the oracle is driven by. */
export interface Watch {
  readonly applied: Applied;
  readonly histories: ReadonlyMap<number, History>;
  readonly totals: RunningWatch;
  readonly registry: () => Registry | undefined;
  /** Instants below this can neither count in a partition nor move its clock. */
  inertBelow(partition: number): number;
  /** When all must be closed at the latest. */
  boundOfLiveness(now: number): number;
  isSettled(): boolean;
}

export function watch(world: World): Watch {
  const { plan, logs, time, wrong, mark } = world;
  const [pipeline] = plan.deployments;
  const { kinds, maxSizeMs } = pipeline.geometry;
  const progress = new Map<string, Item>();
  const histories = new Map<number, History>();
  let registry: Registry | undefined;
  const legitimate = legitimacy(world);
  const results = resultsWatch(world, () => registry, legitimate.closes);
  const totals = runningWatch(world, histories);

  const applied: Applied = (invocation, writes, issuedAt) => {
    const before = registry;
    let isProgress = false;
    const changed: [Checkpoint | undefined, Checkpoint][] = [];
    for (const write of writes) {
      const key = write.kind === 'put' ? keyOf(write.table, write.item) : write.key;
      if (key.sort === 'total' && write.kind === 'put') totals.wroteSnapshot(write.item);
      else if (key.table === 'results') results.wrote(write, key);
      else if (key.partition.includes('#run#')) totals.wroteBucket(write, key);
      else if (key.partition.includes('#out#')) continue; // files tell, at the end
      else if (key.table === 'buckets') results.wroteBucket(write, key);
      else {
        isProgress = true;
        const item = after(progress.get(`${key.partition}/${key.sort}`), write);
        progress.set(`${key.partition}/${key.sort}`, item);
        if (key.sort === 'registry') registry = readRegistry(item);
        else if (key.sort === 'checkpoint') {
          const checkpoint = readCheckpoint(item);
          changed.push([histories.get(checkpoint.partition)?.checkpoint, checkpoint]);
        }
      }
    }
    if (!isProgress) return;
    for (const [from, to] of changed) checkpointChanged(invocation, from, to, before, issuedAt);
    if (registry && registry !== before) registryChanged(invocation, before, registry);
    for (const partition of registry?.partitions ?? []) {
      const w = histories.get(partition)?.checkpoint.watermark ?? NEVER;
      const closed = registry?.closed ?? NEVER;
      if (closed > w)
        wrong(`closed (${closed}) is beyond the watermark of partition ${partition} (${w}), by ${invocation.name}`);
    }
  };

  function checkpointChanged(
    invocation: Invocation,
    from: Checkpoint | undefined,
    to: Checkpoint,
    before: Registry | undefined,
    issuedAt: number,
  ): void {
    const { partition } = to;
    const where = `partition ${partition}, by ${invocation.name}`;
    let history = histories.get(partition);
    if (!history || !from) {
      if (history) wrong(`joined twice: ${where}`);
      // The join is stored with what is closed; what the same write counted comes after it.
      const watermark = before?.closed ?? NEVER;
      history = {
        decisions: [{ kind: 'join', watermark }],
        checkpoint: to,
        seen: [{ at: issuedAt, appliedAt: time.time() }],
        firstCountedAt: undefined,
        lost: [],
      };
      histories.set(partition, history);
      if (!registry?.partitions.includes(partition)) wrong(`a checkpoint without registration: ${where}`);
      mark(invocation.delivered.size > 0 ? 'joined by count' : 'joined by finalize');
      if (watermark > NEVER) mark('join in mid-run');
      if (to.next === undefined || to.from === undefined) {
        if (to.next !== undefined) mark('latest joined before its first delivery');
        if (to.watermark !== watermark) wrong(`joined at ${to.watermark} instead of ${watermark}: ${where}`);
        return;
      }
    } else {
      if (to.watermark < from.watermark)
        wrong(`the watermark fell from ${from.watermark} to ${to.watermark}: ${where}`);
      if (to.clock < from.clock) wrong(`the clock fell from ${from.clock} to ${to.clock}: ${where}`);
      if (from.from !== undefined && (to.next ?? 0) < (from.next ?? 0))
        wrong(`next fell from ${from.next} to ${to.next}: ${where}`);
      if (from.from !== undefined && to.from !== from.from) wrong(`from changed: ${where}`);
      if (to.version !== nextVersion(from.version)) wrong(`version ${from.version} became ${to.version}: ${where}`);
    }
    history.checkpoint = to;
    if (to.state !== 'active') wrong(`stopped: ${to.reason}: ${where}`);
    if (to.from !== undefined && (from?.from === undefined || to.next !== from.next)) {
      counted(invocation, history, from, to, issuedAt);
    } else if (from && from.gaps.some((gap) => gap.kind === 'unclassified')) {
      for (const gap of legitimate.classified(from, to, before, registry)) history.lost.push(gap);
    } else if (from) {
      history.decisions.push({ kind: 'raise', target: to.watermark });
      legitimate.raised(invocation, from, to, before, histories, issuedAt);
    }
  }

  /** The offsets a commit covered, checked against what its invocation was given and what the log holds. */
  function counted(
    invocation: Invocation,
    history: History,
    from: Checkpoint | undefined,
    to: Checkpoint,
    issuedAt: number,
  ): void {
    const where = `partition ${to.partition}, by ${invocation.name}`;
    const batch = invocation.delivered.get(to.partition) ?? [];
    const log = logs[to.partition];
    const isFirst = from?.from === undefined;
    const gap = to.gaps.find(
      ({ from: start }) => !isFirst && start === from?.next && !from?.gaps.some((old) => old.from === start),
    );
    const start = gap?.to ?? (isFirst ? (to.from ?? 0) : (from?.next ?? 0));
    const end = to.next ?? 0;
    const records = batch.filter(({ offset }) => offset >= start && offset < end);
    const there = log ? recordsIn(log, start, end) : [];
    if (records.length !== there.length)
      wrong(`covers offsets ${start} to ${end - 1} without having got them all: ${where}`);
    if (isFirst) {
      history.firstCountedAt = time.time();
      if (to.from !== batch[0]?.offset) wrong(`begins at ${to.from}, was given ${batch[0]?.offset}: ${where}`);
      if (from?.next !== undefined && (to.from ?? 0) < from.next) mark('first delivery below the end it joined at');
      if (from && from.watermark > NEVER) mark('first delivery after the join');
    }
    if (gap) {
      mark('gap');
      if (gap.watermark !== from?.watermark) wrong(`a gap of another watermark: ${where}`);
      if (batch.some(({ offset }) => offset >= gap.from && offset < gap.to))
        wrong(`a gap that was delivered: ${where}`);
    }
    if (batch.some(({ offset }) => offset < start)) mark('redelivery dropped');
    const { delayMs } = invocation.pipeline;
    if (history.decisions.some((decision) => decision.kind === 'count' && decision.delayMs < delayMs))
      mark('delay raised');
    if (history.decisions.some((decision) => decision.kind === 'raise')) mark('counted after a raise');
    const commits = Number(commitsOf(to.version));
    const judged = records.map((entry) => guarded(invocation, entry));
    history.decisions.push({ kind: 'count', records: judged, delayMs, commits });
    const isSeen = to.clock > (from?.clock ?? NEVER) || to.counters.counted > (from?.counters.counted ?? 0);
    if (isSeen) history.seen.push({ at: issuedAt, appliedAt: time.time() });
    if (to.clock - (from?.clock ?? NEVER) > 5 * maxSizeMs && from && from.clock > NEVER) mark('time jump');
  }

  /** Where no timestamp can be trusted, the wall clock of whoever decoded a record decided about it. */
  function guarded(invocation: Invocation, entry: Entry): Entry {
    if (!plan.faults.has('untrusted') || entry.truth.instant === undefined) return entry;
    const now = Math.floor(invocation.startedAt) + invocation.skewMs;
    if (entry.truth.instant <= now + pipeline.maxFutureMs) return entry;
    mark('rejected by the wall clock');
    return { ...entry, truth: { kind: 'rejected', reason: 'future' } };
  }

  function registryChanged(invocation: Invocation, before: Registry | undefined, to: Registry): void {
    if (!before) return;
    if (to.closed < before.closed) wrong(`closed fell from ${before.closed} to ${to.closed}, by ${invocation.name}`);
    if (to.emitted < before.emitted)
      wrong(`emitted fell from ${before.emitted} to ${to.emitted}, by ${invocation.name}`);
    if (to.emitted > to.closed) wrong(`emitted (${to.emitted}) is beyond closed (${to.closed}), by ${invocation.name}`);
    if (to.version < before.version) wrong(`the registry's version fell, by ${invocation.name}`);
    if (before.partitions.some((partition) => !to.partitions.includes(partition)))
      wrong('a partition left the registry');
    if (to.closed > before.closed) legitimate.closed(invocation, histories, to);
  }

  let settledFor: Registry | undefined;
  let isSettled = false;
  const greatestClock = () => Math.max(NEVER, ...[...histories.values()].map(({ checkpoint }) => checkpoint.clock));

  return {
    applied,
    histories,
    totals,
    registry: () => registry,
    inertBelow(partition) {
      const checkpoint = histories.get(partition)?.checkpoint;
      return checkpoint ? Math.min(checkpoint.clock, checkpoint.watermark) : NEVER;
    },
    boundOfLiveness(now) {
      const delayMs = pipeline.running ? 0 : Math.max(...plan.deployments.map((deployed) => deployed.delayMs));
      return now + pipeline.idleAfterMs + maxSizeMs + delayMs + 4 * plan.skewMs + 120_000;
    },
    isSettled() {
      if (settledFor === registry) return isSettled;
      settledFor = registry;
      return (isSettled = settled());
    },
  };

  function settled(): boolean {
    const clock = greatestClock();
    if (logs.some(({ partition }) => !registry?.partitions.includes(partition))) return false;
    if (clock === NEVER || pipeline.running) return true;
    return (registry?.emitted ?? NEVER) >= Math.max(...windowsHolding(kinds, clock).map(({ end }) => end));
  }
}

function after(item: Item | undefined, write: Write): Item {
  if (write.kind === 'put') return write.item;
  if (write.kind === 'delete') return {};
  const set = Object.fromEntries(Object.entries(write.set ?? {}).filter(([, value]) => value !== undefined));
  return { ...item, ...set };
}

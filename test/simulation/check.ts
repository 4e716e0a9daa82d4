import { addCounters, NO_COUNTERS, type Counters } from '../../lib/store/progress.ts';
import type { Item } from '../../lib/store/store.ts';
import { addTo, columnsText, rowText, tableOf, type Groups } from './groups.ts';
import { recordsIn, type Log } from './kafka.ts';
import { oracle, windowsHolding } from './oracle.ts';
import type { Plan } from './plan.ts';
import { checkRunning } from './running-watch.ts';
import { checkFiles } from './side-files.ts';
import type { History, Watch } from './watch.ts';
import type { World } from './world.ts';

/** Compares what is stored at the end with what the oracle says. */
export async function checkEnd(world: World, watched: Watch): Promise<void> {
  const { plan, logs, store, time, wrong, mark } = world;
  const registry = watched.registry();
  if (!watched.isSettled()) {
    wrong(
      `not everything is closed by ${new Date(time.time()).toISOString()}: closed ${registry?.closed}, emitted ${registry?.emitted}`,
    );
    return;
  }
  const windows = new Map<string, Groups>();
  const buckets = store.dump('buckets');
  const results = store.dump('results');
  for (const [partition, history] of watched.histories) {
    checkPartition(plan, partition, history, buckets, windows, wrong, mark);
    const log = logs[partition];
    if (log) checkLosses(log, history, wrong);
    if (log) markUnsaidLosses(plan, log, history, results, mark);
  }
  await checkFiles(world, watched.histories);
  if (plan.deployments[0].running) await checkRunning(world, watched.histories);
  else checkResults(plan, results, windows, registry?.closed ?? 0, wrong, mark);
}

/** Counters, late events and rejections of one partition; its share of the windows is added to `windows`. */
function checkPartition(
  plan: Plan,
  partition: number,
  { decisions, checkpoint }: History,
  buckets: readonly Item[],
  windows: Map<string, Groups>,
  wrong: (what: string) => void,
  mark: (situation: string) => void,
): void {
  const [{ geometry, id: pipelineId }] = plan.deployments;
  let expected: Counters = NO_COUNTERS;
  const late: string[] = [];
  const rejected: string[] = [];
  oracle(geometry.kinds, decisions, ({ offset, truth }, open, missed, watermark) => {
    const isLate = truth.kind === 'event' && open.length === 0;
    const times = truth.kind === 'event' ? truth.adds.length : 0;
    expected = addCounters(expected, {
      ...NO_COUNTERS,
      records: 1,
      rejected: Number(truth.kind === 'rejected'),
      filtered: Number(truth.kind === 'filtered'),
      late: Number(isLate),
      counted: Number(truth.kind === 'event' && !isLate),
      pairsCounted: times * open.length,
      pairsMissed: times * missed,
    });
    if (truth.kind === 'rejected') rejected.push(`${offset} ${truth.reason}`);
    if (isLate) late.push(`${offset} at ${watermark}`);
    if (open.length > 0 && missed > 0) mark('late for some windows');
    if (truth.kind !== 'event') return;
    for (const id of open) {
      let groups = windows.get(id);
      if (!groups) windows.set(id, (groups = new Map()));
      for (const add of truth.adds) addTo(groups, add);
    }
  });
  const counters = JSON.stringify(expected);
  if (counters !== JSON.stringify(addCounters(NO_COUNTERS, checkpoint.counters))) {
    wrong(`counters of partition ${partition}: expected ${counters}, found ${JSON.stringify(checkpoint.counters)}`);
  }
  const kept = (kind: string, line: (entry: Item) => string) =>
    buckets
      .filter(({ pk, sk }) => pk === `${pipelineId}#p${partition}` && String(sk).startsWith(`${kind}#`))
      .flatMap(({ entries }) => (entries as readonly Item[]).map(line)) // written by putsOf alone
      .join();
  const foundLate = kept('late', ({ offset, watermark }) => `${String(offset)} at ${Date.parse(String(watermark))}`);
  const foundRejected = kept('rejected', ({ offset, reason }) => `${String(offset)} ${String(reason).split(':')[0]}`);
  if (foundLate !== late.join())
    wrong(`late events of partition ${partition}: expected ${late.join()}, found ${foundLate}`);
  if (foundRejected !== rejected.join()) {
    wrong(`rejections of partition ${partition}: expected ${rejected.join()}, found ${foundRejected}`);
  }
  if (late.length > 0) mark('late event');
  if (rejected.length > 0) mark('rejection');
}

/** Every record from the first one counted on was counted, or is known to be lost. */
function checkLosses(log: Log, { decisions, checkpoint, lost }: History, wrong: (what: string) => void): void {
  const { from, next } = checkpoint;
  const counted = new Set(
    decisions.flatMap((one) => (one.kind === 'count' ? one.records.map(({ offset }) => offset) : [])),
  );
  for (const { offset } of from === undefined ? [] : recordsIn(log, from, next ?? from)) {
    if (counted.has(offset) || lost.some((gap) => offset >= gap.from && offset < gap.to)) continue;
    if (checkpoint.gaps.some((gap) => gap.kind === 'unclassified' && offset >= gap.from && offset < gap.to)) continue;
    wrong(`offset ${offset} of partition ${log.partition} was neither counted nor noticed as lost`);
    return;
  }
}

/** Whether a window that a lost record belonged to does not say so. */
function markUnsaidLosses(
  plan: Plan,
  log: Log,
  { lost }: History,
  results: readonly Item[],
  mark: (situation: string) => void,
): void {
  const [pipeline] = plan.deployments;
  const silent = new Set<string>();
  for (const item of results) {
    if ('row_count' in item && item['incomplete'] === undefined)
      silent.add(`${String(item['window_id']).split('/')[1]}/${Date.parse(String(item['window_start']))}`);
  }
  for (const { from, to, watermark } of lost) {
    for (const { truth } of recordsIn(log, from, to)) {
      if (truth.kind !== 'event' || truth.instant === undefined) continue;
      const touched = windowsHolding(pipeline.geometry.kinds, truth.instant).filter(({ end }) => end > watermark);
      if (touched.some(({ id }) => silent.has(id))) mark('window touched by a loss does not say so');
    }
  }
}

/** Every window's rows and directory item, none missing, none extra. */
function checkResults(
  plan: Plan,
  results: readonly Item[],
  windows: ReadonlyMap<string, Groups>,
  closed: number,
  wrong: (what: string) => void,
  mark: (situation: string) => void,
): void {
  const [pipeline] = plan.deployments;
  const { kinds } = pipeline.geometry;
  const found = new Map<string, string[]>();
  for (const item of results) {
    const id = String(item['window_id']);
    if (id.endsWith('/cursor')) continue;
    if (id.endsWith('/live')) {
      mark('live snapshot');
      if (Date.parse(String(item['window_end'])) <= closed)
        wrong(`a live snapshot of the closed window ${id} ${String(item['row_id'])}`);
      continue;
    }
    const isDirectory = 'row_count' in item;
    const name = id.split('/')[1] ?? '';
    const window = `${name}/${Date.parse(String(item['window_start']))}`;
    let lines = found.get(window);
    if (!lines) found.set(window, (lines = []));
    const line = isDirectory
      ? [
          '=',
          item['row_count'],
          item['key_count'],
          columnsText(pipeline, item['totals'] as Item),
          item['window_end'],
        ].join(' ')
      : `${String(item['row_id'])} ${rowText(pipeline, item)}`;
    lines.push(line);
  }
  for (const [window, groups] of windows) {
    const [name = '', start] = window.split('/');
    const kind = kinds.get(name);
    const end = new Date(Number(start) + (kind?.sizeMs ?? 0)).toISOString();
    const { rows: ranked, totals } = tableOf(pipeline, groups);
    const rows = ranked.slice(0, kind?.top);
    if (rows.length < ranked.length) mark('rows beyond the top');
    const expected = [
      ['=', rows.length, ranked.length, totals, end].join(' '),
      ...rows.map((row, i) => `${String(i + 1).padStart(9, '0')} ${row}`),
    ];
    const lines = found.get(window) ?? [];
    if (lines.join('\n') !== expected.join('\n')) {
      wrong(`window ${window}: expected\n    ${expected.join('\n    ')}\n  found\n    ${lines.join('\n    ')}`);
    }
    found.delete(window);
  }
  for (const [window, lines] of found) wrong(`window ${window}: expected nothing, found\n    ${lines.join('\n    ')}`);
}

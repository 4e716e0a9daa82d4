import type { Pipeline } from '../../lib/index.ts';
import type { WindowResult } from '../../lib/query.ts';
import { runningTotals } from '../../lib/running-query.ts';
import { commitsIn } from '../../lib/store/snapshot.ts';
import type { Item, Key, Write } from '../../lib/store/store.ts';
import type { Dice } from './dice.ts';
import { columnsText, rowText, tableOf, totalsAfter } from './groups.ts';
import type { Invocation } from './invocation.ts';
import type { History } from './watch.ts';
import type { World } from './world.ts';

/** Looks at running totals: whatever is shown or read is what was committed at one moment, and never goes back. */
export interface RunningWatch {
  wroteBucket(write: Write, key: Key): void;
  wroteSnapshot(item: Item): void;
  /** Compares an answer with the commits that its reader has seen. */
  read(invocation: Invocation, result: WindowResult | undefined, key: Columns | undefined): void;
}

type Columns = Readonly<Record<string, string | null>>;

export function runningWatch({ plan, wrong, mark }: World, histories: ReadonlyMap<number, History>): RunningWatch {
  const [pipeline] = plan.deployments;
  let versions = '';
  return {
    wroteBucket(write, { sort }) {
      const [kind] = sort;
      if (write.kind === 'delete') mark(kind === 'b' ? 'base collected' : 'delta collected');
      else if (kind === 'h') mark('compacted');
    },
    wroteSnapshot(item) {
      const shown = { versions: String(item['versions']) };
      for (const partition of histories.keys()) {
        if (commitsIn(shown, partition) < commitsIn({ versions }, partition))
          wrong(`the snapshot fell from ${versions} to ${shown.versions}`);
      }
      ({ versions } = shown);
      mark('running snapshot');
      const cut = totalsAfter(histories, (partition) => commitsIn(shown, partition));
      expectSnapshot(pipeline, item, tableOf(pipeline, cut), wrong);
    },
    read({ name, commits }, result, key) {
      if (!result) return;
      mark(key ? 'one total read' : 'totals read');
      const table = tableOf(
        pipeline,
        totalsAfter(histories, (partition) => commits.get(partition) ?? 0),
      );
      const text = key && `${JSON.stringify(pipeline.groupBy.map((column) => key[column] ?? null))} `;
      const expected = table.rows.filter((row) => text === undefined || row.startsWith(text));
      expectSame(
        `totals as ${name} read them`,
        result.rows.map(({ row }) => rowText(pipeline, row)),
        expected,
        wrong,
      );
    },
  };
}

/** One group that may have a total. */
export const anyKey = (pipeline: Pipeline, keys: readonly [string | null, ...(string | null)[]], dice: Dice): Columns =>
  Object.fromEntries(pipeline.groupBy.map((column) => [column, column === 'l' ? 'u' : dice.pick(keys)]));

/** At the end the snapshot and an exact answer show everything that was counted. */
export async function checkRunning(world: World, histories: ReadonlyMap<number, History>): Promise<void> {
  const { plan, store, time, dice, wrong } = world;
  const [pipeline] = plan.deployments;
  const { running } = pipeline;
  if (!running) return;
  const table = tableOf(pipeline, totalsAfter(histories));
  const item = store.dump('results').find(({ row_id }) => row_id === 'total');
  if (item) expectSnapshot(pipeline, item, table, wrong);
  else if (table.rows.length > 0) wrong('there is no snapshot');
  const clock = { now: time.time, monotonic: () => 0, sleep: async () => {} };
  const retry = { clock, random: dice.next, deadline: Number.POSITIVE_INFINITY };
  const result = await runningTotals({ store, retry }, pipeline, running, true, {});
  expectSame('totals at the end', result?.rows.map(({ row }) => rowText(pipeline, row)) ?? [], table.rows, wrong);
}

type Wrong = (what: string) => void;

function expectSnapshot(
  pipeline: Pipeline,
  item: Item,
  { rows, totals }: ReturnType<typeof tableOf>,
  wrong: Wrong,
): void {
  const shown = (item['rows'] as readonly Item[]).map((row) => rowText(pipeline, row)); // written by putSnapshot alone
  const said = `${String(item['key_count'])} groups, ${columnsText(pipeline, item['totals'] as Item)}`;
  const expected = [`${rows.length} groups, ${totals}`, ...rows.slice(0, pipeline.running?.top)];
  if (rows.length > 0 || shown.length > 0)
    expectSame(`snapshot of ${String(item['versions'])}`, [said, ...shown], expected, wrong);
}

function expectSame(what: string, found: readonly string[], expected: readonly string[], wrong: Wrong): void {
  if (found.join('\n') !== expected.join('\n'))
    wrong(`${what}: expected\n    ${expected.join('\n    ')}\n  found\n    ${found.join('\n    ')}`);
}

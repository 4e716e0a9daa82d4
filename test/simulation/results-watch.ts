import { parseSegmentSort } from '../../lib/store/segment.ts';
import { NEVER } from '../../lib/store/progress.ts';
import type { Registry } from '../../lib/store/registry.ts';
import type { Item, Key, Write } from '../../lib/store/store.ts';
import { windowsOf } from '../../lib/window/geometry.ts';
import type { Close } from './legitimacy.ts';
import type { World } from './world.ts';

/** Between working out an item and its write: a crowd of retries and stalls. */
const MOST_LATENCY_MS = 15 * 60_000;

/** Looks at writes of results and buckets: what is final never changes, and nothing a window still needs goes. */
export interface ResultsWatch {
  wrote(write: Write, key: Key): void;
  wroteBucket(write: Write, key: Key): void;
}

export function resultsWatch(
  { plan, time, wrong, mark }: World,
  registry: () => Registry | undefined,
  closes: readonly Close[],
): ResultsWatch {
  const [pipeline] = plan.deployments;
  const { geometry } = pipeline;
  const final = new Map<string, string>();

  /** What readers see of a final item: all but when it was written. */
  function seen(item: Item): string {
    const { expires_at: _, emitted_at: __, ...rest } = item;
    return JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What is kept for a time is kept from when it was written, whatever time its events have. */
  function retained(item: Item): void {
    const writtenAt = Number(item['expires_at']) * 1000 - pipeline.retainMs;
    if (writtenAt > time.time() + plan.skewMs + 1_000 || writtenAt < time.time() - plan.skewMs - MOST_LATENCY_MS)
      wrong(`${JSON.stringify(item)} expires as if it were written at ${new Date(writtenAt).toISOString()}`);
  }

  const isMarked = ({ incomplete, incompleteUntil }: Close, start: number, end: number) =>
    start < incompleteUntil || incomplete.some(({ after, upTo }) => end > after && start <= upTo);

  function directory(item: Item): void {
    const [start, end] = [Date.parse(String(item['window_start'])), Date.parse(String(item['window_end']))];
    const now = registry();
    const atClose = closes.find(({ closed }) => closed >= end);
    const what = `window ${String(item['window_id'])} ${String(item['row_id'])}`;
    if (!now || !atClose) return wrong(`${what} is final before it is closed`);
    const isIncomplete = item['incomplete'] !== undefined;
    if (isIncomplete) mark('incomplete window');
    if (!isIncomplete && isMarked(atClose, start, end)) wrong(`${what} does not say that it is incomplete`);
    if (isIncomplete && !isMarked(now, start, end))
      wrong(`${what} says that it is incomplete: ${String(item['incomplete'])}`);
  }

  return {
    wrote(write, { partition, sort }) {
      if (partition.endsWith('/cursor')) return mark('cursor');
      const isLive = partition.endsWith('/live');
      if (write.kind === 'delete') {
        if (!isLive) wrong(`final ${partition} ${sort} was deleted`);
        return;
      }
      if (write.kind === 'update') return wrong(`${partition} ${sort} was updated`);
      if (isLive) {
        if (sort === 'trigger') return;
        if (write.item['status'] !== 'open') wrong(`live ${partition} ${sort} is not open`);
        return;
      }
      if (write.item['status'] !== 'final') return wrong(`${partition} ${sort} is not final`);
      retained(write.item);
      const id = `${partition} ${sort}`;
      const text = seen(write.item);
      const before = final.get(id);
      if (before === undefined) {
        final.set(id, text);
        if ('row_count' in write.item) directory(write.item);
      } else {
        mark('final row written again');
        if (before !== text) wrong(`final ${id} changed from ${before} to ${text}`);
      }
    },
    wroteBucket(write, { partition, sort }) {
      if (/^(late|rejected)#/.test(sort)) {
        if (write.kind === 'put') retained(write.item);
        return;
      }
      const { slice } = parseSegmentSort(sort);
      const emitted = registry()?.emitted ?? NEVER;
      const isTemporary = write.kind === 'delete' || (write.kind === 'put' && write.item['expires_at'] !== undefined);
      if (isTemporary && windowsOf(geometry, slice).some(({ end }) => end > emitted)) {
        wrong(`segment ${partition} ${sort} goes before it is emitted (${emitted})`);
      }
      if (write.kind === 'delete') mark('segment collected');
      else if (!sort.includes('#-#')) mark('late event partially visible');
      else if (!sort.endsWith('#0')) mark('segment of its own');
    },
  };
}

import type { Dice } from './dice.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * Virtual time and the one place where anything waits.
 *
 * Every call of every invocation is an event some random time ahead. Events run one at a time, each until all that it
 * set going waits again, so one seed replays every interleaving.
 */
export interface Scheduler {
  /** Milliseconds since the epoch, with fractions. */
  readonly time: () => number;
  after(ms: number, run: () => void): void;
  /** Adds to the trace: what the hash of a run is made of, and `--verbose` prints. */
  trace(line: () => string, code: number): void;
  /** Runs events until the instant is reached, or `until` holds. */
  run(to: number, until?: () => boolean): Promise<void>;
  readonly hash: () => number;
  readonly events: () => number;
}

export function scheduler(start: number, dice: Dice, print: ((line: string) => void) | undefined): Scheduler {
  const heap: Event[] = [];
  let now = start;
  let order = 0;
  let events = 0;
  let hash = 0x811c9dc5;
  const mix = (value: number) => (hash = Math.imul(hash ^ (value | 0), 0x01000193));

  const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.order < b.order);
  function push(event: Event): void {
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(event, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }
  function pop(): Event | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (!left) break;
      if (right && isBefore(right, left)) child++;
      const least = heap[child];
      if (!least || !isBefore(least, last)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  return {
    time: () => now,
    after: (ms, run) => push({ at: now + ms + dice.next() * 0.9, order: order++, run }),
    trace(line, code) {
      mix(Math.floor(now));
      mix(code);
      print?.(`${new Date(Math.floor(now)).toISOString()} ${line()}`);
    },
    async run(to, until = () => false) {
      while (!until()) {
        const [next] = heap;
        if (!next || next.at > to) {
          now = Math.max(now, to);
          return;
        }
        pop();
        now = Math.max(now, next.at);
        events++;
        next.run();
        await new Promise(setImmediate); // every promise that can go on has gone on
      }
    },
    hash: () => hash >>> 0,
    events: () => events,
  };
}

import { TidemarkError } from '../lib/runtime/error.ts';
import type { Child } from './child.ts';
import type { Claim } from './claim.ts';
import type { Screen } from './status-line.ts';

/** A process of the local world: how to start it, and when it is up. */
export interface Part {
  readonly name: string;
  /** Where it serves, as a person would type it. */
  readonly address: string;
  /** How long it may take to end by itself before SIGKILL. */
  readonly graceMs: number;
  /** Needs the others: it is stopped before them. */
  readonly isFront?: boolean;
  spawn(): Child;
  /** Resolves when it serves; rejects when it ended before. */
  ready(child: Child): Promise<void>;
}

/** The processes of the local world. One that dies is started again, at most 5 times a minute. */
export interface Crew {
  readonly members: readonly { readonly name: string; readonly pid: number }[];
  /** Aborted when the crew is told to stop; what is being prepared ends then. */
  readonly signal: AbortSignal;
  /** Resolves when a part could not be kept running, with the sentence to print. */
  readonly failed: Promise<TidemarkError>;
  /** Starts a part; resolves when it serves. */
  run(part: Part): Promise<void>;
  /** Stops all, those in front first. Resolves when they are gone; a second call waits for the first. */
  stop(): Promise<void>;
  /** Stops all at once, by SIGKILL. */
  kill(): Promise<void>;
}

const restarts = 5;
const periodMs = 60_000;

/** @param claim where the processes are listed; undefined for a crew that stays empty. */
export function createCrew(claim: Claim | undefined, screen: Screen, monotonic: () => number): Crew {
  const running = new Map<Part, Child>();
  const stopping = new AbortController();
  const failure = Promise.withResolvers<TidemarkError>();
  let stopped: Promise<void> | undefined;
  const isStopping = (): boolean => stopping.signal.aborted;

  const launch = async (part: Part, deathsMs: readonly number[]): Promise<void> => {
    const child = part.spawn();
    const { pid } = child;
    running.set(part, child);
    if (pid !== undefined) claim?.add(part.name, pid);
    let isUp = false;
    void child.ended.then((how) => {
      if (pid !== undefined) claim?.remove(pid);
      if (running.get(part) === child) running.delete(part);
      if (isUp && !isStopping()) void restart(part, how, deathsMs);
      return undefined;
    });
    try {
      await part.ready(child);
    } catch (error) {
      await child.stop(part.graceMs); // one that never came up may still run
      throw error;
    }
    isUp = true;
    if (child.hasEnded()) throw new TidemarkError('LOCAL_WORLD', `${part.name} ended as soon as it was up`);
  };

  const restart = async (part: Part, how: string, deathsMs: readonly number[]): Promise<void> => {
    const now = monotonic();
    const recent = [...deathsMs.filter((death) => now - death < periodMs), now];
    if (recent.length > restarts) {
      const why = `${part.name} ended ${recent.length} times within a minute (last: ${how})`;
      failure.resolve(new TidemarkError('LOCAL_WORLD', why));
      return;
    }
    screen.line(
      `${part.name} ended unexpectedly (${how}); starting it again (${recent.length} of ${restarts} a minute).`,
    );
    try {
      await launch(part, recent);
      screen.line(`${part.name} is up again after ${((monotonic() - now) / 1000).toFixed(1)} s.`);
    } catch (error) {
      if (!isStopping()) await restart(part, error instanceof Error ? error.message : String(error), recent);
    }
  };

  const leave = async (parts: readonly Part[], graceMs: (part: Part) => number): Promise<void> => {
    await Promise.all(parts.map(async (part) => running.get(part)?.stop(graceMs(part))));
  };

  const stopInOrder = async (): Promise<void> => {
    stopping.abort(new TidemarkError('LOCAL_WORLD', 'stopping'));
    const parts = [...running.keys()];
    const fronts = parts.filter(({ isFront }) => isFront);
    await leave(fronts, ({ graceMs }) => graceMs);
    await leave(
      parts.filter((part) => !fronts.includes(part)),
      ({ graceMs }) => graceMs,
    );
    claim?.release();
  };

  return {
    get members() {
      return [...running].flatMap(([{ name }, { pid }]) => (pid === undefined ? [] : [{ name, pid }]));
    },
    signal: stopping.signal,
    failed: failure.promise,
    async run(part) {
      stopping.signal.throwIfAborted();
      await launch(part, []);
    },
    stop() {
      stopped ??= stopInOrder();
      return stopped;
    },
    async kill() {
      stopping.abort(new TidemarkError('LOCAL_WORLD', 'stopping'));
      await leave([...running.keys()], () => 0);
      claim?.release();
    },
  };
}

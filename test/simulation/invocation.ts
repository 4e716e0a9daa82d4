import type { Pipeline } from '../../lib/index.ts';
import { TidemarkError } from '../../lib/runtime/error.ts';
import type { Entry } from './kafka.ts';
import type { World } from './world.ts';

/** One run of `count` or `finalize`, or somebody who reads totals, and what it has seen: evidence for what it decides. */
export interface Invocation {
  readonly name: string;
  readonly pipeline: Pipeline;
  readonly startedAt: number;
  readonly skewMs: number;
  /** What `count` was given, by partition. */
  readonly delivered: ReadonlyMap<number, readonly Entry[]>;
  /** A crashed one never goes on: its calls have no end. */
  isDead: boolean;
  /** When it last asked the store for the registry: how long ago its try began. */
  registryReadAt: number;
  /** When it last asked the store for checkpoints, and the broker for offsets; undefined when that did not answer. */
  checkpointsReadAt: number;
  askedAt: number;
  listedAt: number | undefined;
  /** How often each partition had committed when it last read its checkpoint. */
  readonly commits: Map<number, number>;
  readonly onDeath: () => void;
}

/** How likely each trouble is at one call. */
const CHANCE = { crash: 0.012, throttle: 0.04, 'lost-answer': 0.04, stall: 0.012 } as const;

/** Makes calls wait for their time, and troubles them. */
export interface Port {
  /**
   * @param perform what the call does, once its time has come.
   * @param isStore whether it may be refused as busy, or its answer lost.
   */
  call<T>(
    invocation: Invocation,
    what: string,
    isStore: boolean,
    perform: (issuedAt: number) => Promise<T>,
  ): Promise<T>;
  sleep(invocation: Invocation, ms: number): Promise<void>;
}

const busy = (what: string) => new TidemarkError('STORE_BUSY', `${what}: simulated`);

export function port({ time, dice, has, latencyMs, mark }: World): Port {
  const troubled = (fault: keyof typeof CHANCE) => has(fault) && dice.chance(CHANCE[fault]);
  const latency = () => (troubled('stall') ? dice.int(1_000, 60_000) : dice.next() * latencyMs());

  return {
    call(invocation, what, isStore, perform) {
      const issuedAt = time.time();
      return new Promise((resolve, reject) => {
        const die = (when: string) => {
          if (!invocation.isDead) {
            invocation.isDead = true;
            mark(`crash ${when} a call`);
            time.trace(() => `${invocation.name} crashes ${when} ${what}`, 1);
            invocation.onDeath();
          }
        };
        const arrive = async () => {
          if (invocation.isDead) return;
          if (troubled('crash')) return die('before');
          if (isStore && troubled('throttle')) {
            mark('throttled');
            time.trace(() => `${invocation.name} ${what}: busy`, 2);
            return reject(busy(what));
          }
          try {
            const answer = await perform(issuedAt);
            if (troubled('crash')) return die('after');
            if (isStore && troubled('lost-answer')) {
              mark(`unknown outcome: ${what}`);
              time.trace(() => `${invocation.name} ${what}: answer lost`, 3);
              return reject(busy(what));
            }
            // An answer may be long on its way too.
            if (troubled('stall')) time.after(latency(), () => !invocation.isDead && resolve(answer));
            else resolve(answer);
          } catch (error) {
            reject(error);
          }
        };
        time.after(latency(), () => void arrive());
      });
    },
    sleep: (invocation, ms) =>
      new Promise((resolve) => {
        time.after(ms, () => !invocation.isDead && resolve());
      }),
  };
}

import { TidemarkError } from '../../lib/runtime/error.ts';
import type { Broker } from '../../lib/source/broker.ts';
import type { Invocation, Port } from './invocation.ts';
import { endOf, fetchFrom } from './kafka.ts';
import type { Producers } from './life.ts';
import type { World } from './world.ts';

const OUTAGE_MS = 15 * 60_000;

/** The brokers as one invocation meets them: truthful, but not always there. */
export function simulatedBroker(
  world: World,
  port: Port,
  invocation: Invocation,
  outageAt: number,
  { produce }: Producers,
): Broker {
  const { dice, time, logs } = world;
  const assertReachable = () => {
    const isOut = world.has('outage') && time.time() > outageAt && time.time() < outageAt + OUTAGE_MS;
    if (isOut || (world.has('unreachable') && dice.chance(0.15)))
      throw new TidemarkError('BROKER_UNREACHABLE', 'simulated');
  };
  return {
    offsets() {
      invocation.askedAt = time.time();
      invocation.listedAt = undefined;
      return port.call(invocation, 'offsets', false, async () => {
        assertReachable();
        invocation.listedAt = time.time();
        const listed = logs.map((log) => ({ ...log, end: endOf(log) }));
        time.trace(
          () =>
            `${invocation.name} lists ${listed.map(({ start, end, committed }) => `${start}-${end} (${committed})`).join(', ')}`,
          31,
        );
        if (world.has('sneak') && dice.chance(0.3)) time.after(1, () => produce(logs[dice.int(0, logs.length - 1)]));
        return new Map(
          listed.map(({ partition, start, end, committed }) => [partition, { start, end, committed }] as const),
        );
      });
    },
    read: (_, partition, from, limit) =>
      port.call(invocation, 'fetch', false, async () => {
        assertReachable();
        time.trace(() => `${invocation.name} fetches ${partition} from ${from}`, 32);
        const log = logs[partition];
        return log ? fetchFrom(log, from, limit) : { records: [], reached: from };
      }),
  };
}

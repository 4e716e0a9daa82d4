import { TidemarkError } from '../lib/runtime/error.ts';
import type { PollerReport } from './poller.ts';
import type { Fields, Service } from './serverless.ts';

/** One schedule of one function. */
export interface Tick {
  readonly functionKey: string;
  readonly everyMs: number;
  /** The function's event. */
  readonly input: unknown;
}

const UNIT_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/**
 * The `schedule` events of `serverless.yml` that are enabled.
 *
 * @throws TidemarkError `BAD_DECLARATION` listing every schedule that is not a rate.
 */
export function declaredTicks(service: Service): Tick[] {
  const problems: string[] = [];
  const ticks = service.getAllFunctions().flatMap((functionKey) =>
    service.getFunction(functionKey).events.flatMap(({ schedule }) => {
      if (schedule === undefined) return [];
      const fields: Fields = typeof schedule === 'string' ? { rate: [schedule] } : (schedule as Fields);
      if (fields['enabled'] === false) return [];
      const rates = [fields['rate']].flat();
      return rates.flatMap((rate) => {
        const [, count = '', unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(String(rate)) ?? [];
        const unitMs = UNIT_MS[unit];
        if (unitMs !== undefined)
          return [{ functionKey, everyMs: Number(count) * unitMs, input: fields['input'] ?? {} }];
        problems.push(`functions.${functionKey}: ${JSON.stringify(rate)} is not a rate; only rate(...) runs locally`);
        return [];
      });
    }),
  );
  if (problems.length === 0) return ticks;
  throw new TidemarkError('BAD_DECLARATION', `serverless.yml:\n  ${problems.join('\n  ')}`, { problems });
}

/**
 * Runs the ticks: each at once, and then at its rate. The same function and input never overlap: a tick that finds the
 * last one still running follows it, and is one tick however many were due meanwhile.
 *
 * @returns what ends them; it does not wait for what runs.
 */
export function startTicks(
  ticks: readonly Tick[],
  invoke: (functionKey: string, input: unknown) => Promise<unknown>,
  report: PollerReport,
): () => void {
  const over = new AbortController();
  const run = async ({ functionKey, input }: Tick): Promise<void> => {
    try {
      await invoke(functionKey, input);
    } catch (error) {
      if (over.signal.aborted) return;
      report.line(`${functionKey} failed, the next tick tries again: ${String(error)}`);
      report.debug(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  };
  const timers = ticks.map((tick) => {
    let isRunning = false;
    let isDue = false;
    const fire = async (): Promise<void> => {
      isDue = true;
      if (isRunning) return;
      isRunning = true;
      while (isDue && !over.signal.aborted) {
        isDue = false;
        await run(tick);
      }
      isRunning = false;
    };
    void fire();
    return setInterval(() => void fire(), tick.everyMs);
  });
  return () => {
    over.abort();
    for (const timer of timers) clearInterval(timer);
  };
}

import type { Runtime } from '../../lib/runtime/runtime.ts';
import type { WindowReport } from '../../lib/sink/report.ts';
import { memoryStore } from '../../lib/store/memory.ts';
import { seeded } from '../../lib/pipelines/random.ts';

/** A runtime over a store in memory whose time the test pushes; sleeping pushes it too. */
export function testRuntime(options: Partial<Runtime> & { now?: number } = {}) {
  let now = options.now ?? Date.parse('2026-01-08T19:00:00.000Z');
  const reports: WindowReport[] = [];
  const logs: { level: string; message: string; fields: object | undefined }[] = [];
  const metrics: Record<string, number> = {};
  const hints: string[] = [];
  const log = (level: string) => (message: string, fields?: object) => void logs.push({ level, message, fields });
  const runtime: Runtime = {
    store: memoryStore(),
    clock: { now: () => now, monotonic: () => now, sleep: async (ms) => void (now += ms) },
    random: seeded(1),
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    metrics: (_, values) => {
      for (const [name, value] of Object.entries(values)) metrics[name] = (metrics[name] ?? 0) + value;
    },
    report: (report) => void reports.push(report),
    hint: async (pipeline) => void hints.push(pipeline),
    hintedAt: new Map(),
    broker: undefined,
    groupOf: (pipeline) => `test-${pipeline}`,
    partialBatchResponses: false,
    ...options,
  };
  return {
    runtime,
    reports,
    logs,
    metrics,
    hints,
    push: (ms: number) => void (now += ms),
    setNow: (ms: number) => void (now = ms),
  };
}

import { execFile } from 'node:child_process';
import { setInterval } from 'node:timers';
import { promisify } from 'node:util';

const run = promisify(execFile);
const EVERY_MS = 5_000;
/** A process that has just begun is still growing into its work. */
const YOUNG_MS = 30_000;

export interface Watched {
  readonly name: string;
  readonly running: () => { readonly pid: number; readonly sinceMs: number } | undefined;
}

/** Resident memory of processes, sampled. */
export interface Memory {
  /** MB now, `Kafka 401, ...`. */
  now(): string;
  /** A Markdown table: first, median, greatest, last, and the slope of a line through all samples. */
  table(): string;
  stop(): void;
}

/** Samples the processes' resident memory every few seconds. */
export function watchMemory(watched: readonly Watched[]): Memory {
  const samples = new Map(watched.map(({ name }) => [name, [] as { readonly atMs: number; readonly mb: number }[]]));
  const latest = new Map<string, number>();
  const sample = async ({ name, running }: Watched): Promise<void> => {
    const found = running();
    if (!found) return void latest.delete(name);
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', `${found.pid}`]).catch(() => ({ stdout: '' }));
    const mb = Number(stdout) / 1024;
    if (mb === 0) return;
    latest.set(name, mb);
    const now = Date.now();
    if (now - found.sinceMs >= YOUNG_MS) samples.get(name)?.push({ atMs: now, mb });
  };
  const timer = setInterval(() => void Promise.all(watched.map(sample)), EVERY_MS);
  return {
    now: () => [...latest].map(([name, mb]) => `${name} ${mb.toFixed(0)}`).join(', '),
    table: () =>
      [
        '| process | samples | first MB | median MB | greatest MB | last MB | slope MB an hour |',
        '|---|---:|---:|---:|---:|---:|---:|',
        ...[...samples].map(([name, taken]) => {
          const sizes = taken.map(({ mb }) => mb);
          const median = sizes.toSorted((a, b) => a - b)[Math.floor(sizes.length / 2)];
          const figures = [sizes[0], median, Math.max(...sizes), sizes.at(-1), slopePerHour(taken)];
          return `| ${[name, taken.length, ...figures.map((figure) => figure?.toFixed(0) ?? '')].join(' | ')} |`;
        }),
      ].join('\n'),
    stop: () => clearInterval(timer),
  };
}

/** Of the line with the least squares. */
function slopePerHour(taken: readonly { readonly atMs: number; readonly mb: number }[]): number {
  const mean = (of: readonly number[]): number => of.reduce((sum, x) => sum + x, 0) / of.length;
  const hours = taken.map(({ atMs }) => atMs / 3_600_000);
  const [meanHour, meanMb] = [mean(hours), mean(taken.map(({ mb }) => mb))];
  const sumOf = (term: (dx: number, dy: number) => number): number =>
    taken.reduce((sum, { mb }, i) => sum + term((hours[i] ?? 0) - meanHour, mb - meanMb), 0);
  return sumOf((dx, dy) => dx * dy) / sumOf((dx) => dx * dx);
}

import type { Crew } from './crew.ts';
import { identityOf, isAlive, type KnownProcess, parentOf } from './process-table.ts';
import type { Screen } from './status-line.ts';

const elderCheckMs = 2_000;
// npm and a wrapper pass on what the terminal has sent already: one Ctrl-C may arrive twice.
const sameKeyMs = 500;

/**
 * Stops the crew on Ctrl-C, SIGTERM, a closed terminal, a closed pipe, or when npm, which started us, is gone.
 * A second Ctrl-C kills at once.
 */
export function stopWhenAsked(crew: Crew, screen: Screen, monotonic: () => number): void {
  let askedMs: number | undefined;
  const stop = (why: string): void => {
    if (askedMs === undefined) {
      askedMs = monotonic();
      screen.status('');
      screen.line(`${why}: stopping. Ctrl-C again kills at once.`);
      void crew.stop();
    } else if (monotonic() - askedMs > sameKeyMs) {
      void crew.kill().then(() => process.exit(1));
    }
  };
  process.on('SIGINT', () => stop('Ctrl-C'));
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGHUP', () => stop('The terminal is gone'));
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => {
      if (askedMs === undefined) stop('Nobody reads the output');
    });
  }

  const elders = eldersOf(process.env);
  const timer = setInterval(() => {
    if (askedMs === undefined && !elders.every(isAlive)) stop('The process that started this one is gone');
  }, elderCheckMs);
  timer.unref();
}

/**
 * The processes whose end means that nobody holds us any more: npm, whether or not a shell stands between, or our wrapper.
 * Started by hand there is none: a shell may leave what it put into the background.
 */
function eldersOf(env: NodeJS.ProcessEnv): KnownProcess[] {
  const isOfNpm = env['npm_lifecycle_event'] === 'start';
  if (!isOfNpm && env['TIDEMARK_HAS_WRAPPER'] !== '1') return [];
  const pids = [process.ppid];
  const above = parentOf(process.ppid);
  if (isOfNpm && above && /^(ba|da|z)?sh$/.test(above.program)) pids.push(above.parent);
  return pids.flatMap((pid) => {
    const identity = identityOf(pid);
    return identity === undefined ? [] : [{ name: 'elder', pid, identity }];
  });
}

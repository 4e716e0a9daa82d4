/** `npx tidemark`: what tidemark.mjs runs once it has found a Node that reads TypeScript. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { pipelines as declared } from '../pipelines/index.ts';
import { systemClock } from '../runtime/clock.ts';
import { activateCommand } from './activate.ts';
import { runCommand, type World } from './command.ts';
import { late, rejected } from './kept.ts';
import { pipelines } from './pipelines.ts';
import { planCommand } from './plan.ts';
import { resetCommand } from './reset.ts';
import { results } from './results.ts';
import { retireCommand } from './retire.ts';
import { skipCommand } from './skip.ts';
import { statusCommand } from './status.ts';

const project = join(import.meta.dirname, '..', '..');
const { env, stdout, stderr } = process;

const enough = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop());
// A reader such as `head` has seen enough.
stdout.on('error', () => stop());

/** Lets a command end what it does; one that is in the middle of a request does not keep the user waiting. */
function stop(): void {
  enough.abort();
  setTimeout(() => process.exit(), 500).unref();
}

const world: World = {
  pipelines: declared,
  get version() {
    const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { version: string };
    return version;
  },
  clock: systemClock,
  terminal: {
    write: (text) => stdout.write(text),
    note: (text) => stderr.write(`${text}\n`),
    colour: hasColour(),
    isInteractive: stdout.isTTY,
    ask: process.stdin.isTTY && stdout.isTTY ? ask : undefined,
    signal: enough.signal,
  },
  // Loaded only when it is needed: the AWS SDK takes longer than all the rest.
  connect: async () => (await import('./connection.ts')).connect(env, project, declared, systemClock),
};

const looking = [results, statusCommand, late, rejected, pipelines, planCommand];
const operating = [retireCommand, activateCommand, skipCommand, resetCommand];
process.exitCode = await runCommand(process.argv.slice(2), [...looking, ...operating], world);

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: stdout });
  try {
    return await terminal.question(question, { signal: enough.signal });
  } finally {
    terminal.close();
  }
}

/** @source https://no-color.org and https://force-color.org */
function hasColour(): boolean {
  if (env['NO_COLOR']) return false;
  const forced = env['FORCE_COLOR'];
  return forced === undefined ? stdout.isTTY && env['TERM'] !== 'dumb' : forced !== '0' && forced !== 'false';
}

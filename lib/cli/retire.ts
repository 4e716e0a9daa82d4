import { objectionsTo, retire, storedRevision, type StoredRevision } from '../retire.ts';
import { checkpointsOf, watermarkOf } from '../reader.ts';
import { timeText } from '../sink/grid.ts';
import type { Checkpoint } from '../store/progress.ts';
import { assertNoMore, parseCommand, usageError } from './arguments.ts';
import type { Command } from './command.ts';
import { YES, isAgreed, operating } from './operator.ts';

/** `npx tidemark retire`: what the old revision still holds becomes final, and nothing more is counted for it. */
export const retireCommand: Command = {
  name: 'retire',
  summary: 'end an old revision: close what it holds, drop what still comes for it',
  help: `Ends a revision whose successor has taken over. Its open windows close now; those that were not over are marked incomplete.
What is still delivered to it is dropped. Its results stay. Interrupted, it is completed by running it again.

  npx tidemark retire <pipeline@revision> [--yes] [--force]

  npx tidemark retire telegram@1

  --yes, -y   do not ask
  --force     also while nobody goes on counting: no later revision has joined every partition
`,
  async run(args, world) {
    const { values, positionals } = parseCommand('retire', args, { ...YES, force: { type: 'boolean' } });
    assertNoMore('retire', positionals.slice(1));
    const id = revisionId('retire', positionals[0]);
    return await operating(world, async ({ runtime, retry, reports }) => {
      const revision = await storedRevision(id, runtime, retry);
      const { pipeline, registry } = revision;
      const declared = world.pipelines.find(({ name }) => name === pipeline.name);
      const objections = registry.state === 'retired' ? [] : await objectionsTo(revision, declared, runtime, retry);
      if (objections.length > 0 && !values.force)
        throw usageError(`${objections.join('; ')}. --force retires it all the same`);
      const checkpoints = await checkpointsOf({ store: runtime.store, retry }, pipeline, registry);
      if (!(await isAgreed(world, values.yes, [...objections, ...consequencesOf(revision, checkpoints)]))) return 1;
      await retire(pipeline, runtime, retry);
      const incomplete = reports.filter((report) => report.incomplete !== undefined).length;
      world.terminal.write(`${id} is retired; windows closed: ${reports.length}, of them incomplete: ${incomplete}\n`);
      return 0;
    });
  },
};

/** `name@revision`, as typed. */
export function revisionId(command: string, found: string | undefined): string {
  if (found !== undefined && /^[^@]+@\d+$/.test(found)) return found;
  throw usageError(`${command}: which revision? found '${found ?? ''}', expected one such as telegram@1`);
}

function consequencesOf({ pipeline, registry }: StoredRevision, checkpoints: readonly Checkpoint[]): string[] {
  if (registry.state === 'retired') return [`${pipeline.id} is retired already; what was left undone is done now`];
  return [
    `${pipeline.id} will be retired:`,
    `  what is delivered to it from now on is dropped`,
    `  windows that end after ${timeText(watermarkOf(checkpoints))} UTC, its watermark, are closed and marked incomplete`,
    `  its results stay as long as they are retained`,
  ];
}

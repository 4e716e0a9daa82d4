import { activate, storedRevision } from '../retire.ts';
import { timeText } from '../sink/grid.ts';
import { assertNoMore, parseCommand } from './arguments.ts';
import type { Command } from './command.ts';
import { YES, isAgreed, operating } from './operator.ts';
import { revisionId } from './retire.ts';

/** `npx tidemark activate`: going back to a revision that was retired. */
export const activateCommand: Command = {
  name: 'activate',
  summary: 'go back to a retired revision',
  help: `Sets a retired revision active again: it goes on where it stopped. What was delivered in between is a gap to it, which
marks the windows it may have touched. Windows that were closed stay final. Activate it, then deploy its code.

  npx tidemark activate <pipeline@revision> [--yes]

  npx tidemark activate telegram@1

  --yes, -y   do not ask
`,
  async run(args, world) {
    const { values, positionals } = parseCommand('activate', args, YES);
    assertNoMore('activate', positionals.slice(1));
    const id = revisionId('activate', positionals[0]);
    return await operating(world, async ({ runtime, retry }) => {
      const { pipeline, registry } = await storedRevision(id, runtime, retry);
      const consequences = [
        `${id} will be active again:`,
        `  windows that end by ${timeText(registry.closed)} UTC are final; events that belong to no later one are late`,
        `  records that were delivered since it was retired are a gap: they are not counted here`,
      ];
      if (!(await isAgreed(world, values.yes, consequences))) return 1;
      await activate(pipeline, runtime, retry);
      world.terminal.write(`${id} is active\n`);
      return 0;
    });
  },
};

import { positionOf, skip, skipFrom } from '../operate.ts';
import { assertNoMore, parseCommand, pipelineNamed, usageError } from './arguments.ts';
import type { Command } from './command.ts';
import { YES, isAgreed, offsetOf, operating, partitionNumber } from './operator.ts';

const MAX_REASON = 200;

/** `npx tidemark skip`: a partition that a record holds passes over it. */
export const skipCommand: Command = {
  name: 'skip',
  summary: 'pass over records of a partition that cannot get on',
  help: `Passes over the records from where a partition stands up to an offset, which is the next one counted. The range is stored
with the reason and counted as skipped, and the windows its records may have belonged to are marked incomplete.

  npx tidemark skip <pipeline> <partition> --to <offset> --reason <text> [--yes]

  npx tidemark skip telegram 0 --to 1201 --reason 'a message no function can read'

  --to        the first offset that is counted again
  --reason    for those who look at the results later
  --yes, -y   do not ask
`,
  async run(args, world) {
    const options = { ...YES, to: { type: 'string' }, reason: { type: 'string' } } as const;
    const { values, positionals } = parseCommand('skip', args, options);
    assertNoMore('skip', positionals.slice(2));
    const pipeline = pipelineNamed(positionals[0], world.pipelines);
    const partition = partitionNumber(positionals[1]);
    const to = offsetOf('--to', values.to);
    const reason = values.reason?.trim() ?? '';
    if (reason === '' || reason.length > MAX_REASON)
      throw usageError(`--reason has ${reason.length} characters; expected 1 to ${MAX_REASON} that say why`);
    return await operating(world, async ({ connection, runtime, retry }) => {
      const end = (await connection.endsOf(pipeline.source.topic))?.get(partition);
      const { checkpoint } = await positionOf(pipeline, partition, runtime, retry);
      const consequences = [
        `${pipeline.id}, partition ${partition} will pass over offsets ${skipFrom(checkpoint, to, end)} to ${to - 1}:`,
        `  they are not counted, now or later, and the windows they may have belonged to are marked incomplete`,
        ...(checkpoint.state === 'stopped'
          ? [`  it stays stopped: ${checkpoint.reason}; see npx tidemark reset --help`]
          : []),
        ...(end === undefined ? ['  no broker answered, so nobody knows whether the log is that long'] : []),
      ];
      if (!(await isAgreed(world, values.yes, consequences))) return 1;
      const gap = await skip(pipeline, partition, to, reason, end, runtime, retry);
      world.terminal.write(`skipped offsets ${gap.from} to ${gap.to - 1}; ${gap.to} is next\n`);
      return 0;
    });
  },
};

import { checkReset, positionOf, reset, type Start } from '../operate.ts';
import { assertNoMore, parseCommand, pipelineNamed, usageError } from './arguments.ts';
import type { Command, Connection } from './command.ts';
import { YES, isAgreed, offsetOf, operating, partitionNumber } from './operator.ts';

/** `npx tidemark reset`: a person says where counting goes on after a topic was recreated. */
export const resetCommand: Command = {
  name: 'reset',
  summary: 'begin a stopped partition anew, as after its topic was recreated',
  help: `Begins a partition anew. What it has counted stays counted, and its watermark stays: what is final never changes, and
events that belong to no open window are late. Windows that records nobody will count may have belonged to are marked.

  npx tidemark reset <pipeline> <partition> --from earliest|latest|<offset> [--yes] [--force]

  npx tidemark reset telegram 0 --from earliest

  --from      earliest: at the first delivery, wherever the consumer group stands; latest: at the end of the log as it is
              now; an offset: there. What is delivered from before is dropped
  --yes, -y   do not ask
  --force     also when the partition is not stopped; if it is the same log, records may count twice
`,
  async run(args, world) {
    const options = { ...YES, from: { type: 'string' }, force: { type: 'boolean' } } as const;
    const { values, positionals } = parseCommand('reset', args, options);
    assertNoMore('reset', positionals.slice(2));
    const pipeline = pipelineNamed(positionals[0], world.pipelines);
    const partition = partitionNumber(positionals[1]);
    if (values.from === undefined) throw usageError('--from is missing; expected earliest, latest or an offset');
    return await operating(world, async ({ connection, runtime, retry }) => {
      const start = await startOf(values.from ?? '', pipeline.source.topic, partition, connection);
      const { checkpoint } = await positionOf(pipeline, partition, runtime, retry);
      checkReset(checkpoint, values.force ?? false);
      const { state, reason, next } = checkpoint;
      const consequences = [
        `${pipeline.id}, partition ${partition} is ${state}${reason === undefined ? '' : `: ${reason}`}`,
        `  it stands at offset ${next ?? 'none'} and will begin anew at ${start === 'first delivery' ? 'its first delivery' : `offset ${start}`}`,
        `  what it has counted stays; if this is still the same log, records that come again count twice`,
      ];
      if (!(await isAgreed(world, values.yes, consequences))) return 1;
      await reset(pipeline, partition, start, values.force ?? false, runtime, retry);
      world.terminal.write(`${pipeline.id}, partition ${partition} was reset\n`);
      return 0;
    });
  },
};

/** Where to begin, as typed. @throws BAD_ARGUMENTS for an offset the log does not have. */
async function startOf(from: string, topic: string, partition: number, connection: Connection): Promise<Start> {
  if (from === 'earliest') return 'first delivery';
  const end = (await connection.endsOf(topic))?.get(partition);
  if (from !== 'latest') {
    const offset = offsetOf('--from', from);
    if (end === undefined || offset <= end) return offset;
    throw usageError(`--from is ${offset}; the log of ${topic}-${partition} ends at ${end}`);
  }
  if (end !== undefined) return end;
  throw usageError(
    `--from latest: no broker says where ${topic}-${partition} ends; set KAFKA_BROKERS, or name an offset`,
  );
}

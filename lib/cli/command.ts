import type { Pipeline } from '../pipeline.ts';
import type { Reader } from '../reader.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Sink } from '../sink/sink.ts';
import { isError } from '../runtime/error.ts';
import { oneOf, parseCommand, usageError } from './arguments.ts';

/** Where the tables are, and the broker if there is one. */
export interface Connection {
  /** For people: `the local DynamoDB at http://127.0.0.1:8000`. */
  readonly where: string;
  /** A reader with its own time limit; make one for each look at the tables. */
  reader(): Reader;
  /** End offsets of a topic by partition; undefined when there is no broker to ask, or it does not answer. */
  endsOf(topic: string): Promise<ReadonlyMap<number, number> | undefined>;
  /** Where files of side outputs go; undefined when SINK_URL says nothing. */
  openSink?(): Promise<Sink | undefined>;
  close(): void;
}

/** What a command uses of the process that runs it. */
export interface Terminal {
  /** Results. */
  readonly write: (text: string) => void;
  /** What is to be said beside them. */
  readonly note: (text: string) => void;
  readonly colour: boolean;
  /** Whether results can be redrawn in place. */
  readonly isInteractive: boolean;
  /** Asks a question and gives the line that is typed; undefined when nobody sits at a terminal. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Aborted when the user has seen enough: by Ctrl-C, or because nobody reads on. */
  readonly signal: AbortSignal;
}

export interface World {
  readonly pipelines: readonly Pipeline[];
  readonly version: string;
  readonly clock: Clock;
  readonly terminal: Terminal;
  readonly connect: () => Promise<Connection>;
}

/** One subcommand. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /**
   * @returns an exit code; 0 when nothing is returned.
   * @throws TidemarkError BAD_ARGUMENTS for a command line that makes no sense.
   */
  readonly run: (args: readonly string[], world: World) => Promise<number | void>;
}

/**
 * Runs a command line.
 *
 * @returns the exit code: 0 done, 1 it failed, 2 the command line makes no sense, 3 `plan` found what would be refused.
 */
export async function runCommand(args: readonly string[], commands: readonly Command[], world: World): Promise<number> {
  const { terminal } = world;
  const [name, ...rest] = args;
  try {
    if (name === undefined) throw usageError(`which command?\n\n${overview(commands)}`);
    if (name.startsWith('-')) {
      const { values, positionals } = parseCommand('tidemark', args, GLOBAL_OPTIONS);
      if (values.version) terminal.write(`${world.version}\n`);
      else if (values.help) terminal.write(overview(commands));
      else throw usageError(`the command comes first: tidemark ${positionals[0] ?? 'status'} ${name}`);
      return 0;
    }
    const byName = new Map(commands.map((command) => [command.name, command]));
    if (name === 'help') {
      terminal.write(rest[0] === undefined ? overview(commands) : oneOf('command', rest[0], byName).help);
      return 0;
    }
    const command = oneOf('command', name, byName);
    if (!rest.includes('--help') && !rest.includes('-h')) return (await command.run(rest, world)) ?? 0;
    terminal.write(command.help);
    return 0;
  } catch (error) {
    terminal.note(`tidemark: ${error instanceof Error ? error.message : String(error)}`);
    if (!isError(error, 'BAD_ARGUMENTS')) return 1;
    if (name !== undefined) terminal.note(`Try: npx tidemark ${commandOf(name, commands)}--help`);
    return 2;
  }
}

const GLOBAL_OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

const commandOf = (name: string, commands: readonly Command[]): string =>
  commands.some((command) => command.name === name) ? `${name} ` : '';

const overview = (commands: readonly Command[]): string => `Shows what Tidemark has counted, and operates it.

  npx tidemark <command> [options]

${commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

  npx tidemark <command> --help   options and examples of a command
  npx tidemark --version          the version

Tables are looked for where AWS_ENDPOINT_URL_DYNAMODB says; else in the local world that npm start runs; else on AWS,
if the environment says region, profile or credentials. Names: BUCKETS_TABLE, PROGRESS_TABLE and RESULTS_TABLE, or
tidemark-<STAGE>-buckets and so on, STAGE being dev unless set. KAFKA_BROKERS tells status whom to ask for the lag.
Exit code: 0 done, 1 it failed, 2 the command line makes no sense, 3 plan found a pipeline that would not be counted.
`;

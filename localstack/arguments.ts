import { parseArgs } from 'node:util';

import { TidemarkError } from '../lib/runtime/error.ts';

/** What `npm start` was asked to do. */
export interface StartArguments {
  /** Names of the pipelines to run; empty means all. */
  readonly pipelines: readonly string[];
  readonly isFresh: boolean;
  readonly isHelp: boolean;
}

const defaultPipeline = 'telegram';

export const usage = `Usage: npm start -- [pipeline...] [--all] [--fresh] [--help]

Runs Tidemark on this computer: Kafka, DynamoDB, and the functions of serverless.yml.

  pipeline...   the pipelines to run (default: ${defaultPipeline})
  --all         run all of them
  --fresh       begin anew: delete the stored state first
  --help        say this

Settings, with their defaults:
  KAFKA_BROKERS=host:port,...        use your Kafka; none is started
  AWS_ENDPOINT_URL_DYNAMODB=<url>    use your DynamoDB; none is started
  KAFKA_PORT=9092  KAFKA_CONTROLLER_PORT=9093  DYNAMODB_PORT=8000  LAMBDA_PORT=3002
  TIDEMARK_DATA=.tidemark            state and logs
  TIDEMARK_CACHE=~/.cache/tidemark   Kafka's jars
  TIDEMARK_MAVEN_ROOT=<url>          another Maven repository to fetch them from
  JAVA_HOME, DYNOXIDE_BIN            where Java and Dynoxide are, if not found by themselves`;

/**
 * Reads the command line.
 *
 * @param known the pipelines there are.
 * @throws TidemarkError `BAD_ARGUMENTS` with the usage.
 */
export function readArguments(args: readonly string[], known: readonly string[]): StartArguments {
  const refuse = (why: string): TidemarkError => new TidemarkError('BAD_ARGUMENTS', `${why}\n\n${usage}`);
  const flag = { type: 'boolean', default: false } as const;
  const read = () => {
    try {
      return parseArgs({ args: [...args], allowPositionals: true, options: { all: flag, fresh: flag, help: flag } });
    } catch (error) {
      // Its second sentence is about arguments that begin with a dash; we take none.
      throw refuse(String(error instanceof Error ? error.message : error).replace(/\. To specify.*/s, '.'));
    }
  };
  const { values, positionals } = read();
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw refuse(`Unknown pipeline: ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
  if (values.all && positionals.length > 0) throw refuse('Name pipelines, or --all; not both.');
  const chosen = positionals.length > 0 ? positionals : [defaultPipeline];
  return { pipelines: values.all ? [] : chosen, isFresh: values.fresh, isHelp: values.help };
}

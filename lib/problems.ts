import { aggregateProblems, type Aggregate } from './aggregate/aggregate.ts';
import type { Declaration } from './pipeline.ts';
import { sideOutputProblems, type LooseSideOutput } from './sink/side-output.ts';
import type { Source } from './source/source.ts';
import { parseDuration } from './time/duration.ts';
import type { RunningKind, WindowKind } from './window/window.ts';

/** Attributes of a result row that are ours; a group or an aggregate cannot have these names. */
const OWN_NAMES = ['window_id', 'row_id', 'rank', 'window_start', 'window_end', 'status', 'expires_at'] as const;
export type OwnName = (typeof OWN_NAMES)[number];

const NAME = /^[a-z][a-z0-9-]{0,62}$/;
const WINDOW_NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
const YEAR_MS = 365 * 86_400_000;

/** A declaration whose types have done their work. */
type Loose = Omit<Declaration<never, string, Readonly<Record<string, Aggregate>>>, 'source' | 'sideOutput'> & {
  readonly source: Source;
  readonly sideOutput?: LooseSideOutput;
};

/** Everything that makes no sense in a declaration, one sentence each: what, found, and what is expected. */
export function problemsOf(declared: Loose): string[] {
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  const { name, revision, source, groupBy, aggregate, orderBy } = declared;
  const windows: Readonly<Record<string, WindowKind | RunningKind>> = declared.windows;
  const kinds = Object.values(windows);
  const isRunning = kinds.some(({ kind }) => kind === 'running');
  expect(NAME.test(name), `name is '${name}'; expected lower-case letters, digits and '-', a letter first, at most 63`);
  expect(Number.isInteger(revision) && revision >= 1, `revision is ${revision}; expected a whole number from 1`);
  expect(TOPIC.test(source.topic), `topic is '${source.topic}'; expected 1 to 249 letters, digits, '.', '_' or '-'`);
  const { maxBatch } = source;
  expect(
    Number.isInteger(maxBatch) && maxBatch >= 1 && maxBatch <= 10_000,
    `maxBatch is ${maxBatch}; Lambda delivers 1 to 10,000 records`,
  );
  expect(
    !(source.wallClockGuard && source.timestamps === 'trusted'),
    "wallClockGuard is for timestamps: 'untrusted'; a trusted Kafka timestamp is the guard",
  );
  const stepNames = source.steps.map((step) => step.name);
  expect(
    new Set(stepNames).size === stepNames.length,
    `steps are named ${stepNames.join(', ')}; every step needs its own name`,
  );
  expect(
    !isRunning || kinds.length === 1,
    `windows has a running one among ${kinds.length}; a pipeline has windows in event time or exactly one running window: declare a second pipeline on the same topic`,
  );
  if (isRunning) {
    for (const what of ['watermark', 'idleAfter'] as const) {
      expect(
        declared[what] === undefined,
        `${what} is '${declared[what]}'; a running window waits for nothing: leave it out`,
      );
    }
  }
  for (const [what, text, leastMs] of [
    ...(isRunning ? [] : ([['watermark', declared.watermark ?? 'missing', 0]] as const)),
    ['retain', declared.retain, 60_000],
    ['idleAfter', declared.idleAfter ?? '1 minute', 1000],
    ['maxFuture', declared.maxFuture ?? '5 minutes', 0],
    ['stuckAfter', declared.stuckAfter ?? '10 minutes', 1000],
  ] as const) {
    const ms = parseDuration(text);
    expect(
      ms !== undefined && ms >= leastMs && ms <= (what === 'retain' ? 100 * YEAR_MS : YEAR_MS),
      `${what} is '${text}'; expected a duration such as '30 seconds', at least ${leastMs} ms`,
    );
  }
  expect(Object.keys(windows).length > 0, 'windows is empty; expected at least one');
  for (const [window, kind] of Object.entries(windows)) {
    expect(WINDOW_NAME.test(window), `window '${window}': expected a short name such as '1m'`);
    problems.push(...kind.problems.map((problem) => `window '${window}': ${problem}`));
  }
  const columns = Object.keys(aggregate);
  expect(columns.length > 0, 'aggregate is empty; expected at least one');
  problems.push(...Object.entries(aggregate).flatMap(([column, declared]) => aggregateProblems(column, declared)));
  expect(groupBy.length > 0, 'groupBy is empty; expected at least one field');
  const names = [...groupBy, ...columns];
  const own: readonly string[] = OWN_NAMES;
  expect(new Set(names).size === names.length, `groupBy and aggregate name a column twice: ${names.join(', ')}`);
  for (const column of names.filter((column) => own.includes(column))) {
    problems.push(`column '${column}' is a name of ours; rename the field in a map step`);
  }
  if (declared.sideOutput) problems.push(...sideOutputProblems(declared.sideOutput));
  expect(columns.includes(orderBy), `orderBy is '${orderBy}'; expected one of ${columns.join(', ')}`);
  return problems;
}

import { fileProblems, type Vector, type VectorFile } from './schema.ts';
import { runVector, type Outcome } from './run.ts';

export interface Ran {
  readonly vector: Pick<Vector, 'id' | 'title' | 'kind' | 'source'>;
  readonly outcome: Outcome;
}

/** Runs every vector of a file. What is wrong with the file itself is a failure, too. */
export async function runFile(file: unknown, ran: (one: Ran) => void = () => undefined): Promise<Ran[]> {
  const all: Ran[] = [];
  const add = (vector: Ran['vector'], outcome: Outcome) => {
    const one = { vector, outcome };
    all.push(one);
    ran(one);
  };
  const problems = fileProblems(file);
  if (problems.length > 0) add({ id: 'file', title: '', kind: '', source: {} }, { result: 'failed', problems });
  else {
    const { vectors } = file as VectorFile;
    for (const vector of vectors) add(vector, await runVector(vector, vectors));
  }
  return all;
}

/** One line per vector; a failure has a further line for each thing that is not as expected. */
export function lineOf({ vector, outcome }: Ran): string {
  const id = vector.id.padEnd(8);
  switch (outcome.result) {
    case 'passed':
      return `${id} pass${outcome.notes.length > 0 ? ` (${outcome.notes.join('; ')})` : ''}`;
    case 'not applicable':
      return `${id} not applicable: ${outcome.reason}`;
    case 'failed':
      return `${id} FAIL${outcome.problems.map((problem) => `\n           ${problem}`).join('')}`;
  }
}

export function totalsOf(all: readonly Ran[]): { passed: number; notApplicable: number; failed: number; line: string } {
  const times = (result: Outcome['result']) => all.filter(({ outcome }) => outcome.result === result).length;
  const [passed, notApplicable, failed] = [times('passed'), times('not applicable'), times('failed')];
  return { passed, notApplicable, failed, line: `${passed} passed, ${notApplicable} not applicable, ${failed} failed` };
}

const SYSTEMS: Readonly<Record<string, string>> = {
  spark: 'Spark',
  flink: 'Flink',
  kafka_streams: 'Kafka Streams',
  ksqldb: 'ksqlDB',
  beam: 'Beam',
  risingwave: 'RisingWave',
  nexmark: 'Nexmark',
  arroyo: 'Arroyo',
  bytewax: 'Bytewax',
  yahoo_streaming_benchmark: 'Yahoo benchmark',
  derived: 'our own',
};

/** `docs/conformance.md`: the same text for the same outcomes. */
export function documentOf(all: readonly Ran[]): string {
  const rows = all.map(({ vector, outcome }) => {
    const remark =
      outcome.result === 'passed'
        ? outcome.notes.join('; ')
        : outcome.result === 'failed'
          ? outcome.problems.join('; ')
          : outcome.reason;
    const system = String(vector.source['system'] ?? '');
    return [vector.id, SYSTEMS[system] ?? system, vector.title, outcome.result, remark].map((cell) =>
      cell.replaceAll('|', '\\|').replaceAll('\n', ' '),
    );
  });
  return `# Conformance

${totalsOf(all).line}. Written by \`npm run conformance\`.

Cases restated from the test suites of other stream processors, with the loss-free answer where the original loses rows.
They are in \`test/conformance/vectors.json\`; \`npm run conformance -- FILE...\` runs other files of the same schema.

Each case that asks for what Tidemark offers runs through the production \`count\` and \`finalize\` on the store in memory,
and each of its steps has to come to what the case expects. Then its records are delivered again: cut into every possible
sequence of batches (of a log of more than 11 records, every cut in two and a sample of the others), each delivery twice,
every prefix again after each delivery, by several processes at once, by one that dies before and after each of its calls
to the store, and with the partitions in other orders. Each time the final rows and the late events have to be the same, each row once.

Cases about single facts (windows of an instant, slices, refusals, durations, accumulators, idleness) run against the
functions that decide them. A case is not applicable for a reason that its own specification gives; no case is known by
its name.

| case | from | what | result | remark |
| --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}
`;
}

import { parseArgs } from 'node:util';
import { SELECTIONS } from './mutant.ts';
import { MUTANTS, SMALL_LIMITS, SMALL_RUNNING } from './mutants.ts';
import { plant } from './plant.ts';

const USAGE = `npm run simulate -- [--seed N] [--runs M] [--plant D] [--verbose]

Runs the production count and finalize in seeded worlds that misbehave, and compares with an oracle.

  --seed N     the first world's seed; 1 unless said
  --runs M     how many worlds, with seeds N, N + 1, ...; 1 unless said
  --only K     run ${SELECTIONS.join(', ')} worlds only, and pass by seeds of others
  --plant D    plant a deviation from the protocol first; ends at the first world that finds it
  --marks      say which situations happened, in how many worlds
  --verbose    print the trace of every world: for one at a time

Exit code 1 when a world ends otherwise than the oracle says.

${[...MUTANTS, SMALL_LIMITS].map(({ number, name }) => `  ${number.padStart(12)}  ${name}`).join('\n')}
`;
/** Failing worlds that are printed before a run ends. */
const MAX_FAILURES = 5;
const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    only: { type: 'string' },
    plant: { type: 'string' },
    marks: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const [seed, runs] = [Number(values.seed), Number(values.runs)];
const mutant = [...MUTANTS, SMALL_LIMITS].find(({ number }) => number === values.plant);
const planted = mutant && mutant !== SMALL_LIMITS ? (mutant.only ?? 'windows') : undefined;
const only = SELECTIONS.find((selection) => selection === (values.only ?? planted));
const isUsage = values.help || !Number.isSafeInteger(seed) || !Number.isSafeInteger(runs) || runs < 1;
const isUnknown = values.only !== undefined && !only;
if (isUsage || isUnknown || (values.plant !== undefined && !mutant)) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

const checkPlanted = plant([...SMALL_RUNNING, ...(mutant?.patches ?? [])]);
const { isSelected, planOf } = await import('./plan.ts'); // loads the production code, patched
const { runWorld } = await import('./run.ts');
checkPlanted();

const marks = new Map<string, number>();
const begun = performance.now();
let [done, failed, events, said] = [0, 0, 0, begun];
const faultsOf = (world: number) => [...planOf(world).faults].join(', ') || 'none';
const perSecond = () => `${((done / (performance.now() - begun)) * 1000).toFixed(0)} a second`;
for (let world = seed; done < runs; world++) {
  if (only && !isSelected(planOf(world), only)) continue;
  if (values.verbose) console.log(`seed ${world}, faults: ${faultsOf(world)}`);
  const outcome = await runWorld(world, values.verbose ? console.log : undefined);
  done++;
  events += outcome.events;
  for (const mark of outcome.marks) marks.set(mark, (marks.get(mark) ?? 0) + 1);
  if (outcome.discrepancies.length > 0) {
    failed++;
    if (!values.verbose) console.log(`seed ${world}, faults: ${faultsOf(world)}`);
    const planted = mutant ? ` --plant ${mutant.number}` : '';
    console.log(`replay: npm run simulate -- --seed ${world} --runs 1${planted} --verbose`);
    for (const discrepancy of outcome.discrepancies) console.log(`  ${discrepancy}`);
    if (failed >= (mutant ? 1 : MAX_FAILURES)) break;
  }
  if (performance.now() - said > PROGRESS_MS) {
    said = performance.now();
    console.log(`${done} of ${runs} worlds, ${failed} failed, ${perSecond()}`);
  }
}
console.log(`${done} worlds, ${failed} failed, ${perSecond()}, ${(events / done).toFixed(0)} events each`);
if (values.marks)
  console.log(
    [...marks]
      .sort()
      .map(([mark, count]) => `${String(count).padStart(8)}  ${mark}`)
      .join('\n'),
  );
process.exitCode = failed > 0 ? 1 : 0;

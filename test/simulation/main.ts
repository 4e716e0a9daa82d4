import { parseArgs } from 'node:util';
import { runWorld } from './world.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, runs: { type: 'string' }, plant: { type: 'string' }, verbose: { type: 'boolean' }, help: { type: 'boolean' } },
});
const seed = Number(values.seed ?? 1);
const runs = Number(values.runs ?? 1);
const t = performance.now();
const marks = new Map<string, number>();
let failures = 0, events = 0;
for (let s = seed; s < seed + runs; s++) {
  const o = await runWorld(s, values.verbose ? console.log : undefined);
  for (const m of o.marks) marks.set(m, (marks.get(m) ?? 0) + 1);
  events += o.events;
  if (o.discrepancies.length) {
    failures++;
    console.log(`seed ${s}: ${[...o.plan.faults].join(' ')}\n  ${o.discrepancies.join('\n  ')}`);
    if (failures >= 8) break;
  }
}
const ms = performance.now() - t;
console.log(`${runs} worlds, ${(runs / ms * 1000).toFixed(1)} per second, ${(events / runs).toFixed(0)} events each, ${failures} failed`);
if (!values.verbose) console.log([...marks].sort().map(([k, v]) => `${v}\t${k}`).join('\n'));

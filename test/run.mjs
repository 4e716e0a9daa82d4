// The test command: every project but the long one, then one plain line that counts.
// Plain JavaScript, so that it can say on any Node what is missing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Tests need Node 24 or newer, found ${process.version}. On Linux 'npm install' brings it; then run 'npm test'.`,
  );
  process.exit(1);
}

const projects = ['unit', 'conformance', 'simulation', 'integration', 'e2e'].flatMap((name) => ['--project', name]);
const folder = mkdtempSync(path.join(tmpdir(), 'tidemark-test-'));
const report = path.join(folder, 'report.json');
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    ...projects,
    '--reporter=default',
    '--reporter=json',
    `--outputFile=${report}`,
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
let counts;
try {
  counts = JSON.parse(readFileSync(report, 'utf8'));
} catch {
  console.error('The test runner ended without a report.');
}
rmSync(folder, { recursive: true });
if (counts) console.log(`${counts.numPassedTests} passed, ${counts.numTotalTests - counts.numPassedTests} failed`);
process.exit(status ?? 1);

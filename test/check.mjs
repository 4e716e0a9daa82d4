// Everything that can be said of the code without running it: types, lint with types, format.
import { spawnSync } from 'node:child_process';

const checks = [['tsc'], ['oxlint', '--deny-warnings'], ['oxfmt', '--check']];
const failed = checks.filter(([tool, ...rest]) => {
  console.log(`> ${[tool, ...rest].join(' ')}`);
  return spawnSync(tool, rest, { stdio: 'inherit' }).status !== 0;
});
process.exit(failed.length === 0 ? 0 : 1);

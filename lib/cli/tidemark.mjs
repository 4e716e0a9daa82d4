#!/usr/bin/env node
// Finds a Node that runs TypeScript and hands over to main.ts. Plain JavaScript, because an older Node reads it first.
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const wanted = 24;
const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, 'main.ts');

/** @param {string} version such as v24.21.0 */
const isNewEnough = (version) => Number((/^v(\d+)/.exec(version) || [])[1]) >= wanted;

if (isNewEnough(process.version)) {
  process.argv[1] = main;
  await import(pathToFileURL(main).href);
} else {
  const own = join(here, '..', '..', 'node_modules', '.bin', 'node');
  const answer = spawnSync(own, ['--version'], { encoding: 'utf8' });
  if (answer.status === 0 && isNewEnough(answer.stdout)) {
    const child = spawn(own, [main].concat(process.argv.slice(2)), { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code) => process.exit(code === null ? 1 : code));
  } else {
    console.error(
      `tidemark: Node ${wanted} or newer is needed; this is ${process.version}, and there is none in node_modules.\n` +
        `Run npm install, which brings one for most platforms, or install it: nodejs.org, nvm install ${wanted}, ` +
        `fnm install ${wanted}, volta install node@${wanted}.`,
    );
    process.exit(1);
  }
}

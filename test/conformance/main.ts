import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { documentOf, lineOf, runFile, totalsOf, type Ran } from './report.ts';

const USAGE = `npm run conformance -- [--write] [FILE...]

Runs test vectors against the production code, one line each: pass, not applicable with the reason, or FAIL with what was
expected and what was found. Without a FILE, those of test/conformance/vectors.json.

  --write   write docs/conformance.md from any FILE; without a FILE it is written anyway, unless something fails
  --help    this text

Exit code 1 when a vector fails, 2 when the command line or a file cannot be read.
`;

const BUILT_IN = path.join(import.meta.dirname, 'vectors.json');
const DOCUMENT = path.join(import.meta.dirname, '..', '..', 'docs', 'conformance.md');

function usage(problem: string): never {
  console.error(`conformance: ${problem}\n\n${USAGE}`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { write: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    return usage((error as Error).message);
  }
}

function parsed(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch (error) {
    return usage(`${file}: ${(error as Error).message}`);
  }
}

const { values, positionals } = options();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
// npm runs scripts in the project; a FILE is named from where npm was called.
const from = process.env['INIT_CWD'] ?? process.cwd();
const paths = positionals.length > 0 ? positionals.map((file) => path.resolve(from, file)) : [BUILT_IN];
const files = paths.map((file) => ({ file, content: parsed(file) }));
const all: Ran[] = [];
for (const { file, content } of files) {
  if (files.length > 1) console.log(`${file}:`);
  all.push(...(await runFile(content, (one) => console.log(lineOf(one)))));
}
const { line, failed } = totalsOf(all);
const isBuiltIn = files.every(({ file }) => file === BUILT_IN);
if (failed === 0 && (isBuiltIn || values.write)) writeFileSync(DOCUMENT, documentOf(all));
console.log(line);
process.exitCode = failed > 0 ? 1 : 0;

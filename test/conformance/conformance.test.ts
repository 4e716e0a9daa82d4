import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { documentOf, lineOf, runFile } from './report.ts';
import type { VectorFile } from './schema.ts';

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');

test('every vector passes, or is not applicable for a reason; docs/conformance.md says so', async () => {
  const file = JSON.parse(read('vectors.json')) as VectorFile;
  const all = await runFile(file);
  expect(all.filter(({ outcome }) => outcome.result === 'failed').map(lineOf)).toEqual([]);
  expect(all.map(({ vector }) => vector.id)).toEqual(file.vectors.map(({ id }) => id));
  expect(documentOf(all), 'run npm run conformance').toBe(read('../../docs/conformance.md'));
});

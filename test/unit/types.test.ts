import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '../types');

test('programs that make no sense do not compile, and the others do: test/types', () => {
  // Each `@ts-expect-error` is a test of its own: the compiler complains where the error beneath it is gone.
  const tsc = path.resolve(import.meta.dirname, '../../node_modules/.bin/tsc');
  const { status, stdout } = spawnSync(tsc, ['-p', folder], { encoding: 'utf8', env: process.env });
  expect(stdout).toBe('');
  expect(status).toBe(0);
  const { length } = readFileSync(path.join(folder, 'pipeline.test-d.ts'), 'utf8').match(/@ts-expect-error \w/g) ?? [];
  expect(length).toBeGreaterThanOrEqual(29);
});

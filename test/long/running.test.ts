import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDynoxide, type Dynoxide } from '../support/dynoxide.ts';

interface Measured {
  readonly what: string;
  readonly ms: number;
  readonly maxRssMb: number;
  readonly requests: number;
  readonly readUnits: number;
  readonly writeUnits: number;
}

let dynoxide: Dynoxide;
beforeAll(async () => {
  dynoxide = await startDynoxide();
});
afterAll(() => dynoxide.stop());

test('a million distinct words within 512 MB, refreshed by what changed', async () => {
  const script = fileURLToPath(new URL('million-words.ts', import.meta.url));
  // The heap that Lambda gives a function of 512 MB, less what lies beside it.
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--max-old-space-size=300',
    script,
    dynoxide.endpoint,
  ]);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Measured);
  process.stderr.write(stdout);
  const found = (what: string): Measured => {
    const line = lines.find((one) => one.what === what);
    expect(line, what).toBeDefined();
    return line as Measured;
  };
  expect(found('shown')).toMatchObject({ keys: 1_000_000, totals: { n: 1_016_500 } });
  expect(Math.max(...lines.slice(0, -1).map(({ maxRssMb }) => maxRssMb))).toBeLessThan(512);
  for (const changed of [500, 5_000]) {
    const [some, all] = [found(`refresh ${changed} of 100000`), found(`refresh ${changed} of 1000000`)];
    expect(all.readUnits).toBeLessThan(1.1 * some.readUnits);
    expect(all.requests).toBeLessThanOrEqual(some.requests + 2);
    expect(all.writeUnits).toBe(some.writeUnits);
    expect(all.readUnits).toBeLessThan(changed + 100);
  }
  expect(found('read one total').readUnits).toBeLessThan(100);
});

import { defineConfig } from 'vitest/config';

/** Layers by what they need: nothing, a simulated world, local servers, the whole system. */
const project = (name: string, include: string[], testTimeout: number, more: object = {}) => ({
  test: { name, include, testTimeout, hookTimeout: testTimeout, ...more },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', ['test/unit/**/*.test.ts', 'test/property/**/*.test.ts'], 10_000, {
        typecheck: { enabled: false },
      }),
      project('conformance', ['test/conformance/**/*.test.ts'], 120_000),
      project('simulation', ['test/simulation/**/*.test.ts'], 300_000),
      project('integration', ['test/integration/**/*.test.ts'], 120_000, { fileParallelism: false }),
      project('e2e', ['test/e2e/**/*.test.ts'], 300_000, { fileParallelism: false }),
      project('long', ['test/long/**/*.test.ts'], 3_600_000, { fileParallelism: false }),
    ],
  },
});

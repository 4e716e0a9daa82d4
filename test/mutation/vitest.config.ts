import { defineConfig } from 'vitest/config';

/** The tests that state what the mutated folders do, and no others: a mutant must be caught where its law is written. */
const files = {
  unit: ['aggregate', 'decimal', 'duration', 'geometry', 'instant', 'trigger', 'verdict', 'window'],
  property: ['aggregate', 'decimal', 'instant', 'window'],
};

export default defineConfig({
  test: {
    include: Object.entries(files).flatMap(([folder, names]) => names.map((name) => `test/${folder}/${name}.test.ts`)),
    setupFiles: ['test/mutation/seed.ts'],
  },
});

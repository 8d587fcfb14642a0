import { defineConfig } from 'vitest/config';

/** Tests with real servers, real builds and programs that are started, which take seconds to minutes and much of the machine: one file after another. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['{agent,operator,hack,e2e}/**/*.integration.test.ts'],
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 1_800_000,
  },
});

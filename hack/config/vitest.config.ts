import { defineConfig } from 'vitest/config';

/** Unit tests: beside the code, in one process per worker thread; nothing in them needs isolation from its neighbours. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['agent/**/*.test.ts', 'operator/**/*.test.ts', 'hack/**/*.test.ts', 'e2e/**/*.test.ts'],
    exclude: ['**/*.simulation.test.ts', '**/*.integration.test.ts', '**/*.cluster.test.ts'],
    pool: 'threads',
    isolate: false,
    fileParallelism: true,
    testTimeout: 60_000,
  },
});

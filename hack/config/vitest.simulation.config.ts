import { defineConfig } from 'vitest/config';

/** Tests that play hours in the simulator, seconds each: whether it finds what is planted, and what it has found before. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['agent/**/*.simulation.test.ts'],
    pool: 'threads',
    isolate: false,
    testTimeout: 120_000,
  },
});

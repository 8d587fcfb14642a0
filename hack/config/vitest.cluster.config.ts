import { defineConfig } from 'vitest/config';

/** Tests against a real API server, beside the code as `x.cluster.test.ts`; each file starts a control plane of its own. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['{agent,charts,operator,hack,e2e}/**/*.cluster.test.ts'],
    pool: 'threads',
    isolate: false,
    // A control plane takes every processor while it starts.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});

import { randomUUID } from 'node:crypto';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Of files that take minutes, the longest first: one that began last would be waited for alone. */
const LONGEST_FIRST = ['e2e/mesh', 'e2e/pods', 'e2e/change', 'e2e/documents', 'e2e/nodes', 'operator/run/joining'];
/** How many files may run at a time, each with a cluster of its own: up to 5 GB of memory where that has four nodes. */
const { IKEMESH_TEST_CLUSTERS: clusters = '1' } = process.env;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONGEST_FIRST.findIndex((name) => moduleId.endsWith(`/${name}.cluster.test.ts`));
      return index < 0 ? LONGEST_FIRST.length : index;
    };
    return (await super.sort(files)).sort((one, other) => place(one) - place(other));
  }
}

/**
 * Tests against a real API server, beside the code as `x.cluster.test.ts`. Each file starts a cluster of its own, with ports, a
 * folder and a network of its own, so that several can run at a time.
 */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['{agent,charts,operator,hack,e2e}/**/*.cluster.test.ts'],
    pool: 'threads',
    isolate: false,
    maxWorkers: Math.max(1, Number(clusters)),
    sequence: { sequencer: LongestFirst },
    // By which the workers of one run know what one of them has built already.
    env: { IKEMESH_TEST_RUN: randomUUID() },
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});

import { Worker } from 'node:worker_threads';

import type { Scenario } from '../scenario.ts';
import type { Violation } from '../world.ts';

/** A change of a module's text: what stands there once becomes something else. */
export interface Mutation {
  /** Its path in `agent/`. */
  readonly module: string;
  readonly from: string;
  readonly to: string;
}

/** What is found where all agents have been changed so, in a thread of its own, which alone has the changed modules. */
export function foundInMutant(scenario: Scenario, ...mutations: readonly Mutation[]): Promise<Violation | undefined> {
  const worker = new Worker(new URL('./mutant-worker.ts', import.meta.url), { workerData: { scenario, mutations } });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

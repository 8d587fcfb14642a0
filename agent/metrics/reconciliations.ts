import { RECONCILE_BUCKETS } from './definitions.ts';
import { Distribution } from './distribution.ts';
import type { Samples } from './samples.ts';
import { Tally } from './tally.ts';

/** Is told each time that an agent was brought to what it is to do, or could not be. */
export interface ReconcileObserver {
  reconciled(seconds: number, outcome: 'done' | 'failed'): void;
}

/** Counts and measures them. */
export class Reconciliations implements ReconcileObserver {
  readonly #durations = new Distribution(RECONCILE_BUCKETS);
  readonly #errors = new Tally('ikemesh_reconcile_errors_total', [{}]);

  reconciled(seconds: number, outcome: 'done' | 'failed'): void {
    this.#durations.observe(seconds);
    if (outcome === 'failed') this.#errors.count({});
  }

  addTo(samples: Samples): void {
    samples.addDistribution('ikemesh_reconcile_duration_seconds', {}, this.#durations);
    this.#errors.addTo(samples);
  }
}

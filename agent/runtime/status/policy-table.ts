import { isSameDemand } from '../../dataplane/plan.ts';
import { describeKey, policyKeyText } from '../../dataplane/texts.ts';
import type { InstalledPolicy, KernelSnapshot, PolicySpec } from '../../dataplane/types.ts';

/** The kernel's policies, to be compared with what was ordered. */
export class PolicyTable {
  readonly #installed: ReadonlyMap<string, InstalledPolicy> | undefined;

  /** Without a snapshot nothing is known to be missing. */
  constructor(snapshot: KernelSnapshot | undefined) {
    this.#installed = snapshot && new Map(snapshot.policies.map((policy) => [policyKeyText(policy), policy]));
  }

  /** What of these policies the kernel does not have, or not as they were ordered; the first few, in words. */
  missing(ordered: readonly PolicySpec[]): readonly string[] {
    const installed = this.#installed;
    if (installed === undefined) return [];
    return ordered
      .filter((policy) => {
        const present = installed.get(policyKeyText(policy));
        return present === undefined || !present.ours || !isSameDemand(policy, present);
      })
      .slice(0, MAX_NAMED)
      .map(describeKey);
  }
}

const MAX_NAMED = 3;

import { policyKeyText } from '../../dataplane/texts.ts';
import type { KernelSnapshot } from '../../dataplane/types.ts';
import { type Bypass, isBypass } from '../bypass.ts';

/** What stays in plaintext whoever it is of, because nothing could be encrypted without it. */
export interface BypassReport {
  /** `IKE and ESP in UDP of this node (UDP 500 and 4500)` */
  readonly traffic: string;
  /** Kernel policies that it takes. */
  readonly policies: number;
  /** Those of them that the kernel has and that are ours. */
  readonly installed: number;
}

/** What the kernel has of the bypasses. */
export function bypassReports(bypasses: readonly Bypass[], snapshot: KernelSnapshot | undefined): BypassReport[] {
  const installed = new Set((snapshot?.policies ?? []).filter(isBypass).map(policyKeyText));
  return bypasses.map(({ traffic, policies }) => ({
    traffic,
    policies: policies.length,
    installed: policies.filter((policy) => installed.has(policyKeyText(policy))).length,
  }));
}

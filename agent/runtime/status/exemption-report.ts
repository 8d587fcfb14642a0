import { policyKeyText } from '../../dataplane/texts.ts';
import type { KernelSnapshot } from '../../dataplane/types.ts';
import { exemptPlaces } from '../../ike/child/policies.ts';
import { isExempt } from '../../ike/child/policy-places.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import type { ConnectionConfig } from '../../ike/types.ts';
import type { IpAddress } from '../../wire/ip-address.ts';

/** What of a peer's traffic stays in plaintext. */
export interface ExemptionReport {
  /** `TCP/6443 10.0.0.0/24 Outbound` */
  readonly traffic: string;
  /** `Accept`: it is received in plaintext; `Send`: and sent. */
  readonly stage: 'Accept' | 'Send';
  /** Kernel policies that it takes. */
  readonly policies: number;
  /** Those of them that the kernel has and that are ours; the exemption is in force where they are all. */
  readonly installed: number;
}

/** What the kernel has of what is exempt. */
export class ExemptPolicies {
  readonly #installed: ReadonlySet<string>;

  constructor(connections: readonly ConnectionConfig[], snapshot: KernelSnapshot | undefined) {
    // A mesh has thousands of policies, and most have no exemption.
    const isNeeded = connections.some(({ children }) => children.some(({ exempt }) => exempt !== undefined));
    const policies = isNeeded ? (snapshot?.policies ?? []) : [];
    this.#installed = new Set(policies.filter((policy) => policy.ours && isExempt(policy)).map(policyKeyText));
  }

  /** What is exempt of a connection; `remoteAddress` is where the peer is, where that is known. */
  reports(config: ConnectionConfig, remoteAddress: IpAddress | undefined): readonly ExemptionReport[] {
    const places = config.children.flatMap((child) =>
      exemptPlaces(child, config.localAddress, remoteAddress, DEFAULT_LIMITS),
    );
    return Array.from(
      Map.groupBy(places, ({ exemption }) => exemption.name),
      ([traffic, own]) => ({
        traffic,
        stage: own.some(({ exemption }) => exemption.isSent) ? 'Send' : 'Accept',
        policies: own.length,
        installed: own.filter(({ key }) => this.#installed.has(key)).length,
      }),
    );
  }
}

import * as z from 'zod';

import type { IpsecNodeConfig } from '../api/ipsec-node-config.ts';
import type { IpsecPeerSlice } from '../api/ipsec-peer-slice.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type { FieldFault } from '../api/read-object.ts';

/** What is read of the metadata of objects that are not of our kinds. */
const metadata = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  deletionTimestamp: z.string().optional(),
});

/** A Node, as far as the plan needs it; everything else in it is dropped. */
export const nodeObject = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Node'),
  metadata,
  spec: z
    .object({
      podCIDR: z.string().optional(),
      podCIDRs: z.array(z.string()).optional(),
      taints: z.array(z.object({ key: z.string() })).optional(),
    })
    .optional(),
  status: z
    .object({
      addresses: z.array(z.object({ type: z.string(), address: z.string() })).optional(),
      nodeInfo: z.object({ operatingSystem: z.string().optional() }).optional(),
    })
    .optional(),
});

/** A Certificate of cert-manager that the operator made. */
export interface ObservedCertificate extends WrittenObject {
  readonly metadata: WrittenObject['metadata'] & { readonly generation?: number | undefined };
  readonly spec: { readonly secretName: string };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly observedGeneration?: number;
    }[];
    /** When the certificate in the Secret ends. */
    readonly notAfter?: string | undefined;
    /** When cert-manager is to renew it. */
    readonly renewalTime?: string | undefined;
  };
}

/** An object that the operator writes, of whatever kind. */
export interface WrittenObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly uid?: string | undefined;
    readonly labels?: Readonly<Record<string, string>> | undefined;
    readonly ownerReferences?: readonly OwnerReference[] | undefined;
  };
}

/** A peering that is there and that this version cannot read, such as one with a value of a newer version. */
export interface UnreadablePeering extends Pick<IpsecPeering, 'apiVersion' | 'kind' | 'metadata' | 'status'> {
  readonly faults: readonly FieldFault[];
}

/**
 * An IPsecNodeConfig or IPsecPeerSlice that is there and that this version cannot read. What stands in it is not known, so
 * it is neither written nor taken for missing.
 */
export interface UnreadableObject {
  readonly kind: 'IPsecNodeConfig' | 'IPsecPeerSlice';
  readonly metadata: { readonly name: string };
  readonly faults: readonly FieldFault[];
}

/** Who an object is deleted with. */
interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean | undefined;
  readonly blockOwnerDeletion?: boolean | undefined;
}

export type NodeObject = z.output<typeof nodeObject>;

/** Everything that the plan is made from. Lists may be incomplete: nothing is concluded from what is missing. */
export interface Observed {
  readonly peerings: readonly IpsecPeering[];
  /** Nodes keep what they had of these. */
  readonly unreadablePeerings: readonly UnreadablePeering[];
  readonly nodes: readonly NodeObject[];
  readonly nodeConfigs: readonly IpsecNodeConfig[];
  readonly slices: readonly IpsecPeerSlice[];
  /** IPsecNodeConfigs and IPsecPeerSlices that are left as they are. */
  readonly unreadableObjects: readonly UnreadableObject[];
  readonly certificates: readonly ObservedCertificate[];
  /** ServiceAccounts, Roles and RoleBindings of nodes. */
  readonly access: readonly WrittenObject[];
  /** Secrets with the operator's label; their data is never read. */
  readonly secrets: readonly WrittenObject[];
  /** The agent Pod of each node that is Ready now, by the node's name; any other Pod's status does not count. */
  readonly agentPods: ReadonlyMap<string, string>;
  /** Pre-shared keys that can be used, as `name/key`. */
  readonly preSharedKeys: ReadonlySet<string>;
  /** What cert-manager says of requests that are open, by the name of the Certificate. */
  readonly certificateRequests: ReadonlyMap<string, string>;
  /** Why the API server did not take Certificates, by name. */
  readonly refusedCertificates: ReadonlyMap<string, string>;
  /** Why the API server did not take IPsecNodeConfigs, by name. */
  readonly refusedNodeConfigs: ReadonlyMap<string, string>;
  /** Why the API server did not take IPsecPeerSlices, by name. */
  readonly refusedSlices: ReadonlyMap<string, string>;
  /** Whether the API server knows cert-manager's kinds. */
  readonly certManager: 'Present' | 'Missing';
  /** When Nodes, peerings and Certificates came to be, in milliseconds, by UID. */
  readonly since: ReadonlyMap<string, number>;
  readonly gone: Gone;
}

/** What is known not to be there any more, as against what was only not seen. */
export interface Gone {
  /** UIDs of Nodes, and since when, in milliseconds. */
  readonly nodes: ReadonlyMap<string, number>;
  /** Names of peerings. */
  readonly peerings: ReadonlySet<string>;
}

/** What holds for the whole cluster. */
export interface ClusterSettings {
  /** What the names in certificates end in; set once, no suffix of the real DNS. */
  readonly trustDomain: string;
  /** Where the Secrets and Certificates of nodes are. */
  readonly namespace: string;
  /** Whether policy keeps others from asking a ClusterIssuer for certificates in the trust domain. */
  readonly issuersRestricted: boolean;
}

/** The present moment, in both forms that are needed. */
export interface Moment {
  readonly milliseconds: number;
  /** `2026-11-28T01:02:03Z` */
  readonly timestamp: string;
}

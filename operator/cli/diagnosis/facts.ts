import type { IpsecNodeConfig } from '../../api/ipsec-node-config.ts';
import type { IpsecPeerSlice } from '../../api/ipsec-peer-slice.ts';
import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import type { NodeObject } from '../../nodeconfig/observed.ts';
import type { AgentReport, HostReport } from './agent-report.ts';
import type { Known } from './known.ts';

/** Everything that was gathered of a cluster; what could not be had says why. */
export interface Facts {
  readonly atMs: number;
  /** Whether the API server knows ikemesh's kinds. */
  readonly installed: Known<true>;
  readonly nodes: Known<readonly NodeFact[]>;
  readonly peerings: Known<readonly IpsecPeering[]>;
  readonly configs: Known<readonly IpsecNodeConfig[]>;
  readonly slices: Known<readonly IpsecPeerSlice[]>;
  /** Of operator and agents. */
  readonly pods: Known<readonly PodFact[]>;
  readonly workloads: Known<readonly WorkloadFact[]>;
  /** Those of nodes; `absent` where cert-manager is not installed. */
  readonly certificates: Known<readonly CertificateFact[]>;
  /** What cert-manager says of requests that are open, by the name of the Certificate. */
  readonly requests: Known<ReadonlyMap<string, string>>;
  /** What agents say, by the name of the node; those that were not asked are not in it. */
  readonly agents: ReadonlyMap<string, Known<AgentReport>>;
  readonly hosts: ReadonlyMap<string, Known<HostReport>>;
}

export interface NodeFact {
  readonly object: NodeObject;
  readonly createdAtMs: number;
  /** The condition `Ready`, by the kubelet. */
  readonly ready: 'True' | 'False' | 'Unknown';
  readonly readyText: string;
  readonly kernel: string;
  readonly taints: readonly { readonly key: string; readonly effect: string }[];
}

/** What a Pod or a workload of the chart is for. */
export type Component = 'agent' | 'holder' | 'operator' | 'other';

export interface PodFact {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly component: Component;
  readonly nodeName: string | undefined;
  readonly phase: string;
  readonly ready: boolean;
  /** Since when it is Ready, or is not. */
  readonly readinessSinceMs: number;
  readonly ending: boolean;
  readonly createdAtMs: number;
  readonly restarts: number;
  /** Why a container does not run, `CrashLoopBackOff: …`; or why the Pod is not scheduled. */
  readonly trouble: string | undefined;
  /** Of the container of the component. */
  readonly args: readonly string[];
}

/** A Deployment or DaemonSet. */
export interface WorkloadFact {
  readonly kind: 'Deployment' | 'DaemonSet';
  readonly name: string;
  readonly namespace: string;
  readonly component: Component;
  readonly wanted: number;
  readonly ready: number;
  readonly args: readonly string[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly version: string;
}

export interface CertificateFact {
  readonly name: string;
  readonly secretName: string;
  readonly nodeUid: string | undefined;
  readonly issuer: string;
  readonly ready: 'True' | 'False' | 'Unknown';
  /** `Issuing: …` */
  readonly text: string;
  readonly notAfter: string | undefined;
  /** When cert-manager is to renew it. */
  readonly renewalTime: string | undefined;
  /** cert-manager's condition `Issuing`: what became of the last attempt. */
  readonly issuing: { readonly status: string; readonly reason: string; readonly message: string } | undefined;
}

import { trustDomainFault } from '../nodeconfig/identity.ts';
import type { ClusterSettings, Moment } from '../nodeconfig/observed.ts';
import { ImaginedCluster } from './imagined-cluster.ts';
import { readFolder } from './read-folder.ts';
import { writeFolder } from './write-folder.ts';

/** What a run without a cluster is told. */
export interface OfflineOptions {
  /** Folder with manifests of peerings and Nodes. */
  readonly manifests: string;
  /** Folder that is written. */
  readonly out: string;
  readonly settings: ClusterSettings;
  readonly at: Moment;
}

/** How a run ended: the exit code, and what to print. */
export interface OfflineOutcome {
  /** 0: every peering is carried out; 1: one is not; 2: the manifests are wrong, and nothing was written. */
  readonly code: 0 | 1 | 2;
  readonly lines: readonly string[];
}

/** Plans without a cluster: what the operator would write once everything asked for is there. */
export async function runOffline({ manifests, out, settings, at }: OfflineOptions): Promise<OfflineOutcome> {
  const domainFault = trustDomainFault(settings.trustDomain);
  if (domainFault !== undefined) return { code: 2, lines: [`the trust domain ${settings.trustDomain} ${domainFault}`] };
  const { given, faults, passedOver } = await readFolder(manifests);
  if (faults.length > 0) return { code: 2, lines: faults };
  const cluster = new ImaginedCluster(given, settings, { issues: () => true, hasAgent: () => true });
  cluster.settle(at);
  const { nodeConfigs, slices, certificates } = cluster.observed();
  await writeFolder(out, [...nodeConfigs, ...slices, ...certificates]);
  const unready = cluster.given.peerings.filter(({ status }) => conditionOf(status, 'Ready')?.status !== 'True');
  const conditions = cluster.given.peerings.flatMap(({ metadata, status }) => [
    '',
    `${metadata.name}, once cert-manager has issued and every agent has done what it is told:`,
    ...(status?.conditions ?? []).map(
      ({ type, status: holds, reason, message }) => `  ${type.padEnd(18)} ${holds.padEnd(8)} ${reason}: ${message}`,
    ),
  ]);
  return {
    code: unready.length === 0 ? 0 : 1,
    lines: [
      `${given.peerings.length} peerings, ${given.nodes.length} nodes: ${nodeConfigs.length} IPsecNodeConfigs, ` +
        `${slices.length} IPsecPeerSlices and ${certificates.length} Certificates in ${out}`,
      ...(passedOver.length === 0 ? [] : [`passed over: ${passedOver.join(', ')}`]),
      ...conditions,
    ],
  };
}

function conditionOf(status: ImaginedCluster['given']['peerings'][number]['status'], type: string) {
  return status?.conditions?.find((condition) => condition.type === type);
}

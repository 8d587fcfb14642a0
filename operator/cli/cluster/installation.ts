import type { PodFact, WorkloadFact } from '../diagnosis/facts.ts';

/** Where ikemesh is in a cluster, and what it was told, as the arguments of its programs say. */
export interface InstallationFacts {
  readonly namespace: string;
  /** Of Certificates, Secrets and Issuers. */
  readonly nodesNamespace: string;
  readonly trustDomain: string;
  readonly issuersRestricted: boolean;
  /** Whether any of it was read, rather than guessed from the chart's defaults. */
  readonly certain: boolean;
}

/** What Pods and workloads tell of the installation; `namespace` is what the user says. */
export function installationOf(
  pods: readonly PodFact[],
  workloads: readonly WorkloadFact[],
  namespace: string | undefined,
): InstallationFacts {
  const all = [...workloads, ...pods];
  const operator = all.find(({ component, args }) => component === 'operator' && args.length > 0);
  const agent = all.find(({ component, args }) => component === 'agent' && args.length > 0);
  const own = operator ?? agent;
  return {
    namespace: own?.namespace ?? namespace ?? 'ikemesh',
    nodesNamespace:
      argument(operator?.args, 'namespace') ??
      argument(agent?.args, 'namespace') ??
      `${own?.namespace ?? 'ikemesh'}-nodes`,
    trustDomain: argument(operator?.args, 'trust-domain') ?? 'ikemesh.internal',
    issuersRestricted: operator?.args.includes('--issuers-restricted') === true,
    certain: argument(operator?.args, 'trust-domain') !== undefined,
  };
}

function argument(args: readonly string[] | undefined, name: string): string | undefined {
  return args?.find((each) => each.startsWith(`--${name}=`))?.slice(name.length + 3);
}

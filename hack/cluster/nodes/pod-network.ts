/** What of a Node decides how its pods and the others' reach one another. */
export interface PodNetworkNode {
  readonly name: string;
  /** InternalIP addresses. */
  readonly addresses: readonly string[];
  /** Networks that the controller manager gave to its pods, at most one of each family. */
  readonly podNetworks: readonly string[];
}

/** The kubernetes object, as far as it is looked at here. */
export interface NodeObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: { readonly podCIDRs?: readonly string[] };
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly NodeCondition[];
    readonly nodeInfo?: { readonly bootID: string; readonly machineID: string };
  };
}

export interface NodeCondition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}

/** Reads a Node. */
export function podNetworkNode({ metadata, spec, status }: NodeObject): PodNetworkNode {
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return {
    name: metadata.name,
    addresses: addresses.map(({ address }) => address),
    podNetworks: spec.podCIDRs ?? [],
  };
}

/**
 * The lines for `ip` that lead to the pods of all other nodes, each by its node's address of the same family: what a
 * cloud's route tables or a routing daemon do. `self` is left out; a machine that is no node has all.
 */
export function podRoutes(nodes: readonly PodNetworkNode[], self: string | undefined): readonly string[] {
  return nodes
    .filter(({ name }) => name !== self)
    .flatMap(({ addresses, podNetworks }) =>
      podNetworks.flatMap((network) => {
        const via = addresses.find((address) => isIpv6(address) === isIpv6(network));
        return via === undefined ? [] : [`${network} via ${via}`];
      }),
    );
}

/** The lines for `ip -batch` that turn some routes into others. */
export function routeChanges(before: readonly string[], after: readonly string[]): readonly string[] {
  const removed = before.filter((route) => !after.includes(route));
  const added = after.filter((route) => !before.includes(route));
  return [...removed.map((route) => `route del ${route}`), ...added.map((route) => `route replace ${route}`)];
}

/** The CNI configuration of a node: the reference plugins, pods on one bridge with addresses of both families. */
export function cniConfiguration({ podNetworks }: PodNetworkNode): string {
  const ranges = podNetworks.map((subnet) => [{ subnet }]);
  const routes = podNetworks.map((network) => ({ dst: isIpv6(network) ? '::/0' : '0.0.0.0/0' }));
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    // A Node that is registered again gets other networks: else no pod would start on it any more.
    forceAddress: true,
    hairpinMode: true,
    // Nodes have routes to one another's pods: nothing hides behind a node's address.
    ipMasq: false,
    ipam: { type: 'host-local', ranges, routes },
  };
  const portmap = { type: 'portmap', capabilities: { portMappings: true } };
  return JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins: [bridge, portmap] });
}

function isIpv6(text: string): boolean {
  return text.includes(':');
}

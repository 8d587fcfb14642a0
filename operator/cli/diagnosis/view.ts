import type { IpsecNodeConfig } from '../../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import { matchesSelector } from '../../nodeconfig/matches-selector.ts';
import type { AgentPeer, AgentReport, HostReport } from './agent-report.ts';
import type { Facts, NodeFact, PodFact } from './facts.ts';
import { type Known, valueOr } from './known.ts';
import { agentPodOf } from './observed-of.ts';

/** One end of a tunnel that is a node, with everything that is known of it. */
export interface End {
  readonly name: string;
  readonly node: NodeFact | undefined;
  readonly config: IpsecNodeConfig | undefined;
  readonly pod: PodFact | undefined;
  readonly agent: Known<AgentReport> | undefined;
  readonly host: Known<HostReport> | undefined;
  /** Peerings whose selector matches it. */
  readonly peerings: readonly IpsecPeering[];
}

/** Two ends, of which the other one may be a gateway. */
export interface Pair {
  readonly own: End;
  readonly peer: { readonly kind: 'node'; readonly end: End } | { readonly kind: 'gateway'; readonly name: string };
  /** Peerings that have both. */
  readonly peerings: readonly IpsecPeering[];
  /** The own agent's connections with the peer; undefined where it was not heard. */
  readonly connections: readonly AgentPeer[] | undefined;
  /** The peer's with us. */
  readonly mirror: readonly AgentPeer[] | undefined;
}

export function endOf(facts: Facts, name: string): End {
  const node = valueOr(facts.nodes, []).find(({ object }) => object.metadata.name === name);
  const labels = node?.object.metadata.labels ?? {};
  return {
    name,
    node,
    config: valueOr(facts.configs, []).find(({ metadata }) => metadata.name === name),
    pod: agentPodOf(facts, name),
    agent: facts.agents.get(name),
    host: facts.hosts.get(name),
    peerings:
      node === undefined
        ? []
        : valueOr(facts.peerings, []).filter(({ spec }) => matchesSelector(spec.nodes.selector, labels)),
  };
}

export function pairOf(facts: Facts, own: End, peerName: string): Pair {
  const gateway = own.peerings.find(({ metadata, spec }) => {
    const address = spec.remote.gateway?.address;
    return address !== undefined && (metadata.name === peerName || address === peerName);
  });
  const agent = own.agent?.known === true ? own.agent.value : undefined;
  if (gateway !== undefined) {
    return {
      own,
      peer: { kind: 'gateway', name: gateway.spec.remote.gateway?.address ?? peerName },
      peerings: [gateway],
      connections: agent?.peers.filter(({ name }) => name === `gateway_${gateway.metadata.name}`),
      mirror: undefined,
    };
  }
  const end = endOf(facts, peerName);
  const other = end.agent?.known === true ? end.agent.value : undefined;
  const names = new Set(end.peerings.map(({ metadata }) => metadata.name));
  return {
    own,
    peer: { kind: 'node', end },
    peerings: own.peerings.filter(({ metadata, spec }) => spec.remote.mesh !== undefined && names.has(metadata.name)),
    connections: agent === undefined ? undefined : connectionsWith(agent, peerName),
    mirror: other === undefined ? undefined : connectionsWith(other, own.name),
  };
}

/** Connections of a mesh are called after the peer and the family. */
export function connectionsWith({ peers }: AgentReport, node: string): readonly AgentPeer[] {
  return peers.filter(({ name }) => name === `${node}-ipv4` || name === `${node}-ipv6` || name === node);
}

/** Whether SAs are made for the first packet and there was none; older agents call such a peer down. */
export function isIdle({ reason }: AgentPeer): boolean {
  return reason === 'WaitingForTraffic';
}

/** Every peer that a node should encrypt with, those in trouble first, as its status names them. */
export function peersOf(facts: Facts, own: End): readonly string[] {
  const troubled = (own.config?.status?.troubledPeers ?? []).map(({ name }) => name);
  const meshes = own.peerings.filter(({ spec }) => spec.remote.mesh !== undefined);
  const nodes = valueOr(facts.nodes, []).flatMap(({ object: { metadata, status } }) => {
    const linux = (status?.nodeInfo?.operatingSystem ?? 'linux') === 'linux';
    const isPeer = meshes.some(({ spec }) => matchesSelector(spec.nodes.selector, metadata.labels ?? {}));
    return linux && isPeer && metadata.name !== own.name ? [metadata.name] : [];
  });
  const gateways = own.peerings.flatMap(({ metadata, spec }) =>
    spec.remote.gateway === undefined ? [] : [metadata.name],
  );
  const addresses = new Set(own.peerings.flatMap(({ spec }) => spec.remote.gateway?.address ?? []));
  return [...new Set([...troubled.filter((name) => !addresses.has(name)), ...gateways, ...nodes])];
}

import type { IpsecNodeConfig } from '../../api/ipsec-node-config.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodesOf } from '../../nodeconfig/testing/builders.ts';
import {
  type AgentPeer,
  type AgentReport,
  agentReport,
  type HostReport,
  hostReport,
} from '../diagnosis/agent-report.ts';
import type { Facts, NodeFact, PodFact, WorkloadFact } from '../diagnosis/facts.ts';
import { known } from '../diagnosis/known.ts';

/** The moment of all facts of tests. */
const NOW = atSecond(3_600);

/**
 * What is gathered of three nodes that encrypt with one another, and each with a gateway: the objects as the operator's own
 * plan makes them, reports as the agents write them.
 */
export function healthyFacts(): Facts {
  made ??= makeFacts();
  return made;
}

/** Nobody changes facts, and the plan takes a while. */
let made: Facts | undefined;

function makeFacts(): Facts {
  const peerings = [meshOf('cluster', { 'spec.enforcement': 'Required' }), gatewayOf('office')];
  const cluster = clusterOf({ peerings, nodes: nodesOf(3) });
  cluster.settle(atSecond(0));
  cluster.settle(NOW);
  const observed = cluster.observed();
  const names = observed.nodes.map(({ metadata }) => metadata.name);
  return {
    atMs: NOW.milliseconds,
    installed: known(true),
    nodes: known(
      observed.nodes.map((object): NodeFact => {
        return { object, createdAtMs: 0, ready: 'True', readyText: 'KubeletReady', kernel: '6.12', taints: [] };
      }),
    ),
    peerings: known(observed.peerings),
    configs: known(observed.nodeConfigs.map((config) => reported(config))),
    slices: known(observed.slices),
    pods: known([...names.map((name) => agentPod(name)), operatorPod]),
    workloads: known([agentSet]),
    certificates: known(
      observed.certificates.map(({ metadata: { name, labels }, spec }) => ({
        name,
        secretName: spec.secretName,
        nodeUid: labels?.['ikemesh.io/node-uid'],
        issuer: 'Issuer mesh-ca',
        ready: 'True' as const,
        text: 'Ready: issued',
        notAfter: '2100-01-01T00:00:00Z',
        renewalTime: '2099-12-31T00:00:00Z',
        issuing: undefined,
      })),
    ),
    requests: known(new Map()),
    agents: new Map(names.map((name) => [name, known(reportOf(name, observed.nodeConfigs))] as const)),
    hosts: new Map(names.map((name, index) => [name, known(hostOf(index + 1))] as const)),
  };
}

/** The Pod of a node's agent. */
export function agentPod(nodeName: string, fields: Partial<PodFact> = {}): PodFact {
  return {
    name: `ikemesh-agent-${nodeName}`,
    namespace: 'ikemesh',
    uid: `pod-${nodeName}`,
    component: 'agent',
    nodeName,
    phase: 'Running',
    ready: true,
    readinessSinceMs: 0,
    ending: false,
    createdAtMs: 0,
    restarts: 0,
    trouble: undefined,
    args: ['--kubernetes', '--namespace=ikemesh-nodes'],
    ...fields,
  };
}

const operatorPod: PodFact = {
  ...agentPod('node-1'),
  name: 'ikemesh-operator-0',
  uid: 'pod-operator',
  component: 'operator',
  args: ['run', '--trust-domain=mesh.test', '--namespace=ikemesh-nodes'],
};

const agentSet: WorkloadFact = {
  kind: 'DaemonSet',
  name: 'ikemesh-agent',
  namespace: 'ikemesh',
  component: 'agent',
  wanted: 3,
  ready: 3,
  args: [],
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  version: '0.1.0',
};

/** What an agent says of a node in which everything is as it should be. */
function reported(config: IpsecNodeConfig): IpsecNodeConfig {
  const { metadata, status } = config;
  const condition = (type: string, reason: string, message: string) => {
    return { type, status: 'True' as const, reason, message, lastTransitionTime: '2026-11-28T00:00:00Z' };
  };
  return {
    ...config,
    status: {
      ...status,
      agent: { podUID: `pod-${metadata.name}`, bootID: 'boot', version: '0.1.0' },
      conditions: [
        condition('Ready', 'Encrypting', 'every peer is reached that is to be by now'),
        condition('Programmed', 'Programmed', '2 peerings are carried out'),
        condition('CertificatesLoaded', 'Loaded', 'all keys and certificates are in use'),
      ],
      troubledPeers: [],
    },
  };
}

function reportOf(node: string, configs: readonly IpsecNodeConfig[]): AgentReport {
  const others = configs.filter(({ metadata }) => metadata.name !== node);
  const own = configs.find(({ metadata }) => metadata.name === node);
  return agentReport.parse({
    node,
    version: '0.1.0',
    uptimeSeconds: 3_600,
    peers: [
      ...others.flatMap((other) => [4, 6].map((family) => peerOf(own, other, family))),
      peer('gateway_office', addressOf(own, 4), '198.51.100.1', numberOf(node) * 1_000 + 900, 900),
    ],
  });
}

function peerOf(own: IpsecNodeConfig | undefined, other: IpsecNodeConfig, family: number): unknown {
  const [from, to] = [numberOf(own?.metadata.name ?? ''), numberOf(other.metadata.name)];
  const outbound = from * 1_000 + to * 10 + family;
  const inbound = to * 1_000 + from * 10 + family;
  return peer(
    `${other.metadata.name}-ipv${family}`,
    addressOf(own, family),
    addressOf(other, family),
    outbound,
    inbound,
  );
}

function peer(name: string, localAddress: string, remoteAddress: string, outbound: number, inbound: number): unknown {
  const sa = (spi: number) => {
    return {
      spi: spi.toString(16).padStart(8, '0'),
      destination: '',
      reqid: 1,
      installed: true,
      bytes: 96_000,
      packets: 1_000,
    };
  };
  const child = {
    name: 'default',
    state: 'installed',
    mode: 'transport',
    reqid: 1,
    suite: 'aes256gcm16-esn',
    localSelectors: [`${localAddress}/32`],
    remoteSelectors: [`${remoteAddress}/32`],
    ageSeconds: 60,
    rekeySeconds: 3_000,
    expirySeconds: 7_000,
    inbound: sa(inbound),
    outbound: sa(outbound),
  };
  const ike = {
    number: 1,
    state: 'established',
    role: 'initiator',
    local: { address: localAddress, port: 500 },
    remote: { address: remoteAddress, port: 500 },
    initiatorSpi: '00000000000000aa',
    responderSpi: '00000000000000bb',
    suite: 'aes256gcm16-prfsha384-x25519',
    nat: { local: false, remote: false },
    ageSeconds: 60,
    lastHeardSeconds: 5,
    rekeySeconds: 10_000,
    children: [child],
  };
  return {
    name,
    state: 'encrypting',
    reason: 'Proven',
    message: 'packets get through in both directions',
    localAddress,
    remoteAddress,
    localIdentity: 'node.mesh.test',
    remoteIdentity: `${name}.mesh.test`,
    ikeSas: [ike],
  };
}

function hostOf(number: number): HostReport {
  return hostReport.parse({
    kernel: '6.12.0',
    interfaces: [{ name: 'eth0', mtu: 1_500, addresses: [`192.168.0.${number}`, `fd00::${number}`] }],
    errors: { XfrmInNoStates: { total: 3, added: 0 } },
  });
}

function addressOf(config: IpsecNodeConfig | undefined, family: number): string {
  const addresses = config?.spec.peerings[0]?.addresses ?? [];
  return addresses.find((address) => address.includes(':') === (family === 6)) ?? '';
}

function numberOf(name: string): number {
  return Number(name.replace('node-', ''));
}

/** Facts in which an agent says something else of a connection. */
export function withConnection(
  facts: Facts,
  node: string,
  name: string,
  change: (peer: AgentPeer) => AgentPeer,
): Facts {
  return withAgent(facts, node, (report) => ({
    ...report,
    peers: report.peers.map((each) => (each.name === name ? change(each) : each)),
  }));
}

export function withAgent(facts: Facts, node: string, change: (report: AgentReport) => AgentReport): Facts {
  const report = facts.agents.get(node);
  if (report?.known !== true) throw new Error(`the agent of ${node} was not asked`);
  return { ...facts, agents: new Map([...facts.agents, [node, known(change(report.value))]]) };
}

export function withHost(facts: Facts, node: string, fields: Partial<HostReport>): Facts {
  const report = facts.hosts.get(node);
  if (report?.known !== true) throw new Error(`the host ${node} was not asked`);
  return { ...facts, hosts: new Map([...facts.hosts, [node, known({ ...report.value, ...fields })]]) };
}

/** Facts in which the items of a list are others. */
export function withList<Key extends 'nodes' | 'configs' | 'pods' | 'certificates' | 'peerings' | 'workloads'>(
  facts: Facts,
  key: Key,
  change: (items: ListOf<Key>) => ListOf<Key>,
): Facts {
  const list = facts[key];
  if (!list.known) throw new Error(`${key} are not known`);
  return { ...facts, [key]: known(change(list.value as ListOf<Key>)) };
}

export function withConfig(facts: Facts, node: string, change: (config: IpsecNodeConfig) => IpsecNodeConfig): Facts {
  return withList(facts, 'configs', (configs) =>
    configs.map((config) => (config.metadata.name === node ? change(config) : config)),
  );
}

type ListOf<Key extends keyof Facts> =
  Extract<Facts[Key], { readonly known: true }> extends { readonly value: infer V } ? V : never;

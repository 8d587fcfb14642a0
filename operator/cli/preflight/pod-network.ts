import { parse } from 'yaml';

import type { Check } from './check.ts';

/** A DaemonSet, as far as a network plugin is known by it. */
export interface DaemonSetFact {
  readonly name: string;
  readonly namespace: string;
  /** Of all containers. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a network plugin is told, and where that is written. */
export interface PluginSettings {
  readonly daemonSet: DaemonSetFact;
  /** Of its ConfigMap; undefined where that cannot be had. */
  readonly config: Readonly<Record<string, string>> | undefined;
  /** Of its own kinds, such as Calico's IPPools; undefined where they cannot be had. */
  readonly objects: readonly PluginObject[] | undefined;
}

export interface PluginObject {
  readonly kind: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** How packets of pods get from node to node. */
export interface PodNetwork {
  /** `Cilium` */
  readonly name: string;
  /** `overlay`: between the nodes' own addresses; `routed`: with their own ones. */
  readonly mode: 'overlay' | 'routed' | 'unknown';
  /** `vxlan` */
  readonly detail: string;
  /** What does not go together with ikemesh. */
  readonly troubles: readonly Trouble[];
}

export interface Trouble {
  readonly state: Exclude<Check['state'], 'ok'>;
  readonly text: string;
  readonly remedy: string;
}

/** A network plugin that is known here. */
export interface KnownPlugin {
  readonly name: string;
  readonly daemonSet: RegExp;
  /** Beside its DaemonSet. */
  readonly configMap?: string;
  /** Kinds of its own, as in URLs. */
  readonly kinds?: readonly { readonly apiVersion: string; readonly plural: string; readonly kind: string }[];
  readonly read: (settings: PluginSettings) => Omit<PodNetwork, 'name'>;
}

/** The plugin that a DaemonSet is of. */
export function pluginOf({ name }: DaemonSetFact): KnownPlugin | undefined {
  return PLUGINS.find(({ daemonSet }) => daemonSet.test(name));
}

/** What the interfaces of a node tell of its network, where no DaemonSet does. */
export function networkByInterfaces(names: readonly string[]): PodNetwork | undefined {
  const tunnel = names.find((name) => TUNNELS.test(name));
  if (tunnel !== undefined) return network('another plugin', 'overlay', `interface ${tunnel}`);
  const bridge = names.find((name) => BRIDGES.test(name));
  return bridge === undefined ? undefined : network('bridge', 'routed', `interface ${bridge}`);
}

function network(name: string, mode: PodNetwork['mode'], detail: string): PodNetwork {
  return { name, mode, detail, troubles: [] };
}

function plain(mode: PodNetwork['mode'], detail: string, troubles: readonly Trouble[] = []) {
  return { mode, detail, troubles };
}

function readCilium({ config }: PluginSettings) {
  if (config === undefined) return plain('unknown', 'its ConfigMap cannot be read');
  const isOn = (key: string): boolean => config[key] === 'true';
  const tunnel = config['tunnel-protocol'] ?? config['tunnel'] ?? 'vxlan';
  const isRouted = config['routing-mode'] === 'native' || config['tunnel'] === 'disabled';
  const troubles: Trouble[] = [];
  if (isOn('enable-ipsec')) troubles.push(ownIpsec('Cilium', 'encryption.enabled=false'));
  if (isOn('enable-wireguard')) troubles.push(ownWireGuard('Cilium', 'encryption.enabled=false'));
  // eBPF host routing needs both of these, and is what Cilium takes then.
  const byEbpf = isOn('kube-proxy-replacement') && isOn('enable-bpf-masquerade');
  const passesKernel = isOn('enable-host-legacy-routing') || !byEbpf;
  if (isRouted && !passesKernel) {
    troubles.push({
      state: 'wrong',
      text: 'Cilium takes packets of pods past the routes of the kernel (eBPF host routing), and so past IPsec',
      remedy: "set bpf.hostLegacyRouting=true in Cilium's chart, or have it use a tunnel, which scope Nodes encrypts",
    });
  }
  return isRouted ? plain('routed', 'native', troubles) : plain('overlay', tunnel, troubles);
}

function readCalico({ daemonSet: { env }, objects }: PluginSettings) {
  const pools = (objects ?? []).filter(({ kind, spec }) => kind === 'IPPool' && spec['disabled'] !== true);
  const modeOf = (key: string, variable: string): string[] =>
    pools.length > 0 ? pools.map(({ spec }) => String(spec[key] ?? 'Never')) : [env[variable] ?? 'Never'];
  if (objects === undefined && env['CALICO_IPV4POOL_IPIP'] === undefined && env['CALICO_IPV4POOL_VXLAN'] === undefined)
    return plain('unknown', 'its IPPools cannot be read');
  const [ipip, vxlan] = [modeOf('ipipMode', 'CALICO_IPV4POOL_IPIP'), modeOf('vxlanMode', 'CALICO_IPV4POOL_VXLAN')];
  const felix = (objects ?? []).filter(({ kind }) => kind === 'FelixConfiguration').map(({ spec }) => spec);
  const troubles: Trouble[] = [];
  if (felix.some((spec) => spec['bpfEnabled'] === true)) {
    troubles.push({
      state: 'doubtful',
      text: 'Calico forwards packets of pods by eBPF, which may take them past IPsec',
      remedy: 'set bpfEnabled: false in its FelixConfiguration, or prove it by kubectl ikemesh verify and agent leaks',
    });
  }
  if (felix.some((spec) => spec['wireguardEnabled'] === true))
    troubles.push(ownWireGuard('Calico', 'wireguardEnabled: false in its FelixConfiguration'));
  const used = [...ipip.map((mode) => `IPIP ${mode}`), ...vxlan.map((mode) => `VXLAN ${mode}`)].filter(
    (each) => !each.endsWith(' Never'),
  );
  if (used.length === 0) return plain('routed', 'no encapsulation', troubles);
  if (!used.some((each) => each.endsWith(' Always'))) {
    troubles.push({
      state: 'doubtful',
      text: `Calico wraps packets of pods between subnets only (${used.join(', ')}): within one they have their own addresses`,
      remedy: 'set spec.traffic.scope: NodesAndPods, or have it wrap all of them (Always)',
    });
  }
  return plain('overlay', [...new Set(used)].join(', '), troubles);
}

function readFlannel({ config }: PluginSettings) {
  const text = config?.['net-conf.json'];
  if (text === undefined) return plain('unknown', 'its ConfigMap cannot be read');
  const type = backendType(text);
  if (type === 'host-gw' || type === 'alloc') return plain('routed', type);
  if (type === 'ipsec') return plain('overlay', type, [ownIpsec('Flannel', 'Backend.Type vxlan in net-conf.json')]);
  if (type === 'wireguard')
    return plain('overlay', type, [ownWireGuard('Flannel', 'Backend.Type vxlan in net-conf.json')]);
  return type === undefined ? plain('unknown', 'its net-conf.json names no backend') : plain('overlay', type);
}

function backendType(text: string): string | undefined {
  try {
    const read = JSON.parse(text) as { readonly Backend?: { readonly Type?: unknown } } | null;
    const type = read?.Backend?.Type;
    return typeof type === 'string' ? type.toLowerCase() : undefined;
  } catch {
    return undefined;
  }
}

function readAntrea({ config }: PluginSettings) {
  const text = config?.['antrea-agent.conf'];
  if (text === undefined) return plain('unknown', 'its ConfigMap cannot be read');
  const read = (yamlObject(text) ?? {}) as Readonly<Record<string, unknown>>;
  const encapsulation = String(read['trafficEncapMode'] ?? 'encap');
  const encryption = String(read['trafficEncryptionMode'] ?? 'none').toLowerCase();
  const remedy = 'trafficEncryptionMode: none in antrea-agent.conf';
  const troubles = [
    ...(encryption === 'ipsec' ? [ownIpsec('Antrea', remedy)] : []),
    ...(encryption === 'wireguard' ? [ownWireGuard('Antrea', remedy)] : []),
  ];
  if (encapsulation.toLowerCase() === 'encap')
    return plain('overlay', String(read['tunnelType'] ?? 'geneve'), troubles);
  return plain('routed', encapsulation, troubles);
}

function yamlObject(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 10 });
  } catch {
    return undefined;
  }
}

function readKubeRouter({ daemonSet: { args } }: PluginSettings) {
  if (args.includes('--overlay-type=full')) return plain('overlay', 'ipip');
  return plain('routed', args.includes('--enable-overlay=false') ? 'no overlay' : 'IPIP between subnets');
}

function readCloud(): Omit<PodNetwork, 'name'> {
  return plain('routed', "addresses of the cloud's network", [
    {
      state: 'doubtful',
      text: "pods have addresses of the cloud's network rather than of a range of their node: scope Pods may not know them",
      remedy: 'look at spec.podCIDRs of the nodes; what is not in there is encrypted by scope Nodes only',
    },
  ]);
}

function ownIpsec(name: string, setting: string): Trouble {
  return {
    state: 'wrong',
    text: `${name} encrypts by IPsec of its own, and both would install policies for the same packets`,
    remedy: `turn one of them off: ${setting}`,
  };
}

function ownWireGuard(name: string, setting: string): Trouble {
  return {
    state: 'doubtful',
    text: `${name} encrypts by WireGuard already: packets would be encrypted twice`,
    remedy: `turn one of them off: ${setting}`,
  };
}

const PLUGINS: readonly KnownPlugin[] = [
  { name: 'Cilium', daemonSet: /^cilium$/, configMap: 'cilium-config', read: readCilium },
  {
    name: 'Calico',
    daemonSet: /^calico-node$/,
    kinds: [
      { apiVersion: 'crd.projectcalico.org/v1', plural: 'ippools', kind: 'IPPool' },
      { apiVersion: 'crd.projectcalico.org/v1', plural: 'felixconfigurations', kind: 'FelixConfiguration' },
    ],
    read: readCalico,
  },
  { name: 'Canal', daemonSet: /^(rke2-)?canal$/, configMap: 'canal-config', read: readFlannel },
  { name: 'Flannel', daemonSet: /^kube-flannel/, configMap: 'kube-flannel-cfg', read: readFlannel },
  { name: 'Antrea', daemonSet: /^antrea-agent$/, configMap: 'antrea-config', read: readAntrea },
  { name: 'kube-router', daemonSet: /^kube-router$/, read: readKubeRouter },
  { name: 'kindnet', daemonSet: /^kindnet$/, read: () => plain('routed', 'routes of each node') },
  { name: 'Weave Net', daemonSet: /^weave-net$/, read: () => plain('overlay', 'vxlan') },
  { name: 'OVN-Kubernetes', daemonSet: /^ovnkube-node/, read: () => plain('overlay', 'geneve') },
  { name: 'Amazon VPC CNI', daemonSet: /^aws-node$/, read: readCloud },
  { name: 'Azure CNI', daemonSet: /^azure-cns$/, read: readCloud },
];
const TUNNELS = /^(flannel\.|vxlan\.calico|tunl0$|cilium_(vxlan|geneve)|genev_sys|vxlan_sys|weave$)/;
const BRIDGES = /^(cni\d|cbr0$|kube-bridge$)/;

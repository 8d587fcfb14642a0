import { stringify } from 'yaml';

import type { Mode } from './row.ts';

/** What the configuration of a node may have beside what all have. */
export interface NodeSettings {
  /** More fields of `defaults`. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** The networks behind the nodes have a Child SA of their own, beside the one for the nodes' addresses. */
  readonly networksToo?: boolean;
  /** Which of the further networks behind each node are in that Child SA as well; none where absent. */
  readonly furtherNetworks?: readonly (0 | 1)[];
  /** There are no peers. */
  readonly alone?: boolean;
}

/** Where a node is. */
export interface NodePlace {
  readonly name: string;
  readonly address: string;
  /** The network behind it. */
  readonly network: string;
  /** Others behind it, which nobody sends from. */
  readonly further: readonly [string, string];
}

/** The name by which a certificate proves a node. */
export function nodeIdentity(name: string): string {
  return `${name}.lab.test`;
}

/** The text of a node's configuration file. */
export function nodeConfiguration(
  mode: Mode,
  own: NodePlace,
  others: readonly NodePlace[],
  settings: NodeSettings,
): string {
  const { name, address } = own;
  return stringify({
    node: { name, identity: { fqdn: nodeIdentity(name) }, addresses: [address] },
    defaults: { authentication: { certificate: certificateOf(name) }, ...settings.defaults },
    ...(settings.alone === true ? {} : { peers: others.map((other) => peerOf(mode, own, other, settings)) }),
  });
}

function peerOf(
  mode: Mode,
  own: NodePlace,
  other: NodePlace,
  { networksToo, furtherNetworks = [] }: NodeSettings,
): object {
  const nodes = { name: 'nodes', mode: 'Transport', selectors: [{ local: own.address, remote: other.address }] };
  const networksOf = ({ network, further }: NodePlace) => [network, ...furtherNetworks.map((which) => further[which])];
  const selectors = networksOf(own).flatMap((local) => networksOf(other).map((remote) => ({ local, remote })));
  const networks = { name: 'networks', mode: 'Tunnel', selectors };
  const [first, second] = mode === 'transport' ? [nodes, networks] : [networks, nodes];
  return {
    name: other.name,
    address: other.address,
    localAddress: own.address,
    identity: { fqdn: nodeIdentity(other.name) },
    children: networksToo === true ? [first, second] : [first],
  };
}

function certificateOf(name: string): object {
  const { certificate, key, bundle } = certificateFileNames(name);
  return { certificateFile: certificate, keyFile: key, trust: { bundleFiles: [bundle] } };
}

/** Nodes share a folder. */
export function certificateFileNames(name: string) {
  return { certificate: `${name}.crt`, key: `${name}.key`, bundle: `${name}-ca.crt` } as const;
}

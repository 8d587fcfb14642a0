import type { CryptoProvider } from '../../crypto/types.ts';
import { sameIdentity } from '../../ike/negotiation/identity.ts';
import { initiationBetween } from '../../mesh/initiation.ts';
import { addressOfFamily, type MeshNode, meshPeers } from '../../mesh/mesh-peers.ts';
import { ok } from '../../result.ts';
import { type IpAddress, ipFamily } from '../../wire/ip-address.ts';
import type { Authentication } from './credential-sources.ts';
import type { ConfigFault } from './fault.ts';
import { identityOf } from './identity.ts';
import { type ResolvedPeer, resolveConnection } from './resolve-connection.ts';
import { resolveSettings } from './resolve-settings.ts';
import type { MeshFields, NodeFields, SettingFields } from './schema.ts';

/** What a mesh needs from elsewhere. */
export interface MeshSurroundings {
  readonly node: NodeFields;
  readonly defaults: SettingFields;
  readonly provider: CryptoProvider;
  readonly authentication: Authentication;
}

/** The peers of a mesh, each with the same settings. */
export function resolveMesh(
  fields: MeshFields,
  around: MeshSurroundings,
  faults: ConfigFault[],
): readonly ResolvedPeer[] {
  const { node, authentication } = around;
  const settings = resolveSettings(fields, ['mesh'], around, faults);
  if (settings.initiation === 'Never') {
    faults.push({ path: ['mesh', 'initiation'], text: 'Never leaves nobody to begin: write Always or OnDemand' });
  }
  const nodes = fields.nodes.map((entry, index) => meshNode(entry, index, fields, faults));
  const known = nodes.flatMap((each) => (each === undefined ? [] : [each]));
  const addresses = ownAddresses(node, known, faults);
  if (known.length < nodes.length || addresses === undefined) return [];
  const { peers, conflicts } = meshPeers({ identity: node.identity, addresses }, known);
  faults.push(...conflicts.map(({ index, field, text }) => ({ path: ['mesh', 'nodes', index, field], text })));
  return peers.map(({ name, identity, localAddress, remoteAddress, index }) =>
    resolveConnection(
      {
        name,
        addresses: { localAddress, remoteAddress },
        localIdentity: node.identity,
        remoteIdentity: identity,
        authentication,
        initiation: initiationBetween(node.identity, identity, settings.initiation),
        settings,
        mirrorsExemptions: true,
        children: undefined,
      },
      ['mesh', 'nodes', index],
      faults,
    ),
  );
}

/** A node of the list; undefined where it has no identity. */
function meshNode(
  { name, addresses, identity }: MeshFields['nodes'][number],
  index: number,
  { trustDomain }: MeshFields,
  faults: ConfigFault[],
): MeshNode | undefined {
  const path = ['mesh', 'nodes', index, 'identity'];
  if (identity === undefined && trustDomain === undefined) {
    faults.push({ path, text: 'is missing: write it, or mesh.trustDomain, of which and the name it is then made' });
    return undefined;
  }
  const named = identity === undefined ? identityOf({ fqdn: `${name}.${trustDomain}` }) : ok(identity);
  if (named.ok) return { name, identity: named.value, addresses };
  faults.push({ path, text: named.error });
  return undefined;
}

/** The addresses by which this node belongs to the mesh: those of its own entry, else its only one of each family. */
function ownAddresses(
  node: NodeFields,
  nodes: readonly MeshNode[],
  faults: ConfigFault[],
): readonly IpAddress[] | undefined {
  const index = nodes.findIndex(({ identity }) => sameIdentity(identity, node.identity));
  const entry = nodes[index];
  if (entry === undefined) return onlyAddresses(node, nodes, faults);
  const foreign = entry.addresses.find((address) => !node.addresses.includes(address));
  if (foreign === undefined) return entry.addresses;
  faults.push({
    path: ['mesh', 'nodes', index, 'addresses'],
    text: `${foreign} is not one of node.addresses (${node.addresses.join(', ')}), but the identity is that of this node`,
  });
  return undefined;
}

function onlyAddresses(
  { name, addresses }: NodeFields,
  nodes: readonly MeshNode[],
  faults: ConfigFault[],
): readonly IpAddress[] | undefined {
  const namesake = nodes.findIndex((each) => each.name === name);
  if (namesake !== -1) {
    const text = 'is not that of this node, but the name is: correct one of them';
    faults.push({ path: ['mesh', 'nodes', namesake, 'identity'], text });
    return undefined;
  }
  const ambiguous = ([4, 6] as const).find((family) => addresses.filter((one) => ipFamily(one) === family).length > 1);
  if (ambiguous !== undefined) {
    const text = `this node has several IPv${ambiguous} addresses: list it here as well, with the one to use`;
    faults.push({ path: ['mesh', 'nodes'], text });
    return undefined;
  }
  return ([4, 6] as const).flatMap((family) => addressOfFamily(addresses, family) ?? []);
}

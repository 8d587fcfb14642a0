import { identityText, sameIdentity } from '../ike/negotiation/identity.ts';
import type { Identity } from '../ike/types.ts';
import { type IpAddress, ipFamily, zoneOf } from '../wire/ip-address.ts';

/** A node of a mesh, as all others know it. */
export interface MeshNode {
  readonly name: string;
  /** What its certificate says; by this a node knows itself in the list. */
  readonly identity: Identity;
  /** At most one of each family. */
  readonly addresses: readonly IpAddress[];
}

/** A connection that a node of a mesh is to have. */
export interface MeshPeer {
  /** The name of the node and of the family: adding the other family to a node renames nothing. */
  readonly name: string;
  readonly identity: Identity;
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  /** Position of the node in the list. */
  readonly index: number;
}

/** What is wrong with a node of the list, which then is no peer. */
export interface MeshConflict {
  readonly index: number;
  readonly field: keyof MeshNode;
  /** Follows the name of the field. */
  readonly text: string;
}

/**
 * The peers of one node of a mesh: every other node, by each family that both have. `own` is that node, which may stand
 * in the list as well. Of two nodes that claim the same name, identity or address the first one is believed.
 */
export function meshPeers(
  own: Pick<MeshNode, 'identity' | 'addresses'>,
  nodes: readonly MeshNode[],
): { readonly peers: readonly MeshPeer[]; readonly conflicts: readonly MeshConflict[] } {
  const claims = new Claims(own);
  const peers: MeshPeer[] = [];
  const conflicts: MeshConflict[] = [];
  for (const [index, node] of nodes.entries()) {
    const isOwn = sameIdentity(node.identity, own.identity);
    const conflict = claims.conflict(node, index, isOwn);
    if (conflict !== undefined) conflicts.push({ index, ...conflict });
    else if (!isOwn) {
      const found = peersWith(own, node, index);
      if (found.length === 0) conflicts.push({ index, field: 'addresses', text: unreachableText(own, node) });
      peers.push(...found);
    }
  }
  return { peers, conflicts };
}

/** The address of a family, of which a node has at most one. */
export function addressOfFamily(addresses: readonly IpAddress[], family: 4 | 6): IpAddress | undefined {
  return addresses.find((address) => ipFamily(address) === family);
}

function peersWith(own: Pick<MeshNode, 'addresses'>, node: MeshNode, index: number): readonly MeshPeer[] {
  return FAMILIES.flatMap((family) => {
    const localAddress = addressOfFamily(own.addresses, family);
    const remoteAddress = addressOfFamily(node.addresses, family);
    if (localAddress === undefined || remoteAddress === undefined) return [];
    if (zoneOf(localAddress) !== zoneOf(remoteAddress)) return [];
    return [{ name: `${node.name}-ipv${family}`, identity: node.identity, localAddress, remoteAddress, index }];
  });
}

function unreachableText(own: Pick<MeshNode, 'addresses'>, node: MeshNode): string {
  const linked = [...node.addresses, ...own.addresses].some((address) => zoneOf(address) !== undefined);
  const both = linked ? 'one family, link-local ones with the same interface' : 'one family';
  return `${node.addresses.join(', ')} cannot be reached from ${own.addresses.join(', ')}: give both an address of ${both}`;
}

/** Which name, identity and address is whose. */
class Claims {
  readonly #names = new Map<string, string>();
  readonly #identities = new Map<string, string>();
  readonly #addresses = new Map<IpAddress, string>();
  readonly #own: ReadonlySet<IpAddress>;

  constructor(own: Pick<MeshNode, 'addresses'>) {
    this.#own = new Set(own.addresses);
  }

  /** What is wrong with a node; of one with which nothing is wrong everything is claimed. */
  conflict(node: MeshNode, index: number, isOwn: boolean): Omit<MeshConflict, 'index'> | undefined {
    const { name, addresses } = node;
    const identity = identityKey(node.identity);
    const whose = `${name} (node ${index + 1} of the list)`;
    const named = this.#names.get(name);
    if (named !== undefined) return { field: 'name', text: `"${name}" is that of ${named} already` };
    const identified = this.#identities.get(identity);
    if (identified !== undefined) {
      return { field: 'identity', text: `${identityText(node.identity)} is that of ${identified} already` };
    }
    const twice = FAMILIES.find((family) => addresses.filter((address) => ipFamily(address) === family).length > 1);
    if (twice !== undefined)
      return { field: 'addresses', text: `has several of IPv${twice}: a node of a mesh has one` };
    for (const address of addresses) {
      const owner = this.#addresses.get(address) ?? (this.#own.has(address) && !isOwn ? 'this node' : undefined);
      if (owner !== undefined) return { field: 'addresses', text: `${address} is that of ${owner} already` };
    }
    this.#names.set(name, whose);
    this.#identities.set(identity, whose);
    for (const address of addresses) this.#addresses.set(address, whose);
    return undefined;
  }
}

/** Names are the same in capital letters. */
function identityKey({ idType, data }: Identity): string {
  return `${idType} ${LATIN1.decode(data).toLowerCase()}`;
}

const LATIN1 = new TextDecoder('latin1');
const FAMILIES = [4, 6] as const;

import type { ConnectionConfig } from '../../agent/ike/types.ts';
import { ipAddressFromBytes } from '../../agent/wire/ip-address.ts';
import { IdType } from '../../agent/wire/registry.ts';
import { BenchAuthority } from './certified.ts';
import { connectionBetween, type End, proposalOf } from './connections.ts';

/** Child SAs have a key exchange of their own whenever they are rekeyed. */
export const MESH_ESP_PROPOSAL = 'aes256gcm16-x25519-esn';

/** The connections of a node in the middle of the alphabet with each of its peers, and of these with it. */
export function certifiedConnections(
  peers: number,
): readonly { readonly node: ConnectionConfig; readonly peer: ConnectionConfig }[] {
  const authority = new BenchAuthority('ecdsaP256');
  const node = endOf('m', 0);
  const nodeProof = authority.proof(node.name);
  return Array.from({ length: peers }, (_, index) => {
    // Half of them are the lower identity of the two, and begin.
    const peer = endOf(index % 2 === 0 ? 'a' : 'z', index + 1);
    return {
      node: { ...withPfs(connectionBetween(node, peer, index)), ...nodeProof },
      // One endpoint plays all peers, each of which has a connection with the same node.
      peer: { ...withPfs(connectionBetween(peer, node, index)), ...authority.proof(peer.name), name: peer.name },
    };
  });
}

function withPfs(connection: ConnectionConfig): ConnectionConfig {
  return { ...connection, children: connection.children.map((child) => ({ ...child, proposals: ESP_PROPOSALS })) };
}

function endOf(letter: string, number: number): End {
  const name = `${letter}-${number}.mesh.example`;
  return {
    name,
    address: ipAddressFromBytes(new Uint8Array([10, 20, number >> 8, number & 0xff])),
    identity: { idType: IdType.ID_FQDN, data: new TextEncoder().encode(name) },
  };
}

const ESP_PROPOSALS = [proposalOf('esp', MESH_ESP_PROPOSAL)];

import * as z from 'zod';

import { MAX_ADDRESSES, MAX_PEERING_NAME, MAX_POD_CIDRS, MAX_SLICE_PEERS } from './limits.ts';
import { defineResource } from './resource.ts';
import { changing } from './rule.ts';
import { atomicList, dnsName, ipAddress, keyedList, network, objectName, uid } from './scalars.ts';

/** Who a node is to its peers. */
export const nodeIdentity = z.object({
  fqdn: dnsName().describe('Name in the certificate of the node, and in its IKE messages.'),
});

/** Addresses of a node, one of each family. */
export function nodeAddresses() {
  return atomicList(ipAddress(), MAX_ADDRESSES);
}

/** What pods of a node have their addresses from. */
export function podCidrs() {
  return atomicList(network(), MAX_POD_CIDRS);
}

const peer = z.object({
  uid: uid().describe('UID of the Node, by which agents recognise it.'),
  name: objectName().describe('Name of the Node.'),
  addresses: nodeAddresses().min(1).describe('Where the node is, one address of each IP family at most.'),
  podCIDRs: podCidrs().optional().describe('The addresses of its pods.'),
  identity: nodeIdentity.describe('Who it must prove to be.'),
  gone: z
    .boolean()
    .optional()
    .describe('Its Node was deleted. It keeps its place in case that it comes back, and nobody counts on reaching it.'),
});

/** Up to a hundred nodes of a mesh: what each of them must know of the others. */
export const ipsecPeerSlice = defineResource({
  kind: 'IPsecPeerSlice',
  plural: 'ipsecpeerslices',
  shortNames: ['ipps'],
  summary: 'A part of the nodes of a mesh, as the others know them. Written by the operator, read by the agents.',
  hasStatus: false,
  fields: {
    peering: changing(z.string().min(1).max(MAX_PEERING_NAME), {
      cel: 'self == oldSelf',
      message: 'a slice belongs to one peering for ever: create another slice',
    }).describe('Name of the IPsecPeering; also in the label `ikemesh.io/peering`.'),
    peers: keyedList(peer, ['uid'], MAX_SLICE_PEERS).describe('The nodes.'),
  },
  columns: [
    { name: 'Peering', type: 'string', jsonPath: '.peering' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  selectableFields: ['.peering'],
});

export type IpsecPeerSlice = z.output<(typeof ipsecPeerSlice)['schema']>;
export type SlicePeer = IpsecPeerSlice['peers'][number];

import * as z from 'zod';

import { conditions } from './condition.ts';
import { enforcement } from './enforcement.ts';
import { ikeSettings } from './ike-settings.ts';
import { nodeAddresses, nodeIdentity, podCidrs } from './ipsec-peer-slice.ts';
import { priority, remote } from './ipsec-peering.ts';
import {
  MAX_BYPASSES,
  MAX_NAME,
  MAX_PACKET_BYTES,
  MAX_PEERING_NAME,
  MAX_PEERINGS,
  MAX_REASON,
  MAX_SERIAL_NUMBER,
  MAX_TROUBLE_MESSAGE,
  MAX_TROUBLED_PEERS,
  MAX_VERSION,
  MAX_WORDS,
} from './limits.ts';
import { oneOf } from './one-of.ts';
import { defineResource } from './resource.ts';
import { atomicList, count, generation, keyedList, objectName, timestamp, uid } from './scalars.ts';
import { nodeTraffic, stagedExemptions } from './traffic.ts';

const dataRef = z.object({
  name: objectName().describe('Name, in the namespace of the nodes.'),
  key: z.string().min(1).max(253).describe('Key of the data.'),
});

const nodeAuthentication = oneOf({
  certificate: z
    .object({
      secretName: objectName().describe('Secret with `tls.crt`, `tls.key` and `ca.crt`.'),
      trust: dataRef.optional().describe('ConfigMap with the authorities; left out: `ca.crt` of the Secret.'),
    })
    .optional()
    .describe('By certificate.'),
  preSharedKey: dataRef.optional().describe('By a pre-shared key in a Secret.'),
});

const peering = z.object({
  name: z.string().min(1).max(MAX_PEERING_NAME).describe('Name of the IPsecPeering; its slices have it in a label.'),
  creationTimestamp: timestamp()
    .optional()
    .describe('When the IPsecPeering came to be; if it is missing and its definition is older, it was deleted.'),
  priority: priority().describe('Where peerings overlap, the higher priority wins, then the name that sorts first.'),
  addresses: nodeAddresses().min(1).describe('The addresses of this node that the peering uses.'),
  remote: remote.describe('With whom the node encrypts.'),
  traffic: nodeTraffic.describe('Which packets.'),
  enforcement: enforcement.describe('What happens to packets without an SA at this step of the rollout.'),
  finalEnforcement: z
    .enum(['Permissive', 'Required'])
    .optional()
    .describe(
      'What the rollout ends with: on its way to Required it takes nothing back of what other peerings enforce.',
    ),
  authentication: nodeAuthentication.describe('How the node proves who it is.'),
  ...ikeSettings,
});

const spec = z.object({
  nodeUID: uid().describe('UID of the Node that this is for.'),
  identity: nodeIdentity.describe('Who the node is to its peers.'),
  podCIDRs: podCidrs().optional().describe('The addresses of its pods.'),
  // The API server drops a list that server-side apply empties, and refuses the object if it had to be there.
  peerings: keyedList(peering, ['name'], MAX_PEERINGS).default([]).describe('What the node takes part in.'),
});

const loadedCertificate = z.object({
  secretName: objectName().describe('Secret that it came from.'),
  serialNumber: z.string().max(MAX_SERIAL_NUMBER).describe('Serial number, in hexadecimal.'),
  notAfter: timestamp().describe('When it ends.'),
});

/** Of one packet; an interface may have the longest that IPv4 knows, loopback one byte more. */
function packetBytes() {
  return z.int().min(0).max(MAX_PACKET_BYTES).meta({ format: 'int32' });
}

const peeringStatus = z.object({
  name: z.string().min(1).max(MAX_PEERING_NAME).describe('Name of the IPsecPeering.'),
  enforcement: enforcement.optional().describe('What is in force in the kernel.'),
  exempt: stagedExemptions.optional().describe('What the kernel leaves in plaintext, of what is to be.'),
  certificate: loadedCertificate.optional().describe('The certificate that the agent uses.'),
  tunnels: z
    .object({
      expected: count().describe('Peers that are reached, or have been known for a minute.'),
      pending: count().describe('Peers that are newer and not reached yet.'),
      established: count().describe('Those of `expected` with an IKE SA.'),
      encrypting: count().describe('Those whose packets the kernel encrypts, by its own counters.'),
      idle: count()
        .optional()
        .describe('Peers beside `expected` that the first packet makes SAs with, where `initiation` is OnDemand.'),
    })
    .optional()
    .describe('Peers, counted.'),
  pathMTU: z
    .object({
      bytes: packetBytes().describe(
        'Path MTU as the kernel knows it: of the interface, of the route, or what a router has said.',
      ),
      payloadBytes: packetBytes()
        .optional()
        .describe('The longest IP packet that, encrypted, is no longer; absent while there is no Child SA.'),
      peer: z.string().max(MAX_NAME).describe('The node or gateway that it is to.'),
    })
    .optional()
    .describe('The least of those to all peers.'),
  mssClampFailure: z
    .string()
    .max(MAX_TROUBLE_MESSAGE)
    .optional()
    .describe('Why TCP segments are not clamped although `mssClamp` wants it; all else of the peering is carried out.'),
  fault: z
    .object({
      reason: z.string().min(1).max(MAX_REASON).describe('Why, as one word for programs.'),
      message: z.string().max(MAX_TROUBLE_MESSAGE).describe('Which object is at fault, and what to do.'),
    })
    .optional()
    .describe('Why it is not carried out as it is written. What was there of it before stays.'),
});

const troubledPeer = z.object({
  peering: z.string().min(1).max(MAX_PEERING_NAME).describe('Name of the IPsecPeering.'),
  name: z.string().max(253).describe('Name of the node or gateway.'),
  reason: z.string().min(1).max(MAX_REASON).describe('Why, as one word for programs.'),
  message: z.string().max(MAX_TROUBLE_MESSAGE).describe('Why, and what to do, for people.'),
  since: timestamp().describe('Since when.'),
});

const status = z.object({
  observedGeneration: generation().optional().describe('The generation of the spec that the agent carries out.'),
  conditions: conditions.optional().describe('Programmed, CertificatesLoaded and Ready.'),
  agent: z
    .object({
      podUID: uid().describe('UID of the Pod that wrote this; what any other Pod wrote does not count.'),
      bootID: uid().describe('Boot of the kernel.'),
      version: z.string().max(MAX_VERSION).optional().describe('Version of the agent.'),
    })
    .optional()
    .describe('Who wrote this.'),
  peerings: keyedList(peeringStatus, ['name'], MAX_PEERINGS).optional().describe('What came of each peering.'),
  neverEncrypted: atomicList(z.string().max(MAX_WORDS), MAX_BYPASSES)
    .optional()
    .describe(
      'What the kernel lets pass as it is whatever peerings say, because nothing could be encrypted without it.',
    ),
  troubledPeers: atomicList(troubledPeer, MAX_TROUBLED_PEERS)
    .optional()
    .describe('The first fifty peers that should encrypt and do not.'),
});

/** What one node is to do, and what its agent says of it. */
export const ipsecNodeConfig = defineResource({
  kind: 'IPsecNodeConfig',
  plural: 'ipsecnodeconfigs',
  shortNames: ['ipnc'],
  summary: 'What the agent of one node does. Named after the node; spec by the operator, status by the agent.',
  hasStatus: true,
  // Only the operator writes the spec, from peerings that were checked: the bounds stay, the rules would only cost.
  rulesInCrd: false,
  fields: {
    spec: spec.describe('What is wanted.'),
    status: status.optional().describe('What is; written by the agent of the node.'),
  },
  columns: [
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Status', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
    { name: 'Agent', type: 'string', jsonPath: '.status.agent.version', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
});

export type IpsecNodeConfig = z.output<(typeof ipsecNodeConfig)['schema']>;
export type NodePeering = IpsecNodeConfig['spec']['peerings'][number];
export type NodePeeringStatus = NonNullable<NonNullable<IpsecNodeConfig['status']>['peerings']>[number];
export type StagedExemption = NonNullable<NodePeering['traffic']['exempt']>[number];
export type Enforcement = NodePeering['enforcement'];

import * as z from 'zod';

import { authentication } from './authentication.ts';
import { conditions } from './condition.ts';
import { enforcement } from './enforcement.ts';
import { gateway } from './gateway.ts';
import { ikeSettings } from './ike-settings.ts';
import { labelSelector } from './label-selector.ts';
import { MAX_PEERING_NAME, MAX_PRIORITY } from './limits.ts';
import { oneOf } from './one-of.ts';
import { defineResource } from './resource.ts';
import { changing, ruled } from './rule.ts';
import { count, generation } from './scalars.ts';
import { traffic } from './traffic.ts';

/** With whom the selected nodes encrypt. */
export const remote = oneOf({
  mesh: z.object({}).optional().describe('The selected nodes with one another.'),
  gateway: gateway.optional().describe('Each of the selected nodes with an IKE peer outside of the cluster.'),
});

/** A rank among peerings; higher wins. */
export function priority() {
  return z.int().min(-MAX_PRIORITY).max(MAX_PRIORITY).meta({ format: 'int32' });
}

const nodes = z.object({
  selector: labelSelector
    .prefault({})
    .describe(
      'Labels of the nodes; empty: every Linux node. Where security depends on it use labels below ' +
        '`node-restriction.kubernetes.io/`, which a node cannot give itself.',
    ),
  addressType: z
    .enum(['InternalIP', 'ExternalIP'])
    .default('InternalIP')
    .describe('Which of the addresses in the status of a node IKE and ESP use.'),
});

const spec = ruled(
  z.object({
    priority: priority()
      .default(0)
      .describe('Where peerings overlap, the higher priority wins, then the name that sorts first.'),
    nodes: nodes.prefault({}).describe('Which nodes take part.'),
    remote: changing(remote, {
      cel: 'has(self.mesh) == has(oldSelf.mesh)',
      message: 'a mesh cannot become a gateway nor the reverse: create another peering, then delete this one',
    }).describe('With whom they encrypt; exactly one.'),
    traffic: traffic.prefault({}).describe('Which packets.'),
    enforcement: z
      .enum(['Permissive', 'Required'])
      .describe(
        '`Required`: what should be encrypted and is not is dropped, in both directions. `Permissive`: it passes in ' +
          'plaintext while there is no SA for it. Must be written.',
      ),
    authentication: authentication.describe('How both sides prove who they are; exactly one.'),
    ...ikeSettings,
  }),
  {
    cel: '!has(self.remote.mesh) || !has(self.authentication.preSharedKey)',
    holds: (value) => value.remote.mesh === undefined || value.authentication.preSharedKey === undefined,
    message: 'a mesh needs authentication.certificate: a key that all nodes share lets each pose as any other',
    path: ['authentication'],
  },
  {
    cel: "!has(self.remote.gateway) || self.traffic.scope == 'Nodes'",
    holds: (value) => value.remote.gateway === undefined || value.traffic.scope === 'Nodes',
    message: 'scope is for a mesh: leave it out, and say in remote.gateway.selectors what is encrypted',
    path: ['traffic', 'scope'],
  },
  {
    cel: "self.traffic.mode != 'Transport' || !has(self.remote.gateway) || self.remote.gateway.selectors.all(s, s.local == 'NodeAddresses')",
    holds: ({ traffic: { mode }, remote: { gateway: peer } }) =>
      mode !== 'Transport' || (peer?.selectors ?? []).every(({ local }) => local === 'NodeAddresses'),
    message:
      'transport mode carries the packets of the node itself: set local of each selector to NodeAddresses, or write Tunnel',
    path: ['traffic', 'mode'],
  },
);

/** What the operator says of a peering. */
export const peeringStatus = z.object({
  observedGeneration: generation().optional().describe('The generation of the spec that this status is about.'),
  conditions: conditions
    .optional()
    .describe('Ready (all of the others), Accepted, CertificatesReady, Programmed and Encrypting.'),
  enforcement: enforcement
    .optional()
    .describe(
      'The step of the rollout that all nodes were told; where their IPsecNodeConfigs are lost it begins there.',
    ),
  nodes: z
    .object({
      selected: count().describe('Nodes that take part.'),
      ready: count().describe('Those of them that have done all they were told.'),
    })
    .optional()
    .describe('Nodes, counted.'),
  tunnels: z
    .object({
      expected: count().describe('Pairs of a node and a peer that should encrypt.'),
      established: count().describe('Those with an IKE SA.'),
      encrypting: count().describe('Those whose packets the kernel encrypts, by its own counters.'),
    })
    .optional()
    .describe('Pairs, counted.'),
});

/** What a person writes: which nodes encrypt with whom, and how. */
export const ipsecPeering = defineResource({
  kind: 'IPsecPeering',
  plural: 'ipsecpeerings',
  shortNames: ['ipp'],
  summary: 'Encrypts the traffic of the selected nodes, among themselves or with a gateway.',
  hasStatus: true,
  fields: {
    spec: spec.describe('What is wanted.'),
    status: peeringStatus.optional().describe('What is; written by the operator.'),
  },
  rules: [
    {
      cel: `self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')`,
      holds: ({ metadata }) => metadata.name.length <= MAX_PEERING_NAME && PEERING_NAME.test(metadata.name),
      message: 'the name (metadata.name) becomes the value of a label: at most 63 lower-case letters, digits and "-"',
    },
  ],
  columns: [
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Enforcement', type: 'string', jsonPath: '.spec.enforcement' },
    { name: 'Nodes', type: 'integer', jsonPath: '.status.nodes.ready' },
    { name: 'Encrypting', type: 'integer', jsonPath: '.status.tunnels.encrypting' },
    { name: 'Expected', type: 'integer', jsonPath: '.status.tunnels.expected', priority: 1 },
    { name: 'Status', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  selectableFields: ['.spec.enforcement', '.spec.authentication.certificate.issuerRef.name'],
});

export type IpsecPeering = z.output<(typeof ipsecPeering)['schema']>;

const PEERING_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

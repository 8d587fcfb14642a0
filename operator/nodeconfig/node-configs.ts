import type { Enforcement, IpsecNodeConfig, NodePeering, StagedExemption } from '../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { apiVersion } from '../api/resource.ts';
import { nodeFqdn } from './identity.ts';
import { certificateName } from './names.ts';
import type { ClusterSettings } from './observed.ts';
import type { KnownNode, Member } from './roster.ts';

/** An IPsecNodeConfig as the operator writes it. */
export type WantedNodeConfig = Pick<IpsecNodeConfig, 'apiVersion' | 'kind' | 'metadata' | 'spec'>;

/** What one node is to do. */
export function nodeConfigOf(
  node: KnownNode,
  peerings: readonly NodePeering[],
  { trustDomain }: ClusterSettings,
): WantedNodeConfig {
  return {
    apiVersion,
    kind: 'IPsecNodeConfig',
    metadata: { name: node.name },
    spec: {
      nodeUID: node.uid,
      identity: { fqdn: nodeFqdn(node.name, trustDomain) },
      ...(node.podCidrs.length === 0 ? {} : { podCIDRs: [...node.podCidrs] }),
      peerings: [...peerings],
    },
  };
}

/** What a node is told of a peering. */
export function nodePeeringOf(
  peering: IpsecPeering,
  member: Member,
  enforcement: Enforcement,
  exempt: readonly StagedExemption[] = [],
): NodePeering {
  const { spec, metadata } = peering;
  const { creationTimestamp } = metadata;
  const { scope, mode } = spec.traffic;
  return {
    name: metadata.name,
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    priority: spec.priority,
    addresses: [...member.addresses],
    remote: spec.remote,
    traffic: { scope, mode, ...(exempt.length === 0 ? {} : { exempt: [...exempt] }) },
    enforcement,
    finalEnforcement: spec.enforcement,
    authentication: authenticationOf(peering, member),
    ...(spec.proposals === undefined ? {} : { proposals: spec.proposals }),
    lifetimes: spec.lifetimes,
    liveness: spec.liveness,
    natTraversal: spec.natTraversal,
    mssClamp: spec.mssClamp,
    initiation: spec.initiation,
  };
}

/**
 * The entry of a node that had this name before, without its key; none where the node can have no key instead. Who is to
 * issue one is not known of a peering that cannot be read: until it can be, the entry names a Secret that nobody makes, and
 * the agent goes on with what it has.
 */
export function inheritedEntry(
  entry: NodePeering,
  peering: IpsecPeering | undefined,
  node: KnownNode,
): NodePeering | undefined {
  const { certificate } = entry.authentication;
  if (certificate === undefined) return entry;
  const unknown = { group: '', kind: '', name: entry.name };
  const issuer = peering === undefined ? unknown : peering.spec.authentication.certificate?.issuerRef;
  if (issuer === undefined) return undefined;
  const secretName = certificateName(node, issuer);
  return { ...entry, authentication: { certificate: { ...certificate, secretName } } };
}

function authenticationOf({ spec: { authentication } }: IpsecPeering, { node }: Member): NodePeering['authentication'] {
  const { certificate, preSharedKey } = authentication;
  if (preSharedKey !== undefined) return { preSharedKey: { ...preSharedKey.secretRef } };
  if (certificate === undefined) throw new Error('a peering without authentication was accepted');
  const { issuerRef, trust } = certificate;
  return {
    certificate: {
      secretName: certificateName(node, issuerRef),
      ...(trust === undefined ? {} : { trust: { ...trust.configMapRef } }),
    },
  };
}

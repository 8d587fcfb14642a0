import type { NodePeering } from '../api/ipsec-node-config.ts';
import { accessName, NODE_UID_LABEL } from './names.ts';
import type { ClusterSettings, WrittenObject } from './observed.ts';
import { ownedByNodeConfig } from './owner.ts';
import type { KnownNode } from './roster.ts';

/**
 * The identity by which an agent reads what its own node needs and nothing else: a ServiceAccount, a Role and a
 * RoleBinding. None until the node's IPsecNodeConfig is there to own them.
 */
export function accessOf(
  node: KnownNode,
  peerings: readonly NodePeering[],
  { namespace }: ClusterSettings,
): readonly WrittenObject[] {
  const owner = ownedByNodeConfig(node);
  if (owner === undefined) return [];
  const name = accessName(node.name);
  const metadata = { name, namespace, labels: { [NODE_UID_LABEL]: node.uid }, ownerReferences: [owner] };
  const role: WrittenObject & { readonly rules: readonly Rule[] } = {
    apiVersion: RBAC,
    kind: 'Role',
    metadata,
    rules: [rule('secrets', peerings.map(secretOf)), rule('configmaps', peerings.flatMap(configMapsOf))].flat(),
  };
  const binding: WrittenObject & Readonly<Record<string, unknown>> = {
    apiVersion: RBAC,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  };
  return [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata }, role, binding];
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly verbs: readonly string[];
}

/** Without names a rule would be about all of them. */
function rule(resource: string, names: readonly string[]): readonly Rule[] {
  const resourceNames = [...new Set(names)].sort();
  if (resourceNames.length === 0) return [];
  return [{ apiGroups: [''], resources: [resource], resourceNames, verbs: ['get', 'list', 'watch'] }];
}

function secretOf({ authentication: { certificate, preSharedKey } }: NodePeering): string {
  const name = certificate?.secretName ?? preSharedKey?.name;
  if (name === undefined) throw new Error('a node was told of no authentication');
  return name;
}

function configMapsOf({ authentication }: NodePeering): readonly string[] {
  const trust = authentication.certificate?.trust;
  return trust === undefined ? [] : [trust.name];
}

const RBAC = 'rbac.authorization.k8s.io/v1';

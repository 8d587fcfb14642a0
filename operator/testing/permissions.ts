import type { Places } from '../reconcile/watched.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** What the operator may do, and not a verb more; agents' roles, to which the operator binds them. */
export function permissions({ nodesNamespace, ownNamespace, agentAccount }: Places, prefix: string): readonly object[] {
  const account = { kind: 'ServiceAccount', name: `${prefix}-operator`, namespace: ownNamespace };
  const bound = (
    kind: 'ClusterRole' | 'Role',
    name: string,
    namespace: string | undefined,
    rules: readonly object[],
  ) => [
    { apiVersion: `${RBAC}/v1`, kind, metadata: { name, namespace }, rules },
    {
      apiVersion: `${RBAC}/v1`,
      kind: `${kind}Binding`,
      metadata: { name, namespace },
      roleRef: { apiGroup: RBAC, kind, name },
      subjects: [account],
    },
  ];
  return [
    ...bound('ClusterRole', `${prefix}-operator`, undefined, [
      rule('ikemesh.io', ['ipsecpeerings'], READ),
      rule('ikemesh.io', ['ipsecpeerings/status'], ['patch']),
      rule('ikemesh.io', ['ipsecnodeconfigs', 'ipsecpeerslices'], WRITE),
      rule('', ['nodes'], READ),
      rule('events.k8s.io', ['events'], ['create']),
      rule('apiextensions.k8s.io', ['customresourcedefinitions'], ['get'], ['ipsecpeerings.ikemesh.io']),
      rule(RBAC, ['clusterroles'], ['get', 'bind'], [agentAccount]),
      rule(RBAC, ['clusterrolebindings'], ['create']),
      rule(RBAC, ['clusterrolebindings'], ['get', 'patch'], [agentAccount]),
    ]),
    ...bound('Role', `${prefix}-operator`, nodesNamespace, [
      rule('cert-manager.io', ['certificates'], WRITE),
      rule('cert-manager.io', ['certificaterequests'], READ),
      rule('', ['secrets'], [...READ, 'delete']),
      rule('', ['configmaps'], READ),
      rule('', ['serviceaccounts'], WRITE),
      rule(RBAC, ['roles', 'rolebindings'], WRITE),
      rule(RBAC, ['roles'], ['bind'], [agentAccount]),
    ]),
    ...bound('Role', `${prefix}-operator`, ownNamespace, [
      rule('', ['pods'], READ),
      rule('coordination.k8s.io', ['leases'], ['create']),
      rule('coordination.k8s.io', ['leases'], ['get', 'update'], [`${prefix}-operator`]),
    ]),
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRole',
      metadata: { name: agentAccount },
      rules: [
        rule('ikemesh.io', ['ipsecnodeconfigs', 'ipsecpeerslices'], READ),
        rule('ikemesh.io', ['ipsecnodeconfigs/status'], ['patch']),
      ],
    },
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'Role',
      metadata: { name: agentAccount, namespace: nodesNamespace },
      rules: [rule('', ['serviceaccounts/token'], ['create'])],
    },
  ];
}

function rule(
  group: string,
  resources: readonly string[],
  verbs: readonly string[],
  resourceNames?: readonly string[],
) {
  return { apiGroups: [group], resources, verbs, ...(resourceNames === undefined ? {} : { resourceNames }) };
}

const READ = ['get', 'list', 'watch'];
const WRITE = [...READ, 'create', 'patch', 'delete'];

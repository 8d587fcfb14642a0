import type { StoredObject } from '../controller/source.ts';
import type { ApiClient } from '../kube/api-client.ts';
import { pathOf, typeOf } from '../kube/resource-path.ts';
import type { Places } from './watched.ts';
import { apply } from './writer.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** What became of the grants: a text says what stands in the way. */
export type GrantOutcome = 'granted' | { readonly failure: string };

/**
 * Gives all agents their rights, but only while the admission policy is in force that confines each to its own node. Helm
 * would install the rights before the policy. What they have in the namespace of the nodes is deleted with what they have
 * in the cluster, so that whoever takes it back need not reach into that namespace.
 */
export async function grantAgents(
  client: ApiClient,
  { nodesNamespace, ownNamespace, agentAccount }: Places,
  prefix: string,
  signal: AbortSignal,
): Promise<GrantOutcome> {
  const refusal = await policyRefusal(client, prefix, signal);
  if (refusal !== undefined) return { failure: refusal };
  const bindings = [
    { kind: 'ClusterRoleBinding', role: 'ClusterRole', namespace: undefined },
    { kind: 'RoleBinding', role: 'Role', namespace: nodesNamespace },
  ];
  let ownerReferences: readonly object[] | undefined;
  for (const { kind, role, namespace } of bindings) {
    const { apiVersion, plural } = typeOf(kind);
    const body = {
      apiVersion,
      kind,
      metadata: { name: agentAccount, namespace, ownerReferences },
      roleRef: { apiGroup: RBAC, kind: role, name: agentAccount },
      subjects: [{ kind: 'ServiceAccount', name: agentAccount, namespace: ownNamespace }],
    };
    const answer = await client.ask(apply(pathOf({ apiVersion, plural }, namespace, agentAccount), body), signal);
    if (!answer.ok) return { failure: `agents cannot be given their rights: ${answer.error.message}` };
    const { uid } = (answer.value as StoredObject).metadata;
    ownerReferences = [{ apiVersion, kind, name: agentAccount, uid }];
  }
  return 'granted';
}

/** Tries what the policy must refuse; answers why agents may have no rights yet. */
async function policyRefusal(client: ApiClient, prefix: string, signal: AbortSignal): Promise<string | undefined> {
  const name = `${prefix}-policy-probe`;
  const type = typeOf('IPsecNodeConfig');
  const body = {
    apiVersion: type.apiVersion,
    kind: 'IPsecNodeConfig',
    metadata: { name },
    spec: { nodeUID: name, identity: { fqdn: 'probe.invalid' }, peerings: [] },
  };
  const query = { dryRun: 'All' };
  const answer = await client.ask({ method: 'POST', path: pathOf(type), query, body }, signal);
  if (!answer.ok && /ValidatingAdmissionPolicy/.test(answer.error.message)) return undefined;
  if (!answer.ok && answer.error.status === 0) return `the API server cannot be reached: ${answer.error.message}`;
  if (!answer.ok) return `whether the policy about agents is in force cannot be tried: ${answer.error.message}`;
  return (
    'agents are given no rights, because the ValidatingAdmissionPolicy that confines each to its own node is not in force: ' +
    'install it (the chart has it)'
  );
}

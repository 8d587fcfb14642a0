import { Helm, helmProgram } from '../../charts/ikemesh/testing/helm.ts';
import type { AnyObject } from './operator-cluster.ts';

/**
 * What the chart installs besides the programs themselves: namespaces, definitions, accounts, roles, the policy. As Helm
 * would apply them: what others need comes first.
 */
export function installedObjects(release: string, namespace: string): Promise<readonly AnyObject[]> {
  const key = `${release} ${namespace}`;
  const known = rendered.get(key) ?? render(release, namespace);
  rendered.set(key, known);
  return known;
}

async function render(release: string, namespace: string): Promise<readonly AnyObject[]> {
  const helm = new Helm(await helmProgram());
  try {
    const objects = await helm.render(SWITCHES, release, namespace);
    return objects
      .filter(({ kind, metadata }) => KINDS.includes(kind) && metadata.annotations?.['helm.sh/hook'] === undefined)
      .sort((left, right) => KINDS.indexOf(left.kind) - KINDS.indexOf(right.kind));
  } finally {
    helm.close();
  }
}

/** A process needs them once. */
const rendered = new Map<string, Promise<readonly AnyObject[]>>();
/** What needs rights of its own. */
const SWITCHES = ['startupTaint.enabled=true'];
/** In the order in which they are applied. */
const KINDS = [
  'Namespace',
  'CustomResourceDefinition',
  'ServiceAccount',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
];

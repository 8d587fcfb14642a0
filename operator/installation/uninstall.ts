import type { ApiClient } from '../kube/api-client.ts';
import { typeOf } from '../kube/resource-path.ts';
import { deleteIfPresent, listAll, RefusedError } from './cluster.ts';
import { type Patience, until } from './patience.ts';
import { type RemovalOutcome, removeFromNodes } from './remove-from-nodes.ts';

/** Where what is uninstalled is. */
export interface Installation {
  /** Of operator and agents. */
  readonly namespace: string;
  /** The beginning of the names of its objects. */
  readonly name: string;
}

/** Ends the operator, empties all nodes, and takes back the rights that the operator had given to the agents. */
export async function uninstall(
  client: ApiClient,
  installation: Installation,
  patience: Patience,
): Promise<RemovalOutcome> {
  await endOperator(client, installation, patience);
  const outcome = await removeFromNodes(client, patience).catch((error: unknown): RemovalOutcome => {
    // Without definitions there is nothing that any agent could do.
    if (error instanceof RefusedError && error.error.status === 404) return { cleared: [], leftBehind: [] };
    throw error;
  });
  // It owns the RoleBinding in the namespace of the nodes, which may be gone already.
  await deleteIfPresent(client, typeOf('ClusterRoleBinding'), undefined, `${installation.name}-agent`);
  return outcome;
}

/** What to print of it. */
export function outcomeText({ cleared, leftBehind }: RemovalOutcome): readonly string[] {
  if (cleared.length + leftBehind.length === 0) return ['No node had anything of ikemesh.'];
  const done = `${cleared.length} nodes have nothing of ikemesh in their kernels any more.`;
  if (leftBehind.length === 0) return [done];
  return [
    done,
    `LEFT BEHIND: ${leftBehind.length} nodes did not answer in time. Their policies and SAs stay in the kernel, and what ` +
      'they required to be encrypted is dropped, until they are rebooted:',
    ...leftBehind.map((name) => `  ${name}`),
  ];
}

/** It would write everything anew. A Deployment that is gone, `helm upgrade` makes again. */
async function endOperator(client: ApiClient, { namespace, name }: Installation, patience: Patience): Promise<void> {
  const deployment = { apiVersion: 'apps/v1', plural: 'deployments' };
  await deleteIfPresent(client, deployment, namespace, `${name}-operator`);
  const account = `${name}-operator`;
  const ended = await until(patience, MAX_END_MS, async () => {
    const pods = await listAll<OperatorPod>(client, typeOf('Pod'), { namespace });
    const left = pods.filter(
      ({ spec, status }) => spec.serviceAccountName === account && !ENDED.has(status?.phase ?? ''),
    );
    return left.length === 0 ? undefined : `waiting for the operator to end (${left.length} pods)`;
  });
  if (!ended) patience.say('WARNING: the operator has not ended, and may write again what is taken away here.');
}

interface OperatorPod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: { readonly serviceAccountName?: string };
  readonly status?: { readonly phase?: string };
  readonly [field: string]: unknown;
}

const ENDED: ReadonlySet<string> = new Set(['Succeeded', 'Failed']);
/** Longer than a pod has to end in. */
const MAX_END_MS = 45_000;

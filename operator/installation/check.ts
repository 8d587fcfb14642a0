import type { ApiClient } from '../kube/api-client.ts';
import { pathOf, type ResourceType, typeOf } from '../kube/resource-path.ts';
import { must } from './cluster.ts';
import { type Patience, until } from './patience.ts';
import type { Installation } from './uninstall.ts';

/** Tries whether everything that the chart installs is there and works; what is wrong, one a line. */
export async function check(
  client: ApiClient,
  installation: Installation,
  patience: Patience,
): Promise<readonly string[]> {
  let faults: readonly string[] = [];
  await until(patience, patience.milliseconds, async () => {
    faults = (await Promise.all(CHECKS.map((each) => each(client, installation)))).filter(
      (fault) => fault !== undefined,
    );
    return faults.length === 0 ? undefined : faults.join('; ');
  });
  return faults;
}

type Check = (client: ApiClient, installation: Installation) => Promise<string | undefined>;

const CHECKS: readonly Check[] = [kindsAreServed, operatorIsReady, agentsAreReady, agentsAreConfined, agentsHaveRights];

async function kindsAreServed(client: ApiClient): Promise<string | undefined> {
  const answer = await client.ask({ method: 'GET', path: '/apis/ikemesh.io/v1alpha1' });
  if (answer.ok) return undefined;
  return `the API server does not serve ikemesh.io/v1alpha1: ${answer.error.message}`;
}

async function operatorIsReady(client: ApiClient, { namespace, name }: Installation): Promise<string | undefined> {
  const found = await read<Workload>(client, DEPLOYMENTS, namespace, `${name}-operator`);
  const { replicas = 0, readyReplicas = 0 } = found?.status ?? {};
  if (readyReplicas > 0) return undefined;
  return `no operator is ready (${replicas} pods): kubectl --namespace ${namespace} describe deployment ${name}-operator`;
}

async function agentsAreReady(client: ApiClient, { namespace, name }: Installation): Promise<string | undefined> {
  const found = await read<Workload>(client, DAEMON_SETS, namespace, `${name}-agent`);
  const {
    desiredNumberScheduled: desired = 0,
    numberReady: ready = 0,
    updatedNumberScheduled = 0,
  } = found?.status ?? {};
  const hint = `kubectl --namespace ${namespace} describe daemonset ${name}-agent`;
  if (desired === 0) return `there is no node for agents: ${hint}`;
  if (ready < desired) return `the agents of ${desired - ready} of ${desired} nodes are not ready: ${hint}`;
  if (updatedNumberScheduled < desired)
    return `the agents of ${desired - updatedNumberScheduled} nodes are not updated`;
  return undefined;
}

/** The policy refuses, whoever asks, an object of this name. */
async function agentsAreConfined(client: ApiClient, { name }: Installation): Promise<string | undefined> {
  const type = typeOf('IPsecNodeConfig');
  const probe = `${name}-policy-probe`;
  const answer = await client.ask({
    method: 'PATCH',
    path: pathOf(type, undefined, probe),
    query: { dryRun: 'All', fieldManager: 'ikemesh-check' },
    contentType: 'application/apply-patch+yaml',
    body: {
      apiVersion: type.apiVersion,
      kind: 'IPsecNodeConfig',
      metadata: { name: probe },
      spec: { nodeUID: probe, identity: { fqdn: 'probe.invalid' }, peerings: [] },
    },
  });
  if (!answer.ok && /ValidatingAdmissionPolicy/.test(answer.error.message)) return undefined;
  if (answer.ok)
    return `the ValidatingAdmissionPolicy ${name}-agent, which confines each agent to its node, is not in force`;
  return `whether each agent is confined to its node cannot be tried: ${answer.error.message}`;
}

async function agentsHaveRights(client: ApiClient, { name }: Installation): Promise<string | undefined> {
  const found = await read<unknown>(client, typeOf('ClusterRoleBinding'), undefined, `${name}-agent`);
  return found === undefined ? 'the operator has not yet given the agents their rights' : undefined;
}

async function read<T>(
  client: ApiClient,
  type: ResourceType,
  namespace: string | undefined,
  name: string,
): Promise<T | undefined> {
  const answer = await client.ask({ method: 'GET', path: pathOf(type, namespace, name) });
  if (!answer.ok && answer.error.status === 404) return undefined;
  return must(`${type.plural}/${name} cannot be read`, answer) as T;
}

interface Workload {
  readonly status?: {
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly desiredNumberScheduled?: number;
    readonly updatedNumberScheduled?: number;
    readonly numberReady?: number;
  };
}

const DEPLOYMENTS: ResourceType = { apiVersion: 'apps/v1', plural: 'deployments' };
const DAEMON_SETS: ResourceType = { apiVersion: 'apps/v1', plural: 'daemonsets' };

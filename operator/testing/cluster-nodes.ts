import type { IpsecNodeConfig, NodePeeringStatus } from '../api/ipsec-node-config.ts';
import { nodeOf } from '../nodeconfig/testing/builders.ts';
import { type AnyObject, type OperatorCluster, PLACES } from './operator-cluster.ts';

/** Makes a Node and the Pod of its agent, Ready, as kubelet and DaemonSet would; answers the Pod's UID. */
export async function joinNode(cluster: OperatorCluster, number: number, fields = {}): Promise<string> {
  const { status, ...node } = nodeOf(number, fields) as unknown as AnyObject;
  const name = node.metadata.name;
  const { uid: _, ...metadata } = node.metadata;
  await cluster.apply({ ...node, metadata });
  await cluster.patchStatus('Node', name, status);
  return startAgent(cluster, name);
}

/** The Pod of an agent, Ready. */
async function startAgent(cluster: OperatorCluster, node: string): Promise<string> {
  const { ownNamespace, agentAccount } = PLACES;
  const name = `agent-${node}`;
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: ownNamespace },
    spec: {
      nodeName: node,
      serviceAccountName: agentAccount,
      automountServiceAccountToken: false,
      containers: [{ name: 'agent', image: 'agent' }],
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: 0,
    },
  });
  await cluster.patchStatus('Pod', name, { conditions: [{ type: 'Ready', status: 'True' }] }, ownNamespace);
  const pod = await cluster.find<AnyObject>('Pod', name, ownNamespace);
  return pod?.metadata.uid ?? '';
}

/**
 * Does what an agent tells the operator: the newest spec is carried out, the certificate is loaded where there is one, and
 * all other nodes with one are reached. Answers whether every peering has what it needs.
 */
export async function reportAs(cluster: OperatorCluster, node: string, podUID: string): Promise<boolean> {
  const config = await cluster.find<IpsecNodeConfig>('IPsecNodeConfig', node);
  if (config === undefined) return false;
  const slices = await cluster.slices();
  const peerings = await Promise.all(
    config.spec.peerings.map(async ({ name, enforcement, authentication, remote }): Promise<NodePeeringStatus> => {
      const secretName = authentication.certificate?.secretName;
      const secret = secretName && (await cluster.find('Secret', secretName, PLACES.nodesNamespace));
      const own = slices.filter(({ peering }) => peering === name).flatMap(({ peers }) => peers);
      const expected = remote.mesh === undefined ? 1 : own.filter((peer) => peer.name !== node).length;
      return {
        name,
        enforcement,
        ...(secret === undefined || secretName === undefined
          ? {}
          : { certificate: { secretName, serialNumber: '01', notAfter: '2100-01-01T00:00:00Z' } }),
        tunnels: { expected, pending: 0, established: expected, encrypting: expected },
      };
    }),
  );
  await cluster.patchStatus('IPsecNodeConfig', node, {
    observedGeneration: config.metadata.generation,
    agent: { podUID, bootID: podUID },
    peerings,
  });
  return peerings.every(({ certificate }, index) => {
    return certificate !== undefined || config.spec.peerings[index]?.authentication.certificate === undefined;
  });
}

/** Makes many Nodes with agents, some at a time; answers the Pods by node. */
export async function joinNodes(cluster: OperatorCluster, count: number): Promise<ReadonlyMap<string, string>> {
  const pods = new Map<string, string>();
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  await eachOf(numbers, async (number) => {
    pods.set(`node-${number}`, await joinNode(cluster, number));
  });
  return pods;
}

/** Says in place of cert-manager that every certificate is issued; their Secrets are not made. */
export async function issueAll(cluster: OperatorCluster): Promise<void> {
  const ready = { type: 'Ready', status: 'True', reason: 'Ready', lastTransitionTime: new Date().toISOString() };
  const names = (await cluster.certificates()).map(({ metadata }) => metadata.name);
  await eachOf(names, (name) =>
    cluster.patchStatus('Certificate', name, { conditions: [ready] }, PLACES.nodesNamespace),
  );
}

/** What `reportAs` does, for many, as if all had their certificates. */
export async function reportAll(cluster: OperatorCluster, pods: ReadonlyMap<string, string>): Promise<void> {
  const peers = (await cluster.slices()).flatMap((slice) => slice.peers.map(({ name }) => name));
  const configs = (await cluster.nodeConfigs()).filter(({ metadata }) => pods.has(metadata.name));
  await eachOf(configs, async ({ metadata: { name, generation }, spec }) => {
    const podUID = pods.get(name) ?? '';
    const expected = peers.filter((peer) => peer !== name).length;
    const peerings = spec.peerings.map((entry) => ({
      name: entry.name,
      enforcement: entry.enforcement,
      certificate: {
        secretName: entry.authentication.certificate?.secretName,
        serialNumber: '01',
        notAfter: '2100-01-01T00:00:00Z',
      },
      tunnels: { expected, pending: 0, established: expected, encrypting: expected },
    }));
    const status = { observedGeneration: generation, agent: { podUID, bootID: podUID }, peerings };
    await cluster.patchStatus('IPsecNodeConfig', name, status);
  });
}

/** Does something for each, some at a time. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const next = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
}

const AT_A_TIME = 16;

/** An authority of cert-manager's own in the namespace of the nodes, as `Issuer mesh-ca`. */
export function meshAuthority(): readonly AnyObject[] {
  const object = (kind: string, name: string, spec: object): AnyObject => ({
    apiVersion: 'cert-manager.io/v1',
    kind,
    metadata: { name, namespace: PLACES.nodesNamespace },
    spec,
  });
  return [
    object('Issuer', 'self-signed', { selfSigned: {} }),
    object('Certificate', 'mesh-ca', {
      isCA: true,
      commonName: 'mesh',
      secretName: 'mesh-ca',
      privateKey: { algorithm: 'ECDSA' },
      issuerRef: { name: 'self-signed' },
    }),
    object('Issuer', 'mesh-ca', { ca: { secretName: 'mesh-ca' } }),
  ];
}

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

import { trafficReference } from '../hack/cluster/nodes/images.ts';

/** Where nodes' certificates and their Issuer are. */
export const nodesNamespace = 'ikemesh-nodes';

/** An authority of the cluster's own, and the Issuer of it. */
export const issuerObjects: readonly object[] = [
  { ...certManager('Issuer', 'self-signed'), spec: { selfSigned: {} } },
  {
    ...certManager('Certificate', 'mesh-ca'),
    spec: {
      isCA: true,
      commonName: 'mesh-ca',
      secretName: 'mesh-ca',
      privateKey: { algorithm: 'ECDSA', size: 384 },
      duration: '87600h',
      issuerRef: { name: 'self-signed' },
    },
  },
  { ...certManager('Issuer', 'mesh-ca'), spec: { ca: { secretName: 'mesh-ca' } } },
];

/** A mesh of all nodes, by certificates of `issuerObjects`. */
export const meshPeering: object = {
  apiVersion: 'ikemesh.io/v1alpha1',
  kind: 'IPsecPeering',
  metadata: { name: 'cluster' },
  spec: {
    remote: { mesh: {} },
    enforcement: 'Permissive',
    authentication: { certificate: { issuerRef: { name: 'mesh-ca' } } },
  },
};

/** A pod in the network of each node, which counts the datagrams of streams. */
export const trafficPods: object = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'traffic', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'traffic' } },
    template: {
      metadata: { labels: { app: 'traffic' } },
      spec: {
        hostNetwork: true,
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'traffic',
            image: trafficReference,
            imagePullPolicy: 'Never',
            command: ['/traffic', 'serve', '8081'],
          },
        ],
      },
    },
  },
};

function certManager(kind: string, name: string) {
  return { apiVersion: 'cert-manager.io/v1', kind, metadata: { name, namespace: nodesNamespace } };
}

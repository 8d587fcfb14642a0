import { trafficReference } from '../hack/cluster/nodes/images.ts';

/** Where the programs of streams run. */
export const trafficContainer = 'traffic';

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
            name: trafficContainer,
            image: trafficReference,
            imagePullPolicy: 'Never',
            command: ['/traffic', 'serve', '8081'],
          },
        ],
      },
    },
  },
};

import { trafficReference } from '../hack/cluster/nodes/images.ts';

/** Where the programs of streams between nodes run. */
export const trafficContainer = 'traffic';
/** Where those between pods with addresses of their own do. */
export const podTrafficContainer = 'pod-traffic';

/** A pod in the network of each node, which counts the datagrams of streams. */
export const trafficPods: object = onEachNode(trafficContainer, true);
/** A pod of each node, with addresses of its own, which does the same. */
export const podTrafficPods: object = onEachNode(podTrafficContainer, false);

function onEachNode(name: string, hostNetwork: boolean): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          hostNetwork,
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name,
              image: trafficReference,
              imagePullPolicy: 'Never',
              command: ['/traffic', 'serve', '8081'],
            },
          ],
        },
      },
    },
  };
}

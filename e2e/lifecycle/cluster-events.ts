/** Something that happens to a real cluster while the packets between its nodes are counted: scenarios of `e2e/`. */
export interface ClusterEvent {
  /** For the command line and the table. */
  readonly name: ClusterEventName;
  /** What happens, in one line. */
  readonly description: string;
  /** The file of tests that makes it happen, and by what its test is known there. */
  readonly file: string;
  readonly test: string;
}

/** Whoever counts packets for a row names its event. */
export type ClusterEventName = (typeof NAMES)[number];

const NAMES = [
  'cert-manager-renews',
  'cert-manager-away',
  'api-server-away',
  'operator-crashed',
  'chart-upgraded',
  'cluster-authority-rolled',
  'cluster-node-joined',
  'cluster-node-registered-again',
  'cluster-node-rebooted',
  'cluster-node-replaced',
] as const;

/** The events that only a cluster has: between nodes in transport mode, between their pods in tunnel mode. */
export const clusterEvents: readonly ClusterEvent[] = [
  {
    name: 'cert-manager-renews',
    description: 'cert-manager renews the certificate of a node, which is taken into use',
    file: 'e2e/mesh.cluster.test.ts',
    test: 'when a certificate is renewed',
  },
  {
    name: 'cert-manager-away',
    description: 'cert-manager is away while a certificate is due and all SAs are replaced, and comes back',
    file: 'e2e/mesh.cluster.test.ts',
    test: 'rekeys without cert-manager',
  },
  {
    name: 'api-server-away',
    description: 'the API server is away, an agent is killed meanwhile, and all SAs are replaced',
    file: 'e2e/mesh.cluster.test.ts',
    test: 'rekeys without the API server',
  },
  {
    name: 'operator-crashed',
    description: 'the operator that leads is killed, and the next one is told to end',
    file: 'e2e/mesh.cluster.test.ts',
    test: 'has another operator lead',
  },
  {
    name: 'chart-upgraded',
    description: 'under ESP in UDP an agent is killed, then Helm upgrades agents and operators to another image',
    file: 'e2e/mesh.cluster.test.ts',
    test: 'while Helm upgrades all to another image',
  },
  {
    name: 'cluster-authority-rolled',
    description: 'all trust a new authority too, get certificates of it from cert-manager, and trust it alone',
    file: 'e2e/change.cluster.test.ts',
    test: 'while their authority is replaced',
  },
  {
    name: 'cluster-node-joined',
    description: 'a fourth node joins; counted is what flows between the three others',
    file: 'e2e/nodes.cluster.test.ts',
    test: 'takes in a node that joins',
  },
  {
    name: 'cluster-node-registered-again',
    description: 'the Node object of a live node is deleted, and registered again',
    file: 'e2e/nodes.cluster.test.ts',
    test: 'Node object is deleted and registered again',
  },
  {
    name: 'cluster-node-rebooted',
    description: 'a node boots; counted is what flows between the others, and when it encrypts again once it is Ready',
    file: 'e2e/nodes.cluster.test.ts',
    test: 'with a node that was rebooted',
  },
  {
    name: 'cluster-node-replaced',
    description: 'a node is made again under its name with another address and key; counted as where one boots',
    file: 'e2e/nodes.cluster.test.ts',
    test: 'made again under its name',
  },
];

/** Tests that bring the cluster of a file into the state that its events begin with. */
export const preparingTests: readonly string[] = ['encrypts between every two of them once a peering is applied'];

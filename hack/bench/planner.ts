import { ipsecPeering } from '../../operator/api/ipsec-peering.ts';
import { changesOf } from '../../operator/nodeconfig/changes.ts';
import type { NodeObject } from '../../operator/nodeconfig/observed.ts';
import { plan } from '../../operator/nodeconfig/plan.ts';
import { ImaginedCluster } from '../../operator/offline/imagined-cluster.ts';
import type { Bench, BenchResult, Extent } from './bench.ts';
import { cpuSeconds, median } from './measure.ts';

/** The operator's plan for a mesh of many nodes, from scratch, when everything is already there. */
export const plannerBench: Bench = {
  name: 'planner',
  summary: "the operator's plan of one mesh, and the comparison with what is there",
  run: (extent, progress, { nodes = NODES[extent] }) =>
    nodes.map((count) => {
      progress(`${count} nodes`);
      return measure(count, ROUNDS[extent]);
    }),
};

function measure(count: number, rounds: number): BenchResult {
  const nodes = Array.from({ length: count }, (_, index) => nodeOf(index));
  const cluster = new ImaginedCluster({ peerings: [mesh], nodes }, SETTINGS, {
    issues: () => true,
    hasAgent: () => true,
  });
  const writes = cluster.settle(AT).length;
  const observed = cluster.observed();
  const plans: number[] = [];
  const comparisons: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    let planned = plan(observed, SETTINGS, AT);
    const planning = cpuSeconds(() => {
      planned = plan(observed, SETTINGS, AT);
    });
    let changes = 0;
    const comparing = cpuSeconds(() => {
      changes = changesOf(observed, planned).length;
    });
    if (changes !== 0) throw new Error(`${changes} writes where everything is there`);
    // The first round lets the engine compile.
    if (round === 0) continue;
    plans.push(planning);
    comparisons.push(comparing);
  }
  const [planSeconds, changesSeconds] = [median(plans), median(comparisons)];
  return {
    bench: 'planner',
    parameters: { nodes: count, rounds, writesFromNothing: writes },
    figures: {
      planSeconds,
      changesSeconds,
      bothSeconds: planSeconds + changesSeconds,
      microsecondsPerNode: ((planSeconds + changesSeconds) / count) * 1e6,
    },
    targets: count === PROMISED_NODES ? [{ figure: 'bothSeconds', bound: 'atMost', limit: 1 }] : [],
  };
}

function nodeOf(index: number): NodeObject {
  const [high, low] = [index >> 8, index & 255];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${index}`, uid: `uid-${index}`, labels: { 'kubernetes.io/os': 'linux' } },
    spec: { podCIDRs: [`10.${high}.${low}.0/24`, `fd01:0:0:${index.toString(16)}::/64`] },
    status: {
      addresses: [
        { type: 'InternalIP', address: `172.16.${high}.${low}` },
        { type: 'InternalIP', address: `fd00::1:${index.toString(16)}` },
      ],
      nodeInfo: { operatingSystem: 'linux' },
    },
  };
}

const mesh = ipsecPeering.schema.parse({
  apiVersion: 'ikemesh.io/v1alpha1',
  kind: 'IPsecPeering',
  metadata: { name: 'cluster' },
  spec: {
    remote: { mesh: {} },
    enforcement: 'Required',
    authentication: { certificate: { issuerRef: { name: 'mesh-ca' } } },
  },
});

const SETTINGS = { trustDomain: 'ikemesh.internal', namespace: 'ikemesh-nodes', issuersRestricted: false };
const AT = { milliseconds: 1_800_000_000_000, timestamp: '2027-01-15T08:00:00Z' };
const PROMISED_NODES = 5_000;
const NODES: Readonly<Record<Extent, readonly number[]>> = { quick: [500], full: [1_000, 2_500, PROMISED_NODES] };
const ROUNDS: Readonly<Record<Extent, number>> = { quick: 2, full: 5 };

import { describe, expect, it } from 'vitest';

import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import type { NodeObject } from './observed.ts';
import { atSecond, clusterOf, meshOf, nodeOf, nodesOf } from './testing/builders.ts';

const BEFORE = ['10.0.2.0/24', 'fd01:0:0:2::/64'];
const AFTER = ['10.0.77.0/24', 'fd01:0:0:77::/64'];
const DAY = 86_400;

/** A cluster whose second node is registered again after 100 seconds, with these pod CIDRs, beside other nodes. */
function registeredAgain(podCIDRs: readonly string[] = AFTER, ...others: readonly NodeObject[]): ImaginedCluster {
  const cluster = clusterOf({
    peerings: [meshOf('cluster', { 'spec.traffic': { scope: 'Pods' } })],
    nodes: nodesOf(3),
  });
  cluster.settle(atSecond(0));
  registerAgain(cluster, 'again', podCIDRs, 100);
  cluster.given = { ...cluster.given, nodes: [...cluster.given.nodes, ...others] };
  cluster.settle(atSecond(110));
  return cluster;
}

function registerAgain(cluster: ImaginedCluster, uid: string, podCIDRs: readonly string[], second: number): void {
  const node = nodeOf(2, { 'metadata.uid': uid, spec: { podCIDRs } });
  const nodes = cluster.given.nodes.map((each) => (each.metadata.name === 'node-2' ? node : each));
  cluster.given = { ...cluster.given, nodes };
  cluster.since = new Map([[uid, atSecond(second).milliseconds]]);
}

/** The pod CIDRs by which its peers know the second node; its own agent is told the same. */
function known(cluster: ImaginedCluster): readonly string[] | undefined {
  const { slices, nodeConfigs } = cluster.observed();
  const [peer] = slices.flatMap(({ peers }) => peers.filter(({ name }) => name === 'node-2'));
  const config = nodeConfigs.find(({ metadata }) => metadata.name === 'node-2');
  expect(config?.spec.podCIDRs).toEqual(peer?.podCIDRs);
  return peer?.podCIDRs;
}

describe('what pods of a node that was registered again send from the addresses that they had before is encrypted', () => {
  it('beside what its new ones send, for a day', () => {
    const cluster = registeredAgain();
    expect(known(cluster)).toEqual([...AFTER, ...BEFORE]);
    cluster.settle(atSecond(100 + DAY - 1));
    expect(known(cluster)).toEqual([...AFTER, ...BEFORE]);
    cluster.settle(atSecond(100 + DAY));
    expect(known(cluster)).toEqual(AFTER);
  });

  it('while it has been given no networks yet', () => {
    expect(known(registeredAgain([]))).toEqual(BEFORE);
  });

  it('until another node is given them', () => {
    const [ipv4 = '', ipv6 = ''] = BEFORE;
    expect(known(registeredAgain(AFTER, nodeOf(4, { spec: { podCIDRs: [ipv4] } })))).toEqual([...AFTER, ipv6]);
  });

  it('those of the last time alone, however often that happens', () => {
    const cluster = registeredAgain();
    for (const time of [3, 4, 5]) {
      registerAgain(cluster, `again-${time}`, [`10.0.8${time}.0/24`, `fd01:0:0:8${time}::/64`], 100 * time);
      cluster.settle(atSecond(100 * time + 10));
    }
    expect(known(cluster)).toEqual(['10.0.85.0/24', 'fd01:0:0:85::/64', '10.0.84.0/24', 'fd01:0:0:84::/64']);
  });

  it('nothing of the kind is done to a node that was always there', () => {
    const cluster = registeredAgain();
    const { slices } = cluster.observed();
    expect(slices.flatMap(({ peers }) => peers.find(({ name }) => name === 'node-1')?.podCIDRs)).toHaveLength(2);
  });
});

import { describe, expect, it } from 'vitest';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { MAX_PEERINGS } from '../api/limits.ts';
import type { ImaginedCluster } from '../offline/imagined-cluster.ts';
import { atSecond, clusterOf, gatewayOf, meshOf, nodesOf } from './testing/builders.ts';

describe('more peerings than a node can take part in', () => {
  it('leave out those that win least, say so there, and change nothing else when one is added', () => {
    const names = Array.from({ length: MAX_PEERINGS + 1 }, (_, index) => `office-${String(index).padStart(3, '0')}`);
    const peerings = names.map((name, index) =>
      gatewayOf(name, {
        'spec.remote.gateway.selectors': [{ local: 'NodeAddresses', remote: `10.200.${index}.0/24` }],
      }),
    );
    const cluster = clusterOf({ peerings, nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const told = cluster.observed().nodeConfigs.map(({ spec }) => spec.peerings.map(({ name }) => name));
    expect(told).toEqual([names.slice(0, MAX_PEERINGS), names.slice(0, MAX_PEERINGS)]);
    const programmed = (name: string | undefined) =>
      cluster.given.peerings
        .find(({ metadata }) => metadata.name === name)
        ?.status?.conditions?.find(({ type }) => type === 'Programmed');
    expect(programmed(names[0])).toMatchObject({ status: 'True' });
    expect(programmed(names.at(-1))).toMatchObject({
      status: 'False',
      reason: 'NodesUnsuitable',
      message: expect.stringContaining('no room for more'),
    });
  });

  it('leave a node in the mesh that it takes part in, and let in what came later once there is room', () => {
    const mesh = meshOf('zone', { 'spec.enforcement': 'Required', 'spec.priority': -5 });
    const cluster = clusterOf({ peerings: [mesh], nodes: nodesOf(3) });
    cluster.settle(atSecond(0));
    const gateways = officesOf(MAX_PEERINGS);
    cluster.given = { ...cluster.given, peerings: [...cluster.given.peerings, ...gateways] };
    cluster.settle(atSecond(100));
    expect(peersIn(cluster)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(programmed(cluster, 'zone')).toMatchObject({ status: 'True' });
    const last = gateways.map(({ metadata }) => metadata.name).sort()[MAX_PEERINGS - 1] ?? '';
    expect(programmed(cluster, last)).toMatchObject({
      reason: 'NodesUnsuitable',
      message: expect.stringMatching(/^node node-1 .*no room.*2 more nodes/),
    });
    cluster.given = {
      ...cluster.given,
      peerings: cluster.given.peerings.filter(({ metadata }) => metadata.name !== 'office-0'),
    };
    cluster.gone = { ...cluster.gone, peerings: new Set(['office-0']) };
    cluster.settle(atSecond(200));
    expect(programmed(cluster, last)).toMatchObject({ status: 'True' });
  });

  it('keep a node for which there is no room from its peers in a new mesh, which would block it', () => {
    const cluster = clusterOf({ peerings: [], nodes: nodesOf(3) });
    const [first, ...others] = cluster.given.nodes;
    const crowded = { ...first, metadata: { ...first?.metadata, labels: { crowded: 'yes' } } } as typeof first & object;
    const peerings = officesOf(MAX_PEERINGS, { selector: { matchLabels: { crowded: 'yes' } } });
    cluster.given = { nodes: [crowded, ...others], peerings };
    cluster.settle(atSecond(0));
    const [zone] = clusterOf({ peerings: [meshOf('zone', { 'spec.priority': 5 })], nodes: [] }).given.peerings;
    cluster.given = { ...cluster.given, peerings: [...cluster.given.peerings, ...(zone === undefined ? [] : [zone])] };
    cluster.settle(atSecond(100));
    expect(peersIn(cluster)).toEqual(['node-2', 'node-3']);
    expect(programmed(cluster, 'zone')).toMatchObject({
      reason: 'NodesUnsuitable',
      message: expect.stringMatching(/^node node-1 .*no room/),
    });
  });
});

/** As many gateways, with a network of its own each, numbered as an API server does. */
function officesOf(count: number, nodes?: object): readonly IpsecPeering[] {
  const peerings = Array.from({ length: count }, (_, index) =>
    gatewayOf(`office-${index}`, {
      ...(nodes === undefined ? {} : { 'spec.nodes': nodes }),
      'spec.remote.gateway.selectors': [{ local: 'NodeAddresses', remote: `10.200.${index}.0/24` }],
    }),
  );
  return clusterOf({ peerings, nodes: [] }).given.peerings;
}

function peersIn(cluster: ImaginedCluster): readonly string[] {
  return cluster.observed().slices.flatMap((slice) => slice.peers.map(({ name }) => name));
}

function programmed(cluster: ImaginedCluster, name: string) {
  const peering = cluster.given.peerings.find(({ metadata }) => metadata.name === name);
  return peering?.status?.conditions?.find(({ type }) => type === 'Programmed');
}

import { describe, expect, it } from 'vitest';

import { MAX_PEERINGS } from '../api/limits.ts';
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

  it('take a node out of the mesh that it is not told of any more, also at its peers, and let it in again', () => {
    const mesh = meshOf('zone', { 'spec.enforcement': 'Required' });
    const cluster = clusterOf({ peerings: [mesh], nodes: nodesOf(3) });
    cluster.settle(atSecond(0));
    const peers = () => cluster.observed().slices.flatMap((slice) => slice.peers.map(({ name }) => name));
    const programmed = () => {
      const zone = cluster.given.peerings.find(({ metadata }) => metadata.name === 'zone');
      return zone?.status?.conditions?.find(({ type }) => type === 'Programmed');
    };
    expect(peers()).toEqual(['node-1', 'node-2', 'node-3']);
    const [first] = cluster.given.nodes;
    const crowded = { ...first, metadata: { ...first?.metadata, labels: { crowded: 'yes' } } } as typeof first & object;
    const alone = { ...cluster.given, nodes: [crowded, ...cluster.given.nodes.slice(1)] };
    const gateways = Array.from({ length: MAX_PEERINGS }, (_, index) =>
      gatewayOf(`office-${index}`, {
        'spec.nodes': { selector: { matchLabels: { crowded: 'yes' } } },
        'spec.remote.gateway.selectors': [{ local: 'NodeAddresses', remote: `10.200.${index}.0/24` }],
      }),
    );
    cluster.given = { ...alone, peerings: [...alone.peerings, ...gateways] };
    cluster.settle(atSecond(100));
    expect(peers()).toEqual(['node-2', 'node-3']);
    expect(programmed()).toMatchObject({
      reason: 'NodesUnsuitable',
      message: expect.stringMatching(/^node node-1 .*no room/),
    });
    cluster.given = {
      ...alone,
      peerings: cluster.given.peerings.filter(({ metadata }) => metadata.name !== 'office-0'),
    };
    cluster.gone = { ...cluster.gone, peerings: new Set(['office-0']) };
    cluster.settle(atSecond(200));
    expect(peers()).toContain('node-1');
    expect(programmed()).toMatchObject({ status: 'True' });
  });

  it('leave out a mesh that wins no more, although what the node had of it would win', () => {
    const zone = meshOf('zone', { 'spec.priority': 5 });
    const gateways = Array.from({ length: MAX_PEERINGS }, (_, index) =>
      gatewayOf(`office-${index}`, {
        'spec.remote.gateway.selectors': [{ local: 'NodeAddresses', remote: `10.200.${index}.0/24` }],
      }),
    );
    const cluster = clusterOf({ peerings: [zone, ...gateways.slice(1)], nodes: nodesOf(2) });
    cluster.settle(atSecond(0));
    const lowered = cluster.given.peerings.map((each) =>
      each.metadata.name === 'zone' ? { ...each, spec: { ...each.spec, priority: -5 } } : each,
    );
    cluster.given = { ...cluster.given, peerings: [...lowered, ...gateways.slice(0, 1)] };
    cluster.settle(atSecond(100));
    const told = cluster.observed().nodeConfigs.map(({ spec }) => spec.peerings.map(({ name }) => name));
    expect(told.map((names) => [names.length, names.includes('zone')])).toEqual(Array(2).fill([MAX_PEERINGS, false]));
    expect(cluster.observed().slices).toEqual([]);
  });
});

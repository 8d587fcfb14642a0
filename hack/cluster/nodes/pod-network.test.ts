import { describe, expect, it } from 'vitest';

import { cniConfiguration, type PodNetworkNode, podNetworkNode, podRoutes, routeChanges } from './pod-network.ts';

const one: PodNetworkNode = {
  name: 'node-1',
  addresses: ['10.88.0.11', 'fd00:10:88::b'],
  podNetworks: ['10.244.0.0/24', 'fd00:10:244::/64'],
};
const two: PodNetworkNode = {
  name: 'node-2',
  addresses: ['10.88.0.12', 'fd00:10:88::c'],
  podNetworks: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
};

describe('routes to pods', () => {
  it("lead to every other node's pods by its address of the same family, and never to a node's own", () => {
    expect(podRoutes([one, two], 'node-1')).toEqual([
      '10.244.1.0/24 via 10.88.0.12',
      'fd00:10:244:1::/64 via fd00:10:88::c',
    ]);
    expect(podRoutes([one, two], undefined)).toHaveLength(4);
  });

  it('leave out a family in which a node has no address', () => {
    const single = { ...two, addresses: ['10.88.0.12'] };
    expect(podRoutes([single], 'node-1')).toEqual(['10.244.1.0/24 via 10.88.0.12']);
  });

  it('follow a node that was made again with another address, and go with one that is gone', () => {
    const again = { ...two, addresses: ['10.88.0.13', 'fd00:10:88::d'] };
    const before = podRoutes([one, two], 'node-1');
    expect(routeChanges(before, podRoutes([one, again], 'node-1'))).toEqual([
      'route del 10.244.1.0/24 via 10.88.0.12',
      'route del fd00:10:244:1::/64 via fd00:10:88::c',
      'route replace 10.244.1.0/24 via 10.88.0.13',
      'route replace fd00:10:244:1::/64 via fd00:10:88::d',
    ]);
    expect(routeChanges(before, before)).toEqual([]);
  });
});

describe('a Node', () => {
  it('is read by its internal addresses and the networks of its pods, which it may not have yet', () => {
    const addresses = [
      { type: 'InternalIP', address: '10.88.0.11' },
      { type: 'Hostname', address: 'node-1' },
      { type: 'InternalIP', address: 'fd00:10:88::b' },
    ];
    const metadata = { name: 'node-1', uid: 'u' };
    expect(podNetworkNode({ metadata, spec: {}, status: { addresses } })).toEqual({ ...one, podNetworks: [] });
  });
});

describe('the CNI configuration', () => {
  it('gives pods an address of each family and hides none behind its node', () => {
    const { plugins } = JSON.parse(cniConfiguration(one)) as { readonly plugins: readonly Record<string, unknown>[] };
    expect(plugins[0]).toMatchObject({
      type: 'bridge',
      ipMasq: false,
      forceAddress: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.244.0.0/24' }], [{ subnet: 'fd00:10:244::/64' }]],
        routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
      },
    });
  });
});

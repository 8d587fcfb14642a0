import { interopScenarios } from '../interop/interop-scenario.ts';
import { neighbourDiscoveryShunts } from '../strongswan/neighbour-discovery.ts';

export default interopScenarios({
  name: 'ipv6-transport',
  description: 'transport mode, IPv6, neighbours found anew while everything else is encrypted',
  settings: { family: 6, strongswan: { shunts: neighbourDiscoveryShunts } },
  run: async (link) => {
    await link.connect();
    await link.exchange();
    const { ours, theirs } = link.machines.gateways;
    for (const node of [ours, theirs]) await node.succeed(['ip', 'neigh', 'flush', 'dev', 'eth0']);
    await link.exchange();
    await link.close();
  },
});

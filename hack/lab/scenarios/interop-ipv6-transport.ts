import { interopScenarios } from '../interop/interop-scenario.ts';

/** ICMPv6 types (RFC 4861 §4); a selector has the type in the upper half of its port. */
const neighbourDiscovery = { solicitation: 135, advertisement: 136 } as const;

export default interopScenarios({
  name: 'ipv6-transport',
  description: 'transport mode, IPv6, neighbours found anew while everything else is encrypted',
  settings: {
    family: 6,
    // Without, charon encrypts its answers to neighbour solicitations and drops the peer's, which are not encrypted.
    strongswan: {
      shunts: Object.fromEntries(
        Object.values(neighbourDiscovery).map((type) => {
          const selector = `2001:db8::/64[ipv6-icmp/${type << 8}]`;
          return [`nd-${type}`, { mode: 'pass', local_ts: selector, remote_ts: selector, start_action: 'trap' }];
        }),
      ),
    },
  },
  run: async (link) => {
    await link.connect();
    await link.exchange();
    const { ours, theirs } = link.machines.gateways;
    for (const node of [ours, theirs]) await node.succeed(['ip', 'neigh', 'flush', 'dev', 'eth0']);
    await link.exchange();
    await link.close();
  },
});

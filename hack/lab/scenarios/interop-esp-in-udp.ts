import assert from 'node:assert/strict';

import { type InteropDefinition, interopScenarios } from '../interop/interop-scenario.ts';
import { tunnelChild } from '../interop/link-settings.ts';
import { neighbourDiscoveryShunts } from '../strongswan/neighbour-discovery.ts';

const run: InteropDefinition['run'] = async (link) => {
  await link.connect();
  const [child] = (await link.peer()).ikeSas.flatMap((sa) => sa.children);
  assert.equal(child?.udpEncapsulation, true, 'our status says ESP in UDP');
  const [theirs] = (await link.theirIkeSa()).children;
  assert.equal(theirs?.encapsulated, true, `${link.kind} says ESP in UDP`);
  await link.exchange();
  const { total } = await link.close();
  assert.equal(total.esp, 0, 'ESP without UDP on the wire');
};

export default [
  ...interopScenarios({
    name: 'esp-in-udp',
    rolesTakeTurns: true,
    description: 'ESP in UDP because natTraversal is Always, transport mode',
    settings: { ours: { peer: { natTraversal: 'Always' } } },
    run,
  }),
  ...interopScenarios({
    name: 'ipv6-esp-in-udp',
    rolesTakeTurns: true,
    description: 'ESP in UDP because natTraversal is Always, transport mode, IPv6',
    settings: {
      family: 6,
      strongswan: { shunts: neighbourDiscoveryShunts },
      ours: { peer: { natTraversal: 'Always' } },
    },
    run,
  }),
  ...interopScenarios({
    name: 'ipv6-esp-in-udp-tunnel',
    description: 'ESP in UDP of IPv6, with a tunnel for IPv4 in it between networks behind both ends',
    rare: true,
    settings: {
      family: 6,
      payloadFamily: 4,
      networks: true,
      children: [tunnelChild(4)],
      ours: { peer: { natTraversal: 'Always' } },
    },
    run,
  }),
  ...interopScenarios({
    name: 'wants-udp',
    rolesTakeTurns: true,
    description: 'ESP in UDP because the peer is configured for it, transport mode',
    settings: { strongswan: { connection: { encap: true } }, libreswan: { connection: { encapsulation: 'yes' } } },
    run,
  }),
];

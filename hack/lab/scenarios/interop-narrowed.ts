import assert from 'node:assert/strict';

import { type InteropDefinition, interopScenarios } from '../interop/interop-scenario.ts';
import { addresses, type ChildSettings, type Sides, type Traffic, traffic } from '../interop/link-settings.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

/** Without a name in /etc/services, which charon would show in its place. */
const port = 7100;

/** Whole networks, any protocol. */
const wide: Traffic = { networks: addresses[4].network };

/** One UDP port between sixteen addresses on each side. */
const narrowNetworks = { ours: '198.51.100.0/28', theirs: '203.0.113.0/28' } as const;
const narrow: Traffic = { networks: narrowNetworks, protocol: 'UDP', port };

function child(wanted: Sides<Traffic>): ChildSettings {
  return { name: 'data', mode: 'Tunnel', traffic: wanted, libreswan: { narrowing: 'yes' } };
}

const run: InteropDefinition['run'] = async (link) => {
  await link.connect();
  const child = (await link.peer()).ikeSas[0]?.children[0];
  assert.deepEqual(child?.localSelectors, [`${narrowNetworks.ours}[udp/${port}]`]);
  assert.deepEqual(child?.remoteSelectors, [`${narrowNetworks.theirs}[udp/${port}]`]);
  const [theirs] = (await link.theirIkeSa()).children;
  assert.deepEqual(theirs?.localSelectors, [`${narrowNetworks.theirs}[udp/${port}]`]);

  link.lab.step('what was agreed on passes');
  const stream = await link.stream(100, port);
  await link.passes(50);
  expectNothingLost(await stream.stop());
  if (link.settings.children?.some((each) => traffic(each, 'ours') === wide) === true) {
    link.lab.step('what we protect beyond that is neither sent in plaintext nor on the SA');
    await link.expectBlocked();
  }
  await link.close({ blocked: 'sometimes' });
};

export default [
  ...interopScenarios({
    name: 'narrows',
    description: 'the peer narrows networks, protocol and ports; the rest of what we protect stays blocked',
    settings: { networks: true, children: [child({ ours: wide, theirs: narrow })] },
    run,
  }),
  ...interopScenarios({
    name: 'is-narrowed',
    description: 'we narrow networks, protocol and ports',
    settings: { networks: true, children: [child({ ours: narrow, theirs: wide })] },
    run,
  }),
];

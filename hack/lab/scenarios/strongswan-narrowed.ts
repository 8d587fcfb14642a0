import assert from 'node:assert/strict';

import { type InteropDefinition, interopScenarios } from '../interop/interop-scenario.ts';
import { addresses, type ChildSettings } from '../interop/link-settings.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

/** Without a name in /etc/services, which charon would show in its place. */
const port = 7100;
const { network } = addresses[4];
const narrowed = { ours: '198.51.100.0/28', theirs: '203.0.113.0/28' } as const;
const ports = [{ from: port }];

/** Whole networks, any protocol. */
const wide: ChildSettings = {
  name: 'data',
  ours: { mode: 'Tunnel', selectors: [{ local: network.ours, remote: network.theirs }] },
  theirs: { mode: 'tunnel', local_ts: network.theirs, remote_ts: network.ours },
};

/** One UDP port between sixteen addresses on each side. */
const narrow: ChildSettings = {
  name: 'data',
  ours: {
    mode: 'Tunnel',
    selectors: [{ local: narrowed.ours, remote: narrowed.theirs, protocol: 'UDP', ports, localPorts: ports }],
  },
  theirs: {
    mode: 'tunnel',
    local_ts: `${narrowed.theirs}[udp/${port}]`,
    remote_ts: `${narrowed.ours}[udp/${port}]`,
  },
};

const run: InteropDefinition['run'] = async (link) => {
  await link.connect();
  const child = (await link.peer()).ikeSas[0]?.children[0];
  assert.deepEqual(child?.localSelectors, [`${narrowed.ours}[udp/${port}]`]);
  assert.deepEqual(child?.remoteSelectors, [`${narrowed.theirs}[udp/${port}]`]);
  const [theirs] = (await link.charon.listSas()).flatMap((sa) => sa.children);
  assert.deepEqual(theirs?.localSelectors, [`${narrowed.theirs}[udp/${port}]`]);

  link.lab.step('what was agreed on passes');
  const stream = await link.stream(100, port);
  await link.passes(50);
  expectNothingLost(await stream.stop());
  if (link.settings.children?.[0]?.ours === wide.ours) {
    link.lab.step('what we protect beyond that is neither sent in plaintext nor on the SA');
    await link.expectBlocked();
  }
  await link.close({ blocked: 'sometimes' });
};

export default [
  ...interopScenarios({
    name: 'strongswan-narrows',
    description: 'strongSwan narrows networks, protocol and ports; the rest of what we protect stays blocked',
    settings: { networks: true, children: [{ ...wide, theirs: narrow.theirs }] },
    run,
  }),
  ...interopScenarios({
    name: 'strongswan-is-narrowed',
    description: 'we narrow networks, protocol and ports',
    settings: { networks: true, children: [{ ...wide, ours: narrow.ours }] },
    run,
  }),
];

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { EndKind, NatSettings } from '../nat/nat-ends.ts';
import { NatLink } from '../nat/nat-link.ts';
import { TrackingNat } from '../nat/tracking-nat.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';

/** A NAT in between, no more: everything works, and the NAT's mapping is kept alive by the side behind it only. */
async function run(lab: Lab, settings: NatSettings, waitsForKeepalive: boolean): Promise<void> {
  const link = await NatLink.create(lab, settings);
  await TrackingNat.create(link.machines.router, '20000-20999');
  await link.connect();
  await link.exchange();
  if (settings.mode === 'transport') await link.exchangeTcp();
  if (waitsForKeepalive) {
    lab.step('silence for longer than a NAT remembers');
    await delay(KEEPALIVE_MS);
    await link.exchange();
  }
  const { bySender } = await link.close();
  assert.equal(bySender.get('server')?.keepalive ?? 0, 0, 'keepalives of the side that has no NAT in front of it');
  if (waitsForKeepalive) assert.ok((bySender.get('router')?.keepalive ?? 0) > 0, 'no keepalive from behind the NAT');
}

function scenario(client: EndKind, server: EndKind, mode: NatSettings['mode'], waits: boolean): Scenario {
  const who = { agent: 'our agent', charon: 'strongSwan' };
  return {
    name: `nat-${client}-to-${server}-${mode}`,
    description: `${who[client]} behind a NAT, ${who[server]} in front of it, ${mode} mode${waits ? '; keepalives' : ''}`,
    usesAgent: true,
    run: (lab) => run(lab, { client, server, mode }, waits),
  };
}

/** Longer than the 20 s between keepalives. */
const KEEPALIVE_MS = 22_000;

export default [
  scenario('agent', 'charon', 'transport', false),
  scenario('agent', 'charon', 'tunnel', true),
  scenario('charon', 'agent', 'transport', false),
  scenario('charon', 'agent', 'tunnel', false),
  scenario('agent', 'agent', 'transport', false),
  scenario('agent', 'agent', 'tunnel', false),
];

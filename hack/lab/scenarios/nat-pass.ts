import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { EndKind, NatSettings } from '../nat/nat-ends.ts';
import { NatLink } from '../nat/nat-link.ts';
import { outsideServer } from '../nat/nat-machines.ts';
import { TrackingNat } from '../nat/tracking-nat.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';

/** A NAT in between, no more: everything works, and a NAT's mapping is kept alive by the side behind it only. */
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
  const keepalives = (sender: string) => bySender.get(sender)?.keepalive ?? 0;
  if (settings.serverBehindNat !== true) {
    assert.equal(keepalives('server'), 0, 'keepalives of the side that has no NAT in front of it');
  }
  if (!waitsForKeepalive) return;
  assert.ok(keepalives('router') > 0, 'no keepalive from behind the NAT');
  if (settings.serverBehindNat === true) assert.ok(keepalives(outsideServer(settings)) > 0, 'none of the server');
}

function scenario(client: EndKind, server: EndKind, mode: NatSettings['mode'], more: More = {}): Scenario {
  const { double = false, waits = false, rare = false } = more;
  const where = double ? 'behind another one' : 'in front of it';
  return {
    name: `nat-${double ? 'double-' : ''}${client}-to-${server}-${mode}`,
    description: `${who[client]} behind a NAT, ${who[server]} ${where}, ${mode} mode${waits ? '; keepalives' : ''}`,
    usesAgent: true,
    filtersPackets: true,
    rare,
    recipe: [client, server].includes('pluto') ? 'libreswan' : 'strongswan',
    run: (lab) => run(lab, { client, server, mode, serverBehindNat: double }, waits),
  };
}

interface More {
  /** A NAT at either side. */
  readonly double?: boolean;
  readonly waits?: boolean;
  readonly rare?: boolean;
}

const who = { agent: 'our agent', charon: 'strongSwan', pluto: 'libreswan' } as const;

/** Longer than the 20 s between keepalives. */
const KEEPALIVE_MS = 22_000;

export default [
  scenario('agent', 'charon', 'transport'),
  scenario('agent', 'charon', 'tunnel'),
  scenario('charon', 'agent', 'transport'),
  scenario('charon', 'agent', 'tunnel'),
  // Libreswan 5.2 refuses transport mode through a NAT at either side, of another libreswan too: it does not put
  // addresses in place as RFC 7296 §2.23.1 has it.
  scenario('agent', 'pluto', 'tunnel'),
  scenario('pluto', 'agent', 'tunnel'),
  scenario('agent', 'agent', 'transport'),
  scenario('agent', 'agent', 'tunnel'),
  scenario('agent', 'charon', 'transport', { double: true }),
  scenario('agent', 'agent', 'transport', { double: true }),
  scenario('agent', 'agent', 'tunnel', { double: true, waits: true }),
  scenario('charon', 'agent', 'tunnel', { double: true, rare: true }),
];

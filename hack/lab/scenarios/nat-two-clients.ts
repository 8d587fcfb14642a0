import assert from 'node:assert/strict';

import type { EndKind } from '../nat/nat-ends.ts';
import { NatLink } from '../nat/nat-link.ts';
import { TrackingNat } from '../nat/tracking-nat.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

/** Both clients have one address outside, and ports alone tell them apart; neither gets a packet of the other one. */
async function run(lab: Lab, clients: EndKind, server: EndKind): Promise<void> {
  const link = await NatLink.create(lab, { client: clients, second: clients, server, mode: 'tunnel' });
  await TrackingNat.create(link.machines.router, '20000-20999');
  await link.connect();
  await link.exchange();
  const ports = (await link.states('server')).map(
    ({ encapsulation }) => `${encapsulation?.sourcePort} ${encapsulation?.destinationPort}`,
  );
  assert.equal(new Set(ports).size, 4, `ports of the SAs of two clients, each way: ${ports}`);
  lab.step('packets of both clients at the same time');
  const streams = await Promise.all([link.stream(100, 'client'), link.stream(100, 'second')]);
  await link.exchange();
  for (const stream of streams) expectNothingLost(await stream.stop());
  await link.close();
}

function scenario(clients: EndKind, server: EndKind): Scenario {
  return {
    name: `nat-two-clients-${clients}-to-${server}`,
    description: `two clients (${clients}) behind one NAT at a time, each with a tunnel to ${server}: nothing lost`,
    usesAgent: true,
    filtersPackets: true,
    timeoutMs: 90_000,
    run: (lab) => run(lab, clients, server),
  };
}

export default [scenario('agent', 'agent'), scenario('charon', 'agent'), scenario('agent', 'charon')];

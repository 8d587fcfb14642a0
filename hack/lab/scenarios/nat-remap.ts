import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import type { Packet } from '../capture/packet.ts';
import type { EndKind, NatSettings } from '../nat/nat-ends.ts';
import { NatLink } from '../nat/nat-link.ts';
import { places } from '../nat/nat-machines.ts';
import { type Mapping, RewritingNat } from '../nat/rewriting-nat.ts';
import { TrackingNat } from '../nat/tracking-nat.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';
import type { StateDump } from '../xfrm/xfrm-dump.ts';

/** The NAT forgets its mapping under a stream: what the client sends arrives, what it gets pauses for a moment only. */
async function forgetting(lab: Lab, settings: NatSettings): Promise<void> {
  const link = await NatLink.create(lab, settings);
  const nat = await TrackingNat.create(link.machines.router, '20000-20999');
  await link.connect();
  const before = await link.states('server');
  const stream = await link.stream(RATE);
  await delay(1_000);
  lab.step('the NAT forgets its mappings; the new port is another one');
  await nat.remap('30000-30999');
  await delay(2_000);
  const [up, down] = await stream.stop();
  lab.step(`${up.lost} of ${up.sent} lost to the server, ${down.lost} of ${down.sent} to the client`);
  assert.equal(up.lost, 0, 'packets of the client were lost');
  assert.ok(
    down.lost <= MOST_LOST,
    `${down.lost} packets to the client were lost, longest gap ${down.longestGapMs} ms`,
  );
  const after = await link.states('server');
  assert.ok(
    peerPorts(after).every((port) => port >= 30_000 && port < 31_000),
    `ports ${peerPorts(after)}`,
  );
  assert.deepEqual(keys(after), keys(before), 'the SAs are others than before');
  await link.exchange();
  await link.close(isRoutersRefusal);
}

/** The router says that it has no port for what comes to a mapping that it has forgotten. */
function isRoutersRefusal({ source, kind }: Packet): boolean {
  return source === places.public && kind === 'icmpError';
}

/** The NAT changes the mapping, and lets in for a while what comes to the earlier one: nothing at all is lost. */
async function changing(lab: Lab, settings: NatSettings, to: Mapping): Promise<void> {
  const link = await NatLink.create(lab, settings);
  const nat = await RewritingNat.create(link.machines.router, { address: places.public, shift: 20_000 });
  await link.connect();
  const before = await link.states('server');
  const stream = await link.stream(RATE);
  await delay(1_000);
  lab.step(`the NAT makes the client ${to.address} port ${4_500 + to.shift}`);
  await nat.remap(to);
  const goesThere = async (): Promise<boolean> => {
    const states = await link.states('server');
    return states.some((state) => state.destination === to.address && peerPorts([state])[0] === 4_500 + to.shift);
  };
  await waitUntil('the server to send there', goesThere);
  await delay(2_000);
  expectNothingLost(await stream.stop());
  const after = await link.states('server');
  if (to.address === places.public) assert.deepEqual(keys(after), keys(before), 'the SAs are others than before');
  else assert.ok(!keys(after).some((key) => keys(before).includes(key)) || after.length > 2, 'a key is used twice');
  await link.exchange();
  await link.close();
}

/** Ports of the peer in a side's SAs. */
function peerPorts(states: readonly StateDump[]): readonly number[] {
  return states.map((state) => {
    const { sourcePort = 0, destinationPort = 0 } = state.encapsulation ?? {};
    return state.destination === places.server ? sourcePort : destinationPort;
  });
}

/** SPIs and keys of SAs. */
function keys(states: readonly StateDump[]): readonly string[] {
  return states.map(({ spi, text }) => `${spi} ${/^\taead .*$/m.exec(text)?.[0]}`).sort();
}

function scenario(
  name: string,
  description: string,
  client: EndKind,
  mode: NatSettings['mode'],
  run: (lab: Lab, settings: NatSettings) => Promise<void>,
): Scenario {
  return {
    name: `nat-${name}-${client}-${mode}`,
    description: `${description}; ${client} behind the NAT, our agent in front of it, ${mode} mode`,
    usesAgent: true,
    filtersPackets: true,
    timeoutMs: 90_000,
    run: (lab) => run(lab, { client, server: 'agent', mode }),
  };
}

const RATE = 200;
/** Half a second: until the client's next packet has come, and the agent of a busy machine has had its turn. */
const MOST_LOST = RATE / 2;
const newPort: Mapping = { address: places.public, shift: 30_000 };
const newAddress: Mapping = { address: places.otherPublic, shift: 30_000 };
const ends = ['agent', 'charon'] as const;
const modes = ['transport', 'tunnel'] as const;

export default [
  ...ends.flatMap((client) =>
    modes.flatMap((mode) => [
      scenario('forgets', 'the mapping is forgotten under a stream', client, mode, forgetting),
      scenario('new-port', 'another port under a stream, nothing lost', client, mode, (lab, settings) =>
        changing(lab, settings, newPort),
      ),
    ]),
  ),
  ...ends.map((client) =>
    scenario(
      'new-address',
      'another address under a stream, nothing lost, new keys',
      client,
      'tunnel',
      (lab, settings) => changing(lab, settings, newAddress),
    ),
  ),
];

import assert from 'node:assert/strict';

import type { InteropLink } from '../interop/interop-link.ts';
import { interopScenarios } from '../interop/interop-scenario.ts';
import { certificatesOf, labRoot, validNow, withCertificates } from '../interop/link-certificates.ts';
import { addresses, type LinkSettings } from '../interop/link-settings.ts';

/** What every IPv4 host takes in; both sides send no larger packets. */
const smallest = 576;

/** Both sides show an RSA certificate and three authorities between it and the root: IKE_AUTH has some 4,500 bytes. */
function longChain(ourSize: number | undefined): LinkSettings {
  const root = labRoot('Root', 'rsa');
  const upper = root.intermediate('Upper', validNow(), 'rsa');
  const middle = upper.intermediate('Middle', validNow(), 'rsa');
  const lower = middle.intermediate('Lower', validNow(), 'rsa');
  const certificates = certificatesOf(lower, 'rsa', { trusted: root, intermediates: [lower, middle, upper] });
  const { ours, strongswan, libreswan } = withCertificates(certificates);
  const size = ourSize === undefined ? {} : { fragmentSize: ourSize };
  return {
    ours: { ...ours, peer: { ...ours.peer, ...size } },
    // A lost fragment costs a repetition of them all.
    strongswan: { ...strongswan, charon: { fragment_size: smallest, retransmit_timeout: 1, retransmit_base: 1.3 } },
    libreswan,
  };
}

/** Both sides have cut their messages, and put together those of the other; none was left to the kernel to cut. */
async function expectFragments(link: InteropLink): Promise<void> {
  await link.exchange();
  const { total, packets } = await link.close();
  assert.equal(total.laterFragments, 0, 'IP packets that the kernel has cut');
  for (const [who, address] of Object.entries(addresses[4].wire)) {
    const parts = packets.filter((packet) => packet.ikeFragment === true && packet.source === address);
    assert.ok(parts.length >= 5, `${parts.length} fragments of IKE messages from ${who}`);
  }
}

const longMessages = interopScenarios({
  name: 'fragments',
  rolesTakeTurns: true,
  description: 'a chain of four RSA certificates from both sides, in packets of at most 576 bytes',
  settings: () => longChain(smallest),
  run: async (link) => {
    await link.connect();
    await expectFragments(link);
  },
});

const overLossyWire = interopScenarios({
  name: 'fragments-lossy',
  rolesTakeTurns: true,
  description: 'the same, while every seventh packet is lost, every tenth comes twice, and they overtake one another',
  settings: () => longChain(smallest),
  timeoutMs: 120_000,
  run: async (link) => {
    const { wire } = link.machines;
    const worse = { lossPercent: 15, duplicatePercent: 10, delayMs: 20, jitterMs: 15 };
    for (const node of ['ours', 'theirs']) await wire.impair(node, worse);
    await link.startDaemon();
    await link.startAgent();
    if (link.role === 'responder') await link.establish();
    await link.encrypting(60_000);
    for (const node of ['ours', 'theirs']) await wire.impair(node, {});
    await expectFragments(link);
  },
});

const overNarrowWire = interopScenarios({
  name: 'fragments-black-hole',
  description: 'a wire that swallows packets above 576 bytes without a word: our 1280 come down by themselves',
  peers: ['strongswan'],
  roles: ['initiator'],
  settings: () => longChain(undefined),
  run: async (link) => {
    const { wire } = link.machines.wire;
    for (const port of ['to-ours', 'to-theirs']) await wire.ip(`link set ${port} mtu ${smallest}`);
    await link.connect();
    await expectFragments(link);
  },
});

export default [...longMessages, ...overLossyWire, ...overNarrowWire];

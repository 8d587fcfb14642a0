import assert from 'node:assert/strict';

import type { InteropLink } from '../interop/interop-link.ts';
import { type InteropDefinition, interopScenarios } from '../interop/interop-scenario.ts';
import { certificatesOf, labRoot, validNow, withCertificates } from '../interop/link-certificates.ts';
import type { LinkSettings } from '../interop/link-settings.ts';
import type { Scenario } from '../runner/scenario.ts';

/** What every IPv4 host takes in; both sides send no larger packets. */
const smallest = 576;

/** Both sides show an RSA certificate and three authorities between it and the root: IKE_AUTH has some 4,500 bytes. */
function longChain(ourSize: number | undefined): LinkSettings {
  const root = labRoot('Root', 'rsa');
  const upper = root.intermediate('Upper', validNow(), 'rsa');
  const middle = upper.intermediate('Middle', validNow(), 'rsa');
  const lower = middle.intermediate('Lower', validNow(), 'rsa');
  const certificates = certificatesOf(lower, 'rsa', { trusted: root, intermediates: [lower, middle, upper] });
  const { ours, strongswan } = withCertificates(certificates);
  const size = ourSize === undefined ? {} : { fragmentSize: ourSize };
  return {
    ours: { ...ours, peer: { ...ours.peer, ...size } },
    // A lost fragment costs a repetition of them all.
    strongswan: { ...strongswan, charon: { fragment_size: smallest, retransmit_timeout: 1, retransmit_base: 1.3 } },
  };
}

/** No message was left to the kernel to cut, and charon has put ours together and cut its own. */
async function expectFragments(link: InteropLink): Promise<void> {
  const log = link.charon.log();
  assert.match(log, /received fragment #\d+ of \d+, (?:waiting for complete IKE message|reassembled)/);
  assert.match(log, /splitting IKE message \(\d+ bytes\) into \d+ fragments/);
  await link.exchange();
  const { total } = await link.close();
  assert.equal(total.laterFragments, 0, 'IP packets that the kernel has cut');
}

function scenarios(definition: Omit<InteropDefinition, 'peers'>): readonly Scenario[] {
  return interopScenarios({ peers: ['strongswan'], ...definition });
}

const longMessages = scenarios({
  name: 'fragments',
  description: 'a chain of four RSA certificates from both sides, in packets of at most 576 bytes',
  settings: () => longChain(smallest),
  run: async (link) => {
    await link.connect();
    await expectFragments(link);
  },
});

const overLossyWire = scenarios({
  name: 'fragments-lossy',
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

const overNarrowWire = scenarios({
  name: 'fragments-black-hole',
  description: 'a wire that swallows packets above 576 bytes without a word: our 1280 come down by themselves',
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

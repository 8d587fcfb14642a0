import assert from 'node:assert/strict';

import type { CloseChecks, InteropLink } from '../interop/interop-link.ts';
import { interopScenarios } from '../interop/interop-scenario.ts';
import { childrenOf, type Role } from '../interop/link-settings.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';

const WITHOUT_PFS = 'aes256gcm16-esn';
const WITH_PFS = 'aes256gcm16-x25519-esn';
const REKEYS = 10;
/** The shortest that our configuration takes. */
const LIFETIMES = { ike: '10s', child: '10s' } as const;

/** 200 packets per second flow each way meanwhile; none may be lost. */
async function withoutLoss(link: InteropLink, rekeys: () => Promise<void>, checks: CloseChecks = {}): Promise<void> {
  await link.connect();
  const stream = await link.stream(200);
  await link.passes(100);
  await rekeys();
  await link.passes(100);
  expectNothingLost(await stream.stop());
  await oneOfEach(link);
  await link.close(checks);
}

/** Both ends have one IKE SA with one Child SA, and our status has it with the suite of a rekey. */
async function oneOfEach(link: InteropLink): Promise<void> {
  await link.peerUntil('one IKE SA with one Child SA', ({ ikeSas }) => {
    return ikeSas.length === 1 && ikeSas[0]?.children.length === 1;
  });
  // What has been deleted is listed there for a few seconds yet.
  const { children } = await link.theirIkeSa();
  assert.equal(children.filter(({ state }) => state === 'INSTALLED').length, 1, `Child SAs of ${link.kind}`);
}

/** The other end rekeys the Child SA, then the IKE SA, again and again, each time when both have come to rest. */
async function rekeyedByThem(link: InteropLink): Promise<void> {
  const [child] = childrenOf(link.settings);
  assert.ok(child);
  for (let round = 1; round <= REKEYS; round += 1) {
    link.lab.step(`${link.kind} rekeys the Child SA, ${round} of ${REKEYS}`);
    const before = (await link.peer()).ikeSas[0]?.children[0]?.inbound.spi;
    await ordered(link.daemon.rekey({ child: child.name }));
    await link.peerUntil('another Child SA', ({ ikeSas }) => {
      const [only, second] = ikeSas.flatMap(({ children }) => children);
      return second === undefined && only !== undefined && only.inbound.spi !== before;
    });
  }
  for (let round = 1; round <= REKEYS; round += 1) {
    link.lab.step(`${link.kind} rekeys the IKE SA, ${round} of ${REKEYS}`);
    const before = (await link.peer()).ikeSas[0]?.number;
    await ordered(link.daemon.rekey({ ike: (await link.theirIkeSa()).name }));
    await link.peerUntil('another IKE SA', ({ ikeSas }) => ikeSas.length === 1 && ikeSas[0]?.number !== before);
  }
}

async function ordered(done: ReturnType<InteropLink['daemon']['rekey']>): Promise<void> {
  const { code, stdout, stderr } = await done;
  assert.equal(code, 0, `${stdout}${stderr}`);
}

/** Our lifetimes are over, again and again. */
async function rekeyedByUs(link: InteropLink): Promise<void> {
  link.lab.step(`our agent rekeys both SAs ${REKEYS} times each`);
  const counts = () => {
    const lines = link.agent.log().split('\n');
    const childSas = lines.filter((line) => line.includes('"Child SA rekeyed"') && line.includes('"by":"us"'));
    const ikeSas = lines.filter((line) => line.includes('"IKE SA rekeyed"') && line.includes('"role":"initiator"'));
    return Math.min(childSas.length, ikeSas.length);
  };
  await waitUntil(`${REKEYS} rekeys of each kind`, () => counts() >= REKEYS, { timeoutMs: 150_000, intervalMs: 1_000 });
}

/** Who has begun the IKE SA makes no difference to who rekeys: each role has one of the two. */
function bothKinds(name: string, esp: string, words: string, [byThem, byUs]: readonly [Role, Role]) {
  return [
    ...interopScenarios({
      name: `rekeys${name}`,
      description: `the other end rekeys the Child SA ${words} and the IKE SA ten times each; no packet is lost`,
      roles: [byThem],
      timeoutMs: 240_000,
      settings: { esp },
      run: (link) => withoutLoss(link, () => rekeyedByThem(link)),
    }),
    ...interopScenarios({
      name: `is-rekeyed${name}`,
      description: `we rekey the Child SA ${words} and the IKE SA ten times each; no packet is lost`,
      roles: [byUs],
      timeoutMs: 300_000,
      // Ten of the shortest lifetimes take their time.
      rare: true,
      settings: { esp, ours: { peer: { lifetimes: LIFETIMES } } },
      // Pluto sends on a new Child SA as soon as it has granted it.
      run: (link) => withoutLoss(link, () => rekeyedByUs(link), { early: link.kind === 'libreswan' }),
    }),
  ];
}

export default [
  ...bothKinds('', WITHOUT_PFS, 'without a key exchange of its own', ['initiator', 'responder']),
  ...bothKinds('-pfs', WITH_PFS, 'with perfect forward secrecy', ['responder', 'initiator']),
];

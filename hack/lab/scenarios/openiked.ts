import assert from 'node:assert/strict';

import type { InteropLink } from '../interop/interop-link.ts';
import { interopScenarios } from '../interop/interop-scenario.ts';
import { certificatesOf, labRoot, withCertificates } from '../interop/link-certificates.ts';
import { type LinkSettings, tunnelChild } from '../interop/link-settings.ts';
import { waitUntil } from '../runner/wait-until.ts';
import { expectNothingLost } from '../traffic/counted-stream.ts';
import { readXfrmStat } from '../xfrm/xfrm-stat.ts';

const peers = ['openiked'] as const;
/** What OpenIKED can have its Linux kernel do, and everybody understands alike. */
const esp = 'aes256-sha384';
const plain: LinkSettings = { esp };

async function withSuites(link: InteropLink): Promise<void> {
  await link.connect();
  await link.expectSuites('aes256gcm16-prfsha384-x25519', esp);
  await link.exchange();
  await link.close();
}

/**
 * 200 packets per second flow each way while the Child SA is rekeyed, by whoever has the shorter lifetime. On the way to
 * us none may be lost. OpenIKED grants a pair before its kernel has the keys, and takes an older one out of its kernel when
 * it sends the Delete: what it loses by that its kernel counts, and nothing else may be missing.
 */
async function rekeyed(link: InteropLink, by: 'us' | 'peer'): Promise<void> {
  await link.connect();
  const stream = await link.stream(200);
  await link.passes(100);
  const rekeys = () =>
    link.agent
      .log()
      .split('\n')
      .filter((line) => line.includes('"Child SA rekeyed"') && line.includes(`"by":"${by}"`));
  await waitUntil(`${REKEYS} rekeys by ${by}`, () => rekeys().length >= REKEYS, {
    timeoutMs: 100_000,
    intervalMs: 500,
  });
  await link.passes(100);
  const [toThem, toUs] = await stream.stop();
  expectNothingLost([toUs]);
  const counters = [...(await readXfrmStat(link.machines.gateways.theirs))].filter(([, count]) => count > 0);
  const dropped = counters.reduce((total, [, count]) => total + count, 0);
  link.lab.step(`OpenIKED has lost ${toThem.lost} of ${toThem.sent}; its kernel counts ${counters.join(' ')}`);
  assert.ok(toThem.lost <= dropped, `${toThem.lost} packets were lost to OpenIKED, whose kernel dropped ${dropped}`);
  const { ikeSas } = await link.peer();
  assert.equal(ikeSas.length, 1, 'one IKE SA throughout');
  await link.close({ early: true, theyLose: true });
}

const REKEYS = 3;

export default [
  ...interopScenarios({
    name: 'psk-transport',
    description: 'pre-shared key, transport mode',
    peers,
    rolesTakeTurns: true,
    settings: plain,
    run: withSuites,
  }),
  ...interopScenarios({
    name: 'psk-tunnel',
    description: 'pre-shared key, tunnel mode between networks behind both ends',
    peers,
    rare: true,
    settings: { ...plain, networks: true, children: [tunnelChild(4)] },
  }),
  ...interopScenarios({
    name: 'certificate-ecdsa-p256',
    description: 'certificates and signatures of both sides: ecdsa-p256',
    peers,
    rolesTakeTurns: true,
    settings: () => ({ ...plain, ...withCertificates(certificatesOf(labRoot('Root'), 'ecdsaP256')) }),
  }),
  ...interopScenarios({
    name: 'rekeys',
    description: 'OpenIKED rekeys the Child SA three times under 200 packets/s; none is lost on the way to us',
    peers,
    roles: ['initiator'],
    timeoutMs: 180_000,
    rare: true,
    settings: { ...plain, openiked: { childLifetimeSeconds: 15 } },
    run: (link) => rekeyed(link, 'peer'),
  }),
  ...interopScenarios({
    name: 'is-rekeyed',
    description: 'we rekey the Child SA three times under 200 packets/s; none is lost on the way to us',
    peers,
    roles: ['responder'],
    timeoutMs: 180_000,
    rare: true,
    settings: { ...plain, ours: { peer: { lifetimes: { child: '10s' } } } },
    run: (link) => rekeyed(link, 'us'),
  }),
  ...interopScenarios({
    name: 'peer-dies',
    description: 'the peer ends by SIGKILL and its machine forgets all: found dead, nothing in plaintext, back with it',
    peers,
    roles: ['initiator'],
    timeoutMs: 90_000,
    settings: { ...plain, ours: { peer: { liveness: { interval: '1s', timeout: '3s' } } } },
    run: async (link) => {
      await link.connect();
      await link.exchange();
      link.lab.step('the peer dies');
      await link.daemon.kill();
      await link.forgetTheirKernel();
      await link.agent.logged('the peer no longer answers; is it running, and do UDP 500 and 4500 reach it?');
      await link.peerUntil('its SAs to be gone', ({ ikeSas }) => ikeSas.every((sa) => sa.state !== 'established'));
      await link.expectBlocked();
      await link.startDaemon();
      await link.encrypting();
      await link.exchange();
      await link.close({ blocked: 'sometimes' });
    },
  }),
];

import { beforeEach, describe, expect, it } from 'vitest';

import { address, childConfig, fqdn, Pair, present } from '../testing/pair.ts';
import type { SelectorConfig } from '../types.ts';

const INSIDE = { source: address('10.1.0.1'), destination: address('10.2.0.1') };
const PUBLIC = address('203.0.113.9');
let pair: Pair;

function net(text: string): SelectorConfig {
  return { prefix: { address: address(text), length: 24 }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

/** Tunnels between networks; the left side is behind a NAT, the right one is not. */
beforeEach(() => {
  pair = new Pair();
  pair.nat = { inside: pair.left, publicAddress: PUBLIC, portShift: 20_000 };
  const children = (local: string, remote: string) => [
    childConfig({ mode: 'tunnel', local: [net(local)], remote: [net(remote)] }),
  ];
  pair.configureLeft({ children: children('10.1.0.0', '10.2.0.0') });
  pair.configureRight({ remoteAddress: 'any', children: children('10.2.0.0', '10.1.0.0') });
  pair.settle();
});

/** The NAT forgets what it had, and maps anew. */
function remap(portShift: number, publicAddress = PUBLIC): void {
  pair.nat = { inside: pair.left, publicAddress, portShift };
}

/** The left side's network sends a packet to the right side's. */
function packetFromInside(): void {
  expect(pair.packet(pair.left, INSIDE)).toBe('encrypted');
  pair.settle();
}

function rightPort(): number | undefined {
  return pair.status(pair.right).ikeSas[0]?.path.remotePort;
}

/** Outer ports of the right side's SAs. */
function ports(): readonly unknown[] {
  return pair.sas(pair.right).map((sa) => sa.udpEncapsulation);
}

function changes(): number {
  return pair.right.commands.filter(({ kind }) => kind === 'updateEncapsulation').length;
}

describe('a peer whose NAT maps it anew', () => {
  it('is followed by IKE and by ESP at its next packet; keys, counters and sequence numbers go on', () => {
    packetFromInside();
    const before = pair.sas(pair.right);
    remap(30_000);
    packetFromInside();
    expect(rightPort()).toBe(34_500);
    expect(ports()).toEqual(
      expect.arrayContaining([
        { sourcePort: 4500, destinationPort: 34_500 },
        { sourcePort: 34_500, destinationPort: 4500 },
      ]),
    );
    expect(pair.sas(pair.right).map(({ id, addedAt }) => ({ id, addedAt }))).toEqual(
      before.map(({ id, addedAt }) => ({ id, addedAt })),
    );
    expect(pair.encrypts(INSIDE)).toBe(true);
    expect(pair.right.facts.filter(({ kind }) => kind === 'peerMoved')).toMatchObject([
      { connection: 'left', from: { remotePort: 24_500 }, to: { remotePort: 34_500 } },
    ]);
  });

  it('is followed at its next IKE message, ESP included', () => {
    remap(30_000);
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    pair.settle();
    expect(rightPort()).toBe(34_500);
    expect(ports()).toContainEqual({ sourcePort: 4500, destinationPort: 34_500 });
    expect(pair.packet(pair.right, { source: INSIDE.destination, destination: INSIDE.source })).toBe('encrypted');
  });

  it('gets a request that was open already at once at its new place', () => {
    pair.command(pair.right, { kind: 'checkLiveness', name: 'left' });
    pair.wire.length = 0;
    remap(30_000);
    const before = pair.sent.length;
    packetFromInside();
    expect(pair.sent[before]?.path.remotePort).toBe(34_500);
    expect(pair.sent).toHaveLength(before + 2);
  });

  it('costs two commands for each change, and nothing while it stays', () => {
    remap(30_000);
    for (let count = 0; count < 5; count += 1) packetFromInside();
    expect(changes()).toBe(2);
  });

  it('is followed at once while its NAT wavers, but by ESP no more than five times a second, and then for good', () => {
    for (let shift = 30_000; shift < 38_000; shift += 1_000) {
      remap(shift);
      packetFromInside();
    }
    expect(changes()).toBe(2 * 5);
    expect(rightPort()).toBe(38_500);
    pair.advance(2_500);
    packetFromInside();
    expect(rightPort()).toBe(41_500);
  });

  it('is not found elsewhere by an old packet that somebody sends again', () => {
    packetFromInside();
    const sent = pair.left.kernel.outbound({ ...UDP, ...INSIDE });
    if (sent.kind !== 'esp') throw new Error('not encrypted');
    const seen = { ...sent.packet, source: PUBLIC, udp: { sourcePort: 24_500, destinationPort: 4500 } };
    expect(pair.right.kernel.inbound(seen).kind).toBe('accepted');
    const replayed = { ...seen, source: address('198.51.100.66'), udp: { sourcePort: 666, destinationPort: 4500 } };
    expect(pair.right.kernel.inbound(replayed)).toMatchObject({ statistic: 'XfrmInStateSeqError' });
    const forged = { ...replayed, sequence: seen.sequence + 5 };
    expect(pair.right.kernel.inbound(forged)).toMatchObject({ statistic: 'XfrmInStateProtoError' });
    pair.settle();
    expect(rightPort()).toBe(24_500);
    expect(changes()).toBe(0);
  });

  it.each([1, 2])(
    'is not found elsewhere by %i of three fragments of its message that somebody sends again',
    (count) => {
      const identity = fqdn(`left.${'x'.repeat(3_000)}`);
      const calls = new Pair();
      calls.nat = { inside: calls.left, publicAddress: PUBLIC, portShift: 20_000 };
      calls.configureLeft({ localIdentity: identity });
      calls.configureRight({ remoteAddress: 'any', remoteIdentity: identity });
      calls.fire();
      for (let message = 0; message < 2; message += 1) calls.deliver();
      const fragments = calls.wire.splice(0);
      expect(fragments).toHaveLength(3);
      calls.nat = { ...calls.nat, publicAddress: address('198.51.100.66') };
      for (const stolen of fragments.slice(0, count)) calls.deliverCopy(stolen);
      calls.nat = { ...calls.nat, publicAddress: PUBLIC };
      for (const fragment of fragments.slice(count)) calls.deliverCopy(fragment);
      expect(calls.status(calls.right).ikeSas).toMatchObject([
        { state: 'established', path: { remoteAddress: PUBLIC, localPort: 4500 } },
      ]);
      calls.wire.length = 0;
      calls.advance(3_000);
      expect(calls.encrypts()).toBe(true);
    },
  );

  it('gets new SAs where the kernel does not take the new ports', () => {
    pair.right.refuse = ({ kind }) => (kind === 'updateEncapsulation' ? 'no' : undefined);
    const before = pair.outbound(pair.right).map(({ id }) => id.spi);
    remap(30_000);
    packetFromInside();
    expect(pair.outbound(pair.right).map(({ id }) => id.spi)).not.toEqual(expect.arrayContaining(before));
    expect(pair.encrypts(INSIDE)).toBe(true);
    expect(ports()).toContainEqual({ sourcePort: 4500, destinationPort: 34_500 });
  });

  it('gets new keys at once where the address is another one: no key is ever used in two SAs', () => {
    const before = pair.outbound(pair.right).map(({ id }) => id.spi);
    remap(30_000, address('203.0.113.77'));
    packetFromInside();
    const [outbound] = pair.outbound(pair.right);
    expect(pair.outbound(pair.right)).toHaveLength(1);
    expect(outbound?.id.destination).toBe('203.0.113.77');
    expect(before).not.toContain(outbound?.id.spi);
    expect(pair.encrypts(INSIDE)).toBe(true);
    expect(pair.right.commands.some(({ kind }) => kind === 'updateEncapsulation')).toBe(false);
  });

  it('loses no packet that was on the way on the old SAs when the new ones came', () => {
    const late = pair.left.kernel.outbound({ ...UDP, ...INSIDE });
    if (late.kind !== 'esp') throw new Error('not encrypted');
    remap(30_000, address('203.0.113.77'));
    packetFromInside();
    const seen = { ...late.packet, source: PUBLIC, udp: { sourcePort: 24_500, destinationPort: 4500 } };
    expect(pair.right.kernel.inbound(seen).kind).toBe('accepted');
  });
});

describe('a peer without a NAT', () => {
  it('stays where it is, wherever its ESP comes from', () => {
    const plain = new Pair().configure({ natTraversal: 'Always' }).settle();
    const child = present(plain.status(plain.left).ikeSas[0]?.children[0]);
    const event = {
      kind: 'mapping',
      id: { destination: plain.left.address, spi: child.inboundSpi },
      reqid: child.reqid,
      newAddress: address('198.51.100.66'),
      newPort: 666,
    } as const;
    plain.handle(plain.left, { kind: 'kernel', event });
    expect(plain.status(plain.left).ikeSas[0]?.path.remoteAddress).toBe(plain.right.address);
    expect(plain.encrypts()).toBe(true);
  });
});

const UDP = {
  kind: 'plain',
  protocol: 17,
  sourcePort: 4000,
  destinationPort: 5000,
  payloadBytes: 100,
} as const;

import { describe, expect, it } from 'vitest';

import { NotifyType } from '../../wire/registry.ts';
import { address, childConfig, connectionConfig, fqdn, Pair, present } from '../testing/pair.ts';
import { notifyTypes, parsed } from '../testing/scripted-peer.ts';
import type { ConnectionConfig, SelectorConfig } from '../types.ts';

function net(text: string): SelectorConfig {
  return { prefix: { address: address(text), length: 24 }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

/** A tunnel between networks behind both ends: addresses inside do not change on the way. */
function tunnel(local: string, remote: string): Partial<ConnectionConfig> {
  return { children: [childConfig({ mode: 'tunnel', local: [net(local)], remote: [net(remote)] })] };
}

const WAITING = { remoteAddress: 'any', initiation: 'respond' } as const;
const INSIDE = { source: address('10.1.0.1'), destination: address('10.2.0.1') };

/** The left side stands behind a NAT. */
function behindNat(left: Partial<ConnectionConfig> = {}, right: Partial<ConnectionConfig> = {}): Pair {
  const pair = new Pair();
  pair.nat = { inside: pair.left, publicAddress: address('203.0.113.9'), portShift: 20_000 };
  pair.configureLeft({ ...tunnel('10.1.0.0', '10.2.0.0'), ...left });
  pair.configureRight({ ...WAITING, ...tunnel('10.2.0.0', '10.1.0.0'), ...right });
  return pair;
}

/** The right side's agent begins anew; its kernel goes on. */
function restartRight(pair: Pair, changes: Partial<ConnectionConfig>): void {
  const dumped = pair.right.kernel.dump();
  if (!dumped.ok) throw new Error(dumped.error.message);
  pair.restarted(pair.right, 99);
  const connections = [connectionConfig(pair.right, pair.left, { ...WAITING, ...changes })];
  pair.command(pair.right, { kind: 'start', connections, snapshot: dumped.value });
}

describe('a node that waits for a peer of any address', () => {
  const back = { source: INSIDE.destination, destination: INSIDE.source };

  it('lets nothing out in plaintext before the peer has called, where networks are Required', () => {
    const pair = behindNat();
    expect(pair.packet(pair.right, back)).toBe('blocked');
    pair.settle();
    expect(pair.packet(pair.right, back)).toBe('encrypted');
  });

  it.each([
    ['networks', tunnel('10.1.0.0', '10.2.0.0'), tunnel('10.2.0.0', '10.1.0.0'), INSIDE],
    ['the hosts themselves', { children: [childConfig()] }, { children: [childConfig()] }, {}],
  ] as const)(
    'goes on receiving from a peer whose agent is away, and blocks once its SAs are gone: %s',
    (_, left, right, packet) => {
      const pair = behindNat(left, right).settle();
      pair.advanceLosing(200_000);
      expect(pair.status(pair.right).ikeSas).toEqual([]);
      expect(pair.packet(pair.left, packet)).toBe('encrypted');
      pair.advanceLosing(7_200_000);
      const reply = 'source' in packet ? back : packet;
      expect(pair.packet(pair.right, reply)).toBe('blocked');
    },
  );

  it.each([
    ['networks', tunnel('10.1.0.0', '10.2.0.0'), tunnel('10.2.0.0', '10.1.0.0'), INSIDE],
    ['the hosts themselves', { children: [childConfig()] }, { children: [childConfig()] }, {}],
  ] as const)('loses no packet when its agent restarts, in either direction: %s', (_, left, right, packet) => {
    const pair = behindNat(left, right).settle();
    restartRight(pair, right);
    expect(pair.encrypts(packet)).toBe(true);
  });

  it('goes on blocking for the peer that is at an address now when the one before it is taken out', () => {
    const pair = behindNat({ children: [childConfig()] }, { children: [childConfig()] }).settle();
    const name = 'second';
    const other = { ...WAITING, name, remoteIdentity: fqdn(name), children: [childConfig({ reqid: 0x6000_0002 })] };
    pair.configureRight(other);
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    pair.settle();
    pair.configureLeft({ localIdentity: fqdn(name), children: [childConfig()] });
    pair.settle();
    pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
    expect(pair.encrypts()).toBe(true);
    pair.advanceLosing(7_400_000);
    expect(pair.packet(pair.right)).toBe('blocked');
  });

  it('blocks nobody for a peer that has been taken out of the configuration', () => {
    const pair = behindNat({ children: [childConfig()] }, { children: [childConfig()] }).settle();
    pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
    pair.settle();
    expect(pair.policies(pair.right)).toEqual([]);
  });
});

describe('NAT traversal', () => {
  it('without a NAT everything stays on port 500, and ESP is bare (RFC 7296 §2.23)', () => {
    const pair = new Pair().configure().settle();
    expect(new Set(pair.sent.map(({ path }) => path.localPort))).toEqual(new Set([500]));
    expect(pair.status(pair.left).ikeSas[0]).toMatchObject({ nat: { local: false, remote: false } });
    expect(pair.sas(pair.left).every((sa) => sa.udpEncapsulation === undefined)).toBe(true);
  });

  it('behind a NAT IKE_AUTH and all that follows goes over port 4500, and ESP into UDP', () => {
    const pair = behindNat().settle();
    const ports = pair.sent.map(({ path }) => [path.localPort, path.remotePort]);
    expect(ports).toEqual([
      [500, 500],
      [500, 20_500],
      [4500, 4500],
      [4500, 24_500],
    ]);
    expect(pair.status(pair.left).ikeSas[0]?.nat).toEqual({ local: true, remote: false });
    expect(pair.status(pair.right).ikeSas[0]?.nat).toEqual({ local: false, remote: true });
    expect(pair.encrypts(INSIDE)).toBe(true);
  });

  it('the SAs say the ports that ESP really has at each end', () => {
    const pair = behindNat().settle();
    const encapsulation = (of: typeof pair.left) => pair.sas(of).map((sa) => [sa.source, sa.udpEncapsulation]);
    expect(encapsulation(pair.left)).toEqual(
      expect.arrayContaining([
        ['192.0.2.1', { sourcePort: 4500, destinationPort: 4500 }],
        ['192.0.2.2', { sourcePort: 4500, destinationPort: 4500 }],
      ]),
    );
    expect(encapsulation(pair.right)).toEqual(
      expect.arrayContaining([
        ['192.0.2.2', { sourcePort: 4500, destinationPort: 24_500 }],
        ['203.0.113.9', { sourcePort: 24_500, destinationPort: 4500 }],
      ]),
    );
  });

  it('a peer behind a NAT moves to where its authenticated messages come from, and only by those (RFC 7296 §2.23)', () => {
    const pair = behindNat().settle();
    const last = present(pair.sent.filter(({ from }) => from === pair.left).at(-1));
    pair.nat = { inside: pair.left, publicAddress: address('203.0.113.9'), portShift: 30_000 };
    pair.deliverCopy(last);
    expect(pair.status(pair.right).ikeSas[0]?.path.remotePort).toBe(24_500);
    pair.wire.length = 0;
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    const request = present(pair.wire.shift());
    const forged = request.bytes.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    pair.deliverCopy(request, forged);
    expect(pair.status(pair.right).ikeSas[0]?.path.remotePort).toBe(24_500);
    pair.deliverCopy(request);
    expect(pair.status(pair.right).ikeSas[0]?.path.remotePort).toBe(34_500);
    expect(pair.wire[0]?.path.remotePort).toBe(34_500);
  });

  it('a peer that is not behind a NAT is answered where it asks from but does not move', () => {
    const pair = new Pair().configure().settle();
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    const { bytes } = present(pair.wire.shift());
    const path = { ...pair.path(pair.right), remoteAddress: address('198.51.100.66'), remotePort: 999 };
    pair.handle(pair.right, { kind: 'datagram', path, bytes });
    expect(pair.wire[0]?.path).toEqual(path);
    expect(pair.status(pair.right).ikeSas[0]?.path).toEqual(pair.path(pair.right));
  });

  it('ESP does not go where a copy of IKE_AUTH came from first, though the answer does', () => {
    const pair = new Pair().configure();
    pair.fire();
    pair.deliver();
    pair.deliver();
    const { bytes } = present(pair.wire.shift());
    const thief = { remoteAddress: address('198.51.100.66'), remotePort: 999 };
    for (const localPort of [500, 4500]) {
      pair.handle(pair.right, { kind: 'datagram', path: { ...pair.path(pair.right), ...thief, localPort }, bytes });
      expect(pair.wire.shift()?.path).toMatchObject(thief);
    }
    pair.deliverCopy({ from: pair.left, path: pair.path(pair.left), bytes });
    pair.settle();
    expect(pair.encrypts()).toBe(true);
    expect(pair.status(pair.right).ikeSas[0]?.path.remoteAddress).toBe(pair.left.address);
  });

  it.each([
    ['the initiator', { natTraversal: 'Always' }, {}],
    ['the responder', {}, { natTraversal: 'Always' }],
    ['both', { natTraversal: 'Always' }, { natTraversal: 'Always' }],
  ] as const)('Always at %s puts ESP into UDP at both ends although there is no NAT', (_, left, right) => {
    const pair = new Pair().configure(left, right).settle();
    for (const side of [pair.left, pair.right]) {
      expect(pair.sas(side).map((sa) => sa.udpEncapsulation)).toEqual([
        { sourcePort: 4500, destinationPort: 4500 },
        { sourcePort: 4500, destinationPort: 4500 },
      ]);
    }
    expect(pair.encrypts()).toBe(true);
  });

  it.each([
    ['the initiator', { natTraversal: 'Never' }, {}],
    ['the responder', {}, { natTraversal: 'Never' }],
  ] as const)('Never at %s keeps both ends at port 500', (_, left, right) => {
    const pair = new Pair().configure(left, right).settle();
    expect(new Set(pair.sent.map(({ path }) => path.localPort))).toEqual(new Set([500]));
    expect(pair.encrypts()).toBe(true);
  });

  it('Never says nothing of NAT detection', () => {
    const pair = new Pair().configure({ natTraversal: 'Never' });
    pair.fire();
    const types = notifyTypes(parsed(present(pair.wire[0]).bytes).payloads);
    expect(types).not.toContain(NotifyType.NAT_DETECTION_SOURCE_IP);
    expect(types).not.toContain(NotifyType.NAT_DETECTION_DESTINATION_IP);
  });

  it('behind a NAT a peer is known by its identity among several of unknown address', () => {
    const pair = behindNat({ localIdentity: fqdn('left') });
    pair.configureRight({
      name: 'second',
      remoteAddress: 'any',
      remoteIdentity: fqdn('second'),
      ...tunnel('10.2.0.0', '10.3.0.0'),
    });
    pair.settle();
    expect(pair.right.endpoint.status(pair.at).connections.map(({ ikeSas }) => ikeSas.length)).toEqual([1, 0]);
  });
});

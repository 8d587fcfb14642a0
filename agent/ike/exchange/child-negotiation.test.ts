import { describe, expect, it } from 'vitest';

import type { Payload } from '../../wire/payloads/payload.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import { NotifyType } from '../../wire/registry.ts';
import { selectorText, trafficSelectors } from '../negotiation/selector.ts';
import { address, childConfig, Pair } from '../testing/pair.ts';
import { calling, notifyTypes, texts, waiting } from '../testing/scripted-peer.ts';
import type { SelectorConfig } from '../types.ts';

/** `10.1.0.0/16`, optionally with protocol and ports. */
function net(text: string, protocol = 0, fromPort = 0, toPort = 65_535): SelectorConfig {
  const [base = '', length] = text.split('/');
  return { prefix: { address: address(base), length: Number(length) }, protocol, fromPort, toPort };
}

function range(start: string, end: string, more: Partial<TrafficSelector> = {}): TrafficSelector {
  const bytes = (text: string): Uint8Array => Uint8Array.from(text.split('.'), Number);
  return { tsType: 7, protocol: 0, startPort: 0, endPort: 65_535, start: bytes(start), end: bytes(end), ...more };
}

/** A tunnel between networks, from the left side's point of view. */
function tunnel(local: readonly SelectorConfig[], remote: readonly SelectorConfig[]) {
  return { children: [childConfig({ mode: 'tunnel', local, remote })] };
}

function selectorsOf(payloads: readonly Payload[]): readonly (readonly string[])[] {
  return payloads.flatMap((each) =>
    each.kind === 'tsi' || each.kind === 'tsr' ? [each.selectors.map(selectorText)] : [],
  );
}

const LEFT = net('10.1.0.0/16');
const RIGHT = net('10.2.0.0/16');
const TUNNELLED = { source: address('10.1.2.3'), destination: address('10.2.3.4') };

describe('traffic selectors', () => {
  it('a tunnel between networks carries what was agreed on, in both directions', () => {
    const pair = new Pair().configure(tunnel([LEFT], [RIGHT]), tunnel([RIGHT], [LEFT])).settle();
    expect(pair.encrypts(TUNNELLED)).toBe(true);
    expect(pair.status(pair.left).ikeSas[0]?.children[0]?.localSelectors).toEqual(['10.1.0.0/16']);
  });

  it('the responder narrows to what it is configured for, and both ends protect the same packets (RFC 7296 §2.9)', () => {
    const pair = new Pair();
    pair.configure(tunnel([LEFT], [net('10.0.0.0/8')]), tunnel([net('10.2.4.0/22', 6)], [LEFT])).settle();
    for (const [side, local, remote] of [
      [pair.left, '10.1.0.0/16[tcp]', '10.2.4.0/22[tcp]'],
      [pair.right, '10.2.4.0/22[tcp]', '10.1.0.0/16[tcp]'],
    ] as const) {
      expect(pair.status(side).ikeSas[0]?.children[0]).toMatchObject({
        localSelectors: [local.replace('[tcp]', side === pair.left ? '' : '[tcp]')],
        remoteSelectors: [remote.replace('[tcp]', side === pair.left ? '[tcp]' : '')],
      });
    }
    const inside = { source: address('10.1.2.3'), destination: address('10.2.5.4'), protocol: 6 };
    expect(pair.encrypts(inside)).toBe(true);
  });

  it('what was narrowed away is blocked where encryption is required, not sent on the narrower SA', () => {
    const pair = new Pair();
    pair.configure(tunnel([LEFT], [RIGHT]), tunnel([net('10.2.4.0/22')], [LEFT])).settle();
    expect(pair.packet(pair.left, { ...TUNNELLED, destination: address('10.2.5.4') })).toBe('encrypted');
    expect(pair.packet(pair.left, { ...TUNNELLED, destination: address('10.2.200.4') })).toBe('blocked');
  });

  it('what was narrowed away passes in plaintext where encryption is optional', () => {
    const pair = new Pair();
    const child = childConfig({ mode: 'tunnel', local: [LEFT], remote: [RIGHT], enforcement: 'Permissive' });
    pair.configure({ children: [child] }, tunnel([net('10.2.4.0/22')], [LEFT])).settle();
    expect(pair.packet(pair.left, { ...TUNNELLED, destination: address('10.2.5.4') })).toBe('encrypted');
    expect(pair.packet(pair.left, { ...TUNNELLED, destination: address('10.2.200.4') })).toBe('plain');
  });

  it('the initiator takes a range that is no prefix and a range of ports, and expresses both exactly', () => {
    const peer = calling(tunnel([LEFT], [RIGHT]));
    const request = peer.accept();
    const ours = [range('10.2.0.1', '10.2.0.6', { protocol: 17, startPort: 1000, endPort: 1002 })];
    const theirs = [range('10.1.0.0', '10.1.255.255', { protocol: 17 })];
    peer.send(peer.respond(request, [...peer.proof(), ...peer.child({ ours, theirs, transport: false })]));
    const out = peer.pair.policies(peer.subject).filter((each) => each.direction === 'out' && each.template?.spi);
    expect(out).toHaveLength(4 * 2);
    expect(peer.pair.status(peer.subject).ikeSas[0]?.children[0]?.remoteSelectors).toEqual([
      '10.2.0.1-10.2.0.6[udp/1000-1002]',
    ]);
    const to = (host: string, destinationPort: number) =>
      peer.subject.kernel.outbound({
        kind: 'plain',
        source: address('10.1.9.9'),
        destination: address(host),
        protocol: 17,
        sourcePort: 7,
        destinationPort,
        payloadBytes: 1,
      }).kind;
    expect([to('10.2.0.1', 1000), to('10.2.0.6', 1002)]).toEqual(['esp', 'esp']);
    expect([to('10.2.0.0', 1000), to('10.2.0.7', 1000), to('10.2.0.3', 1003), to('10.2.0.3', 999)]).toEqual(
      Array(4).fill('dropped'),
    );
  });

  it('ICMP type and code stay in their places in both directions (RFC 7296 §3.13.1)', () => {
    const echo = (type: number) =>
      [net('10.1.0.0/16', 1, type << 8, (type << 8) | 255), net('10.2.0.0/16', 1)] as const;
    const [local, remote] = echo(8);
    const pair = new Pair().configure(tunnel([local], [remote]), tunnel([remote], [local])).settle();
    const ping = { ...TUNNELLED, protocol: 1, sourcePort: 8, destinationPort: 0 };
    expect(pair.packet(pair.left, ping)).toBe('encrypted');
    expect(pair.packet(pair.left, { ...ping, sourcePort: 3, destinationPort: 8 })).not.toBe('encrypted');
  });

  it('several selectors are narrowed one by one, and what lies within another is left out', () => {
    const peer = waiting(tunnel([net('10.1.0.0/16'), net('10.9.0.0/16')], [RIGHT]));
    const answer = peer.authenticate(() => [
      ...peer.proof(),
      ...peer.child({
        ours: [range('10.2.0.0', '10.2.0.255'), range('10.2.0.0', '10.2.255.255'), range('192.0.2.0', '192.0.2.9')],
        theirs: [range('10.1.7.0', '10.1.8.255'), range('10.8.0.0', '10.9.0.0')],
        transport: false,
      }),
    ]);
    expect(selectorsOf(answer)).toEqual([['10.2.0.0/16'], ['10.1.7.0-10.1.8.255', '10.9.0.0/32']]);
  });

  it.each([
    ['its own side', { ours: [range('10.2.0.0', '10.3.0.0')] }],
    ['our side', { theirs: [range('10.0.0.0', '10.1.255.255')] }],
    ['the protocol', { ours: [range('10.2.0.0', '10.2.0.255')], theirs: [range('0.0.0.0', '255.255.255.255')] }],
  ] as const)(
    'a responder that widens %s is refused and told to delete what it installed (RFC 7296 §2.9)',
    (_, change) => {
      const peer = calling(tunnel([net('10.1.0.0/16', 6)], [net('10.2.0.0/16', 6)]));
      const base = {
        ours: trafficSelectors([RIGHT], address('10.2.0.0')),
        theirs: trafficSelectors([LEFT], address('10.1.0.0')),
      };
      const request = peer.accept();
      peer.send(peer.respond(request, [...peer.proof(), ...peer.child({ ...base, ...change, transport: false })]));
      const said = peer.open(peer.take());
      const asked = peer.open(request).find((payload) => payload.kind === 'sa');
      expect(said).toEqual([{ kind: 'delete', protocol: 3, spiSize: 4, spis: asked?.proposals.map(({ spi }) => spi) }]);
      expect(peer.pair.outbound(peer.subject)).toEqual([]);
      expect(texts(peer.subject, 'negotiationFailed')[0]).toMatch(
        /^right widened the traffic selectors of Child hosts to /,
      );
      expect(peer.pair.status(peer.subject).ikeSas[0]).toMatchObject({ state: 'established', children: [] });
    },
  );

  it('selectors without anything in common are TS_UNACCEPTABLE; the IKE SA stays and says so (RFC 7296 §1.2)', () => {
    const pair = new Pair().configure(tunnel([LEFT], [RIGHT]), tunnel([net('10.7.0.0/16')], [LEFT])).settle();
    for (const side of [pair.left, pair.right]) {
      expect(pair.status(side).ikeSas).toMatchObject([{ state: 'established', children: [] }]);
      expect(pair.outbound(side)).toEqual([]);
    }
    expect(texts(pair.right, 'negotiationFailed')).toEqual([
      'no common traffic selectors with left: it offers 10.2.0.0/16 to 10.1.0.0/16, configured is 10.7.0.0/16 to 10.1.0.0/16',
    ]);
    expect(texts(pair.left, 'negotiationFailed')).toEqual([
      'right accepts none of the traffic selectors of Child hosts: compare them with its configuration',
    ]);
  });

  it('a refused Child SA is asked for again on the same IKE SA, ever more rarely', () => {
    const pair = new Pair().configure(tunnel([LEFT], [RIGHT]), tunnel([net('10.7.0.0/16')], [LEFT]));
    pair.advance(300_000);
    const failures = pair.left.facts.filter((fact) => fact.kind === 'negotiationFailed').length;
    expect(failures).toBeGreaterThan(4);
    expect(failures).toBeLessThan(14);
    expect(pair.left.facts.filter((fact) => fact.kind === 'ikeSaEstablished')).toHaveLength(1);
  });

  it('OPAQUE ports, which no kernel can select by, are refused', () => {
    const peer = waiting();
    const ours = trafficSelectors([{ protocol: 17, fromPort: 65_535, toPort: 0 }], address('192.0.2.2'));
    const answer = peer.authenticate(() => [...peer.proof(), ...peer.child({ ours })]);
    expect(notifyTypes(answer)).toContain(NotifyType.TS_UNACCEPTABLE);
  });
});

describe('transport mode', () => {
  it('a responder that declines it leaves no tunnel behind: the Child SA is deleted (RFC 7296 §1.3.1)', () => {
    const peer = calling();
    const request = peer.accept();
    peer.send(peer.respond(request, [...peer.proof(), ...peer.child({ transport: false })]));
    expect(peer.open(peer.take()).map((payload) => payload.kind)).toEqual(['delete']);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right declined transport mode for Child hosts: set the mode alike on both sides',
    ]);
  });

  it('a responder must not choose it unasked', () => {
    const peer = calling(tunnel([LEFT], [RIGHT]));
    const request = peer.accept();
    const child = peer.child({
      ours: [range('10.2.0.0', '10.2.0.9')],
      theirs: [range('10.1.0.0', '10.1.0.9')],
    });
    peer.send(peer.respond(request, [...peer.proof(), ...child]));
    expect(peer.open(peer.take()).map((payload) => payload.kind)).toEqual(['delete']);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });

  it('a responder configured for it refuses a tunnel and says what to change', () => {
    const peer = waiting();
    const answer = peer.authenticate(() => [...peer.proof(), ...peer.child({ transport: false })]);
    expect(notifyTypes(answer)).toContain(NotifyType.NO_PROPOSAL_CHOSEN);
    expect(texts(peer.subject, 'negotiationFailed')).toEqual([
      'right asks for tunnel mode, no Child is configured for it: set traffic.mode alike on both sides',
    ]);
  });

  it('a responder configured for a tunnel grants one to an initiator that would like transport mode', () => {
    const peer = waiting(tunnel([net('192.0.2.1/32')], [net('192.0.2.2/32')]));
    const answer = peer.authenticate();
    expect(notifyTypes(answer)).not.toContain(NotifyType.USE_TRANSPORT_MODE);
    expect(peer.pair.status(peer.subject).ikeSas[0]?.children[0]?.mode).toBe('tunnel');
  });
});

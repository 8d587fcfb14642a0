import { describe, expect, it } from 'vitest';

import { selectorText } from '../negotiation/selector.ts';
import { address, childConfig, fqdn, Pair, present, type Side } from '../testing/pair.ts';
import type { ConnectionConfig } from '../types.ts';

const PUBLIC = address('203.0.113.9');

/** A pair in transport mode of which one side stands behind a NAT; the left one initiates. */
function behindNat(
  which: 'left' | 'right',
  left: Partial<ConnectionConfig> = {},
  right: Partial<ConnectionConfig> = {},
): Pair {
  const pair = new Pair();
  pair.nat = { inside: pair[which], publicAddress: PUBLIC, portShift: which === 'left' ? 20_000 : 0 };
  pair.configureLeft({ ...(which === 'right' && { remoteAddress: PUBLIC }), ...left });
  pair.configureRight({ ...(which === 'left' && { remoteAddress: 'any' }), ...right });
  return pair.settle();
}

function selectors(side: Side): readonly unknown[] {
  return side.facts.flatMap((fact) =>
    fact.kind === 'childSaEstablished'
      ? [[fact.traffic.localSelectors.map(selectorText), fact.traffic.remoteSelectors.map(selectorText)]]
      : [],
  );
}

describe('transport mode through a NAT', () => {
  it('encrypts in both directions with the initiator behind it; each end sees the addresses of its packets', () => {
    const pair = behindNat('left');
    expect(pair.encrypts()).toBe(true);
    expect(selectors(pair.left)).toEqual([[['192.0.2.1/32'], ['192.0.2.2/32']]]);
    expect(selectors(pair.right)).toEqual([[['192.0.2.2/32'], ['203.0.113.9/32']]]);
  });

  it('encrypts in both directions with the responder behind it', () => {
    const pair = behindNat('right');
    expect(pair.encrypts()).toBe(true);
    expect(selectors(pair.left)).toEqual([[['192.0.2.1/32'], ['203.0.113.9/32']]]);
    expect(selectors(pair.right)).toEqual([[['192.0.2.2/32'], ['192.0.2.1/32']]]);
  });

  it('goes on through a rekey from either side', () => {
    const pair = behindNat('left');
    for (const side of [pair.left, pair.right]) {
      const child = present(pair.status(side).ikeSas[0]?.children[0]);
      const id = { destination: side.address, spi: child.inboundSpi };
      pair.handle(side, { kind: 'kernel', event: { kind: 'expire', id, reqid: child.reqid, hard: false } });
      pair.settle();
      expect(pair.status(side).ikeSas[0]?.children.at(-1)?.inboundSpi).not.toBe(child.inboundSpi);
      expect(pair.encrypts()).toBe(true);
      pair.advance(60_000);
    }
  });

  it('keeps protocol and ports as they were agreed on', () => {
    const udp = { protocol: 17, fromPort: 0, toPort: 65_535 };
    const port = { protocol: 17, fromPort: 5_000, toPort: 5_000 };
    const left = { children: [childConfig({ local: [udp], remote: [port] })] };
    const pair = behindNat('left', left, { children: [childConfig({ local: [port], remote: [udp] })] });
    expect(selectors(pair.right)).toEqual([[['192.0.2.2/32[udp/5000]'], ['203.0.113.9/32[udp]']]]);
    expect(pair.packet(pair.left)).toBe('encrypted');
  });

  it('moves to new SAs when the NAT gives the peer another address', () => {
    const pair = behindNat('left');
    const before = pair.status(pair.right).ikeSas[0]?.children[0]?.outboundSpi;
    pair.nat = { inside: pair.left, publicAddress: address('203.0.113.77'), portShift: 25_000 };
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    pair.settle();
    expect(pair.encrypts()).toBe(true);
    const after = pair.status(pair.right).ikeSas[0]?.children.at(-1);
    expect(after?.outboundSpi).not.toBe(before);
    expect(after?.remoteSelectors).toEqual(['203.0.113.77/32']);
  });
});

describe('transport mode with a peer whose NAT gives it another address before it has answered', () => {
  const ELSEWHERE = address('203.0.113.77');

  /** The left has called the right, which is behind a NAT, and so many messages have arrived. */
  function asking(messages: number, changes: Partial<ConnectionConfig> = {}): Pair {
    const pair = new Pair();
    pair.nat = { inside: pair.right, publicAddress: PUBLIC, portShift: 0 };
    pair.configure({ remoteAddress: PUBLIC, ...changes }, changes);
    pair.fire();
    for (let message = 0; message < messages; message += 1) pair.deliver();
    return pair;
  }

  /** The next message of the side behind the NAT shows that it has another address. */
  function move(pair: Pair, inside: Side, portShift: number): void {
    pair.nat = { inside, publicAddress: ELSEWHERE, portShift };
  }

  it.each(['the request', 'the answer'])('a rekey of ours encrypts at once, though %s was lost', (lost) => {
    const pair = behindNat('left').advance(60_000);
    pair.command(pair.right, { kind: 'rekeyChild', name: 'left', child: 'hosts' });
    pair.fire();
    if (lost === 'the answer') pair.deliver();
    pair.wire.length = 0;
    move(pair, pair.left, 25_000);
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    pair.settle();
    for (let second = 0; second < 60; second += 1) {
      expect(pair.encrypts(), `after ${second} s`).toBe(true);
      pair.advance(1_000);
    }
    expect(selectors(pair.right).at(-1)).toEqual([['192.0.2.2/32'], ['203.0.113.77/32']]);
    expect(pair.policies(pair.right)).toHaveLength(2);
    expect(pair.outbound(pair.right)).toHaveLength(1);
  });

  it('a further Child SA that we have asked for encrypts at once', () => {
    const between = (protocol: number) => {
      const traffic = [{ protocol, fromPort: 0, toPort: 65_535 }];
      return { local: traffic, remote: traffic };
    };
    const next = childConfig({ ...between(6), name: 'next', reqid: 0x6000_0002 });
    const children = [childConfig(between(17)), next];
    const pair = asking(4, { children });
    pair.fire();
    pair.wire.length = 0;
    move(pair, pair.right, 0);
    pair.command(pair.right, { kind: 'checkLiveness', name: 'left' });
    pair.settle();
    expect(selectors(pair.left)).toContainEqual([['192.0.2.1/32[tcp]'], ['203.0.113.77/32[tcp]']]);
    expect(pair.encrypts({ protocol: 6 })).toBe(true);
    expect(pair.encrypts({ protocol: 17 })).toBe(true);
  });

  it('the first Child SA encrypts at once', () => {
    const pair = asking(3);
    move(pair, pair.right, 0);
    pair.settle();
    expect(selectors(pair.left)).toEqual([[['192.0.2.1/32'], ['203.0.113.77/32']]]);
    expect(pair.encrypts()).toBe(true);
  });
});

describe('two clients behind one NAT', () => {
  const right = { remoteAddress: 'any', initiation: 'respond' } as const;

  /** The right side knows two clients; both come from behind the same NAT, each as `client` says. */
  function clients(client: (number: number) => Partial<ConnectionConfig>): Pair {
    const pair = new Pair();
    pair.nat = { inside: pair.left, publicAddress: PUBLIC, portShift: 20_000 };
    const children = (number: number) => client(number).children ?? [childConfig()];
    const mirrored = (number: number) =>
      children(number).map((child) => ({ ...child, local: child.remote, remote: child.local }));
    for (const number of [1, 2]) {
      const identity = fqdn(`client-${number}`);
      const reqid = (child: (typeof CHILD)[0]) => ({ ...child, reqid: 0x6000_0010 + number });
      pair.configureRight({
        ...right,
        name: `client-${number}`,
        remoteIdentity: identity,
        children: mirrored(number).map(reqid),
      });
      pair.configureLeft({
        name: `right-${number}`,
        localIdentity: identity,
        ...client(number),
        children: children(number).map(reqid),
      });
      pair.advance(1);
    }
    return pair;
  }
  const CHILD = [childConfig()];

  function childrenOf(pair: Pair): readonly number[] {
    return pair.right.endpoint
      .status(pair.at)
      .connections.map(({ ikeSas }) => ikeSas.flatMap(({ children }) => children).length);
  }

  it('in transport mode the second is refused with words that say why and what to do', () => {
    const pair = clients(() => ({}));
    expect(childrenOf(pair)).toEqual([1, 0]);
    const failure = pair.right.facts.find(({ kind }) => kind === 'negotiationFailed');
    expect(failure).toMatchObject({ connection: 'client-2', reason: 'trafficSelectorsUnacceptable', by: 'us' });
    expect(failure).toHaveProperty('text', expect.stringContaining('client-2 and client-1 cannot be told apart'));
    expect(failure).toHaveProperty('text', expect.stringContaining('use tunnel mode'));
  });

  it('in transport mode both are served where their ports differ', () => {
    const ports = (number: number) => ({ protocol: 6, fromPort: 8_000 + number, toPort: 8_000 + number });
    const any = { protocol: 6, fromPort: 0, toPort: 65_535 };
    const pair = clients((number) => ({ children: [childConfig({ local: [ports(number)], remote: [any] })] }));
    expect(childrenOf(pair)).toEqual([1, 1]);
  });

  it('in tunnel mode both are served where their networks differ, and the second is refused where they do not', () => {
    const net = (text: string) => ({
      prefix: { address: address(text), length: 24 },
      protocol: 0,
      fromPort: 0,
      toPort: 65_535,
    });
    const tunnel = (local: string) => ({
      children: [childConfig({ mode: 'tunnel', local: [net(local)], remote: [net('10.2.0.0')] })],
    });
    expect(childrenOf(clients((number) => tunnel(`10.${10 + number}.0.0`)))).toEqual([1, 1]);
    expect(childrenOf(clients(() => tunnel('10.1.0.0')))).toEqual([1, 0]);
  });
});

import { describe, expect, it } from 'vitest';

import { policyKeyText } from '../../dataplane/texts.ts';
import { address, childConfig, connectionConfig, Pair } from '../testing/pair.ts';
import type { ChildConfig, ConnectionChange } from '../types.ts';

const absent = { name: 'absent', address: address('192.0.2.3') };

/** A Child for one network behind the peer, named after it. */
function network(number: number, reqid: number): ChildConfig {
  const net = (text: string) => ({
    prefix: { address: address(text), length: 16 },
    protocol: 0,
    fromPort: 0,
    toPort: 0xffff,
  });
  return childConfig({
    name: `net-${number}`,
    mode: 'tunnel',
    reqid,
    local: [net('10.1.0.0')],
    remote: [net(`10.${number}.0.0`)],
  });
}

/** Two networks behind the right side, and one behind a peer that never answers. */
function twoPeers(): Pair {
  const pair = new Pair();
  const back = (child: ChildConfig) => ({ ...child, local: child.remote, remote: child.local });
  pair.configure({ children: behindRight }, { children: behindRight.map(back) });
  pair.command(pair.left, { kind: 'addConnection', connection: toAbsent(network(4, ABSENT)) });
  return pair.settle().advance(30_000);
}

function toRight(pair: Pair, ...children: readonly ChildConfig[]) {
  return connectionConfig(pair.left, pair.right, { children });
}

function toAbsent(...children: readonly ChildConfig[]) {
  return connectionConfig({ name: 'left', address: address('192.0.2.1') }, absent, { children });
}

/** Carries out a change and watches the network that moves: its policies go at no moment, and are the absent peer's then. */
function moves(pair: Pair, moved: number, changes: readonly ConnectionChange[]): void {
  const { left } = pair;
  const before = left.commands.length;
  const traffic = { source: address('10.1.0.1'), destination: address(`10.${moved}.0.1`) };
  pair.command(left, { kind: 'changeConnections', changes });
  const check = () => {
    const keys = policiesTo(pair, moved).map(policyKeyText);
    const removed = left.commands.slice(before).flatMap((each) => (each.kind === 'deletePolicy' ? [each.key] : []));
    expect(removed.map(policyKeyText).filter((key) => keys.includes(key))).toEqual([]);
    expect(policiesTo(pair, moved).map(({ template }) => template?.reqid)).toEqual([MOVED, MOVED, MOVED]);
    expect(pair.packet(left, traffic)).toBe('blocked');
  };
  check();
  pair.settle();
  check();
  pair.advance(60_000);
  check();
}

function policiesTo(pair: Pair, number: number) {
  return pair.policies(pair.left).filter(({ selector }) => {
    const ends: readonly string[] = [selector.source.address, selector.destination.address];
    return ends.includes(`10.${number}.0.0`);
  });
}

describe('a network that moves from one peer to another in one change stays encrypted or blocked', () => {
  it('where the old peer keeps others, and is still being told', () => {
    const pair = twoPeers();
    const connections = [toRight(pair, network(2, RIGHT)), toAbsent(network(4, ABSENT), network(3, MOVED))];
    moves(pair, 3, connections.map(update));
  });

  it('in whichever order the two come', () => {
    const pair = twoPeers();
    const connections = [toAbsent(network(4, ABSENT), network(3, MOVED)), toRight(pair, network(2, RIGHT))];
    moves(pair, 3, connections.map(update));
    expect(pair.encrypts({ source: address('10.1.0.1'), destination: address('10.2.0.1') })).toBe(true);
  });

  it('where the old peer does not answer that it has heard', () => {
    const pair = twoPeers();
    const connections = [toRight(pair, network(2, RIGHT)), toAbsent(network(4, ABSENT), network(3, MOVED))];
    pair.command(pair.left, { kind: 'changeConnections', changes: connections.map(update) });
    pair.advanceLosing(40_000);
    expect(policiesTo(pair, 3).map(({ template }) => template?.reqid)).toEqual([MOVED, MOVED, MOVED]);
  });

  it('where the old peer is configured no more', () => {
    const pair = twoPeers();
    const removal = { kind: 'removeConnection', name: 'right' } as const;
    moves(pair, 3, [removal, update(toAbsent(network(4, ABSENT), network(3, MOVED)))]);
    expect(policiesTo(pair, 2)).toEqual([]);
  });

  it('where the new peer is new', () => {
    const pair = new Pair();
    pair.configure({ children: [network(3, 0x6000_0009)] }, { children: [] });
    const addition = { kind: 'addConnection', connection: toAbsent(network(3, MOVED)) } as const;
    moves(pair, 3, [{ kind: 'removeConnection', name: 'right' }, addition]);
  });

  it('and the peers change places', () => {
    const pair = twoPeers();
    const connections = [toRight(pair, network(2, RIGHT), network(4, 0x6000_0007)), toAbsent(network(3, MOVED))];
    moves(pair, 3, connections.map(update));
    expect(policiesTo(pair, 4).map(({ template }) => template?.reqid)).toEqual([0x6000_0007, 0x6000_0007, 0x6000_0007]);
  });

  it('and goes in plaintext as soon as neither has it', () => {
    const pair = twoPeers();
    pair.command(pair.left, {
      kind: 'changeConnections',
      changes: [toRight(pair, network(2, RIGHT)), toAbsent(network(4, ABSENT), network(3, MOVED))].map(update),
    });
    pair.settle();
    pair.command(pair.left, { kind: 'updateConnection', connection: toAbsent(network(4, ABSENT)) });
    pair.advance(60_000);
    expect(policiesTo(pair, 3)).toEqual([]);
  });
});

function update(connection: ReturnType<typeof connectionConfig>): ConnectionChange {
  return { kind: 'updateConnection', connection };
}

const RIGHT = 0x6000_0001;
const ABSENT = 0x6000_0003;
const MOVED = 0x6000_0005;
const behindRight = [network(2, RIGHT), network(3, 0x6000_0002)];

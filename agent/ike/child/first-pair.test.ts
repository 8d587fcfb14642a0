import { describe, expect, it } from 'vitest';

import type { Packet, PlainPacket } from '../../dataplane/memory/packet.ts';
import { childConfig, connectionConfig, type Datagram, Pair, type Side } from '../testing/pair.ts';
import { headline } from '../testing/scripted-peer.ts';
import type { ChildConfig, IkeAction, SelectorConfig } from '../types.ts';

/*
 * A pair comes up under packets that pass in plaintext until then, because that is allowed: the responder has its SAs a
 * round trip, and the time of a verification, before the initiator.
 */

interface UnderWay<T> {
  readonly arrivesAt: number;
  readonly cargo: T;
}

/** What became of the packets that both sides have sent all the time. */
interface Fates {
  lost: number;
  plain: number;
  encrypted: number;
}

/** What packets meet while `event` has its consequences; `loses` says which IKE messages do not arrive. */
function fates(pair: Pair, event: () => void, loses: (message: Datagram) => boolean = () => false): Fates {
  const packets: UnderWay<{ readonly to: Side; readonly packet: Packet }>[] = [];
  const messages: UnderWay<Datagram>[] = [];
  const counts: Fates = { lost: 0, plain: 0, encrypted: 0 };
  const begun = pair.at;
  event();
  for (; pair.at < begun + WATCHED_MS; pair.at += STEP_MS) {
    for (const { to, packet } of arrived(packets, pair.at)) {
      if (to.kernel.inbound(packet).kind === 'dropped') counts.lost += 1;
    }
    for (const message of arrived(messages, pair.at)) pair.deliverCopy(message);
    pair.fire();
    for (const cargo of pair.wire.splice(0)) {
      if (!loses(cargo)) messages.push({ arrivesAt: pair.at + MESSAGE_MS, cargo });
    }
    for (const from of [pair.left, pair.right]) {
      const to = pair.other(from);
      const plain = packetFrom(from, to);
      const fate = from.kernel.outbound(plain);
      if (fate.kind === 'dropped') counts.lost += 1;
      else {
        const packet = fate.kind === 'esp' ? fate.packet : plain;
        counts[fate.kind === 'esp' ? 'encrypted' : 'plain'] += 1;
        packets.push({ arrivesAt: pair.at + PACKET_MS, cargo: { to, packet } });
      }
    }
  }
  return counts;
}

function arrived<T>(underWay: UnderWay<T>[], at: number): readonly T[] {
  const count = underWay.findIndex(({ arrivesAt }) => arrivesAt > at);
  return underWay.splice(0, count < 0 ? underWay.length : count).map(({ cargo }) => cargo);
}

function packetFrom(from: Side, to: Side): PlainPacket {
  const ports = { protocol: 17, sourcePort: 4_000, destinationPort: 5_000, payloadBytes: 100 };
  return { kind: 'plain', source: from.address, destination: to.address, ...ports };
}

/** Both sides' configuration with Children that may be sent in plaintext. */
function permissive(...children: readonly Partial<ChildConfig>[]) {
  return { children: children.map((each) => childConfig({ enforcement: 'Permissive', ...each })) };
}

/** Has the right send on an outbound SA as soon as it has that. */
function hasten(pair: Pair): void {
  const { right } = pair;
  const handle = right.endpoint.handle.bind(right.endpoint);
  Object.assign(right.endpoint, {
    handle: (...args: Parameters<typeof handle>) => {
      const actions = handle(...args);
      return [...actions, ...actions.flatMap((action) => pinsTo(pair, addedOutbound(action)))];
    },
  });
}

function addedOutbound(action: IkeAction): number | undefined {
  if (action.kind !== 'dataplane' || action.command.kind !== 'addSa') return undefined;
  return action.command.sa.direction === 'out' ? action.command.sa.id.spi : undefined;
}

/** Policies of the right that select that SA on the way out. */
function pinsTo(pair: Pair, spi: number | undefined): readonly IkeAction[] {
  if (spi === undefined) return [];
  return pair.policies(pair.right).flatMap(({ template, ...policy }): readonly IkeAction[] => {
    if (policy.direction !== 'out' || template === undefined) return [];
    const command = { kind: 'putPolicy', policy: { ...policy, template: { ...template, spi } } } as const;
    return [{ kind: 'dataplane', command, owner: { connection: 'left', ikeSa: 0, childSpi: 0 } }];
  });
}

/** INFORMATIONAL of the left, by which it shows what it has. */
function isShown({ from, bytes }: Datagram): boolean {
  const [exchange, , kind] = headline(bytes);
  return from.name === 'left' && exchange === 37 && kind === 'request';
}

/** Delivers until the right has granted the first pair; its answer is under way. */
function granted(pair: Pair): Pair {
  pair.fire();
  for (const _ of ['IKE_SA_INIT', 'its answer', 'IKE_AUTH']) pair.deliver();
  return pair;
}

const STEP_MS = 5;
const PACKET_MS = 10;
const MESSAGE_MS = 40;
const WATCHED_MS = 10_000;

describe('a first pair that comes up under packets in plaintext', () => {
  it.each<readonly [string, Partial<ChildConfig>]>([
    ['transport mode', {}],
    ['a tunnel', { mode: 'tunnel' }],
  ])('loses none of them in %s, and both sides use it as soon as they can know that they both have it', (_, mode) => {
    const pair = new Pair();
    const { lost, plain, encrypted } = fates(pair, () => pair.configure(permissive(mode), permissive(mode)));
    expect(lost).toBe(0);
    // Two exchanges and the word of the initiator are five messages.
    expect(plain).toBeLessThanOrEqual((2 * 5 * MESSAGE_MS) / STEP_MS + 2);
    expect(plain + encrypted).toBe((2 * WATCHED_MS) / STEP_MS);
  });

  it('loses none where the word of the initiator is lost: the responder asks for it half a second later', () => {
    const pair = new Pair();
    const { lost, plain } = fates(
      pair,
      () => pair.configure(permissive({}), permissive({})),
      (message) => isShown(message) && pair.at < 1_000 + 1_500,
    );
    expect(lost).toBe(0);
    expect(plain).toBeLessThan(2 * (1_000 / STEP_MS));
    expect(pair.encrypts()).toBe(true);
  });

  it('would lose packets if the responder sent on it at once', () => {
    const pair = new Pair();
    hasten(pair);
    expect(fates(pair, () => pair.configure(permissive({}), permissive({}))).lost).toBeGreaterThan(0);
  });

  it('of a second Child loses none either', () => {
    const second = { name: 'tunnel', mode: 'tunnel', reqid: 0x6000_0002 } as const;
    const first = { local: [port(7_000)], remote: [port(7_000)] };
    const pair = new Pair();
    const both = permissive(first, second);
    const { lost } = fates(pair, () => pair.configure(both, both));
    expect(lost).toBe(0);
    expect(pair.encrypts()).toBe(true);
    expect(pair.sas(pair.left)).toHaveLength(4);
  });

  it('is not waited with where plaintext is not allowed', () => {
    const pair = granted(new Pair().configure());
    expect(pair.right.kernel.outbound(packetFrom(pair.right, pair.left)).kind).toBe('esp');
  });

  it('is sent on at once where plaintext is not allowed any more', () => {
    const pair = granted(new Pair().configure(permissive({}), permissive({})));
    expect(pair.right.kernel.outbound(packetFrom(pair.right, pair.left)).kind).toBe('plain');
    const connection = connectionConfig(pair.right, pair.left, { initiation: 'respond' });
    pair.command(pair.right, { kind: 'updateConnection', connection });
    expect(pair.right.kernel.outbound(packetFrom(pair.right, pair.left)).kind).toBe('esp');
  });

  it('is sent on by the side that asked for it as soon as it has it', () => {
    const pair = granted(new Pair().configure(permissive({}), permissive({})));
    pair.deliver();
    expect(pair.packet(pair.left)).toBe('encrypted');
    expect(pair.packet(pair.right)).toBe('plain');
    pair.settle();
    expect(pair.encrypts()).toBe(true);
  });
});

describe('where plaintext is allowed', () => {
  it('a machine that has been booted is sent to in plaintext from its first word on, until it has new SAs', () => {
    const pair = new Pair().configure(permissive({}), permissive({})).settle().advance(10_000);
    pair.rebooted(pair.left, 77);
    pair.configureLeft(permissive({}));
    granted(pair);
    expect(pair.packet(pair.right)).toBe('plain');
    pair.advance(10_000);
    expect(pair.encrypts()).toBe(true);
  });

  it('a first pair that is ended before the peer is known to have it has never been sent on', () => {
    const pair = granted(new Pair().configure(permissive({}), permissive({})));
    pair.wire.length = 0;
    pair.command(pair.right, { kind: 'terminate', name: 'left' });
    pair.fire();
    expect(pair.packet(pair.right)).toBe('plain');
  });

  it('traffic without an SA still asks for one on demand', () => {
    const pair = new Pair().configure({ ...permissive({}), initiation: 'onDemand' }, permissive({})).settle();
    expect(pair.sas(pair.left)).toEqual([]);
    expect(pair.packet(pair.left)).toBe('plain');
    pair.settle();
    expect(pair.encrypts()).toBe(true);
  });
});

function port(number: number): SelectorConfig {
  return { protocol: 17, fromPort: number, toPort: number };
}

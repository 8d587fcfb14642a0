import { describe, expect, it } from 'vitest';

import type { EspPacket, PlainPacket } from '../../dataplane/memory/packet.ts';
import { type Datagram, Pair, type Side } from '../testing/pair.ts';
import { headline } from '../testing/scripted-peer.ts';
import type { IkeAction } from '../types.ts';

/*
 * The order of kernel operations at a rekey, broken step by step: each step is there because packets are lost without
 * it. The left rekeys; both send all the time.
 */

/** Changes what a side's endpoint wants done, before it is done. */
type Sabotage = (actions: readonly IkeAction[]) => readonly IkeAction[];

interface Conditions {
  readonly left?: Sabotage;
  readonly right?: Sabotage;
  /** How long a packet takes; an IKE message takes `MESSAGE_MS`. */
  readonly packetMs?: number;
}

interface UnderWay<T> {
  readonly arrivesAt: number;
  readonly cargo: T;
}

/** How many packets are lost of those that both sides send while the left rekeys the Child SA. */
function lostPackets({ left, right, packetMs = FAST_MS }: Conditions): number {
  const pair = new Pair();
  if (left !== undefined) disturb(pair.left, left);
  if (right !== undefined) disturb(pair.right, right);
  pair.configure().settle().advance(10_000);
  const packets: UnderWay<{ readonly to: Side; readonly esp: EspPacket }>[] = [];
  const messages: UnderWay<Datagram>[] = [];
  let lost = 0;
  const begun = pair.at;
  for (; pair.at < begun + WATCHED_MS; pair.at += STEP_MS) {
    if (pair.at === begun + STEP_MS) pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
    for (const { to, esp } of arrived(packets, pair.at)) if (to.kernel.inbound(esp).kind === 'dropped') lost += 1;
    for (const message of arrived(messages, pair.at)) pair.deliverCopy(message);
    pair.fire();
    const sent = pair.wire.splice(0).map((cargo) => ({ arrivesAt: pair.at + MESSAGE_MS, cargo }));
    messages.push(...sent);
    for (const from of [pair.left, pair.right]) {
      const to = pair.other(from);
      const fate = from.kernel.outbound(packet(from, to));
      if (fate.kind === 'esp') packets.push({ arrivesAt: pair.at + packetMs, cargo: { to, esp: fate.packet } });
      else lost += 1;
    }
  }
  expect(pair.left.facts.filter(({ kind }) => kind === 'childSaRekeyed')).toHaveLength(1);
  return lost;
}

function arrived<T>(underWay: UnderWay<T>[], at: number): readonly T[] {
  const count = underWay.findIndex(({ arrivesAt }) => arrivesAt > at);
  return underWay.splice(0, count < 0 ? underWay.length : count).map(({ cargo }) => cargo);
}

function packet(from: Side, to: Side): PlainPacket {
  const ports = { protocol: 17, sourcePort: 4_000, destinationPort: 5_000, payloadBytes: 100 };
  return { kind: 'plain', source: from.address, destination: to.address, ...ports };
}

function disturb(side: Side, sabotage: Sabotage): void {
  const handle = side.endpoint.handle.bind(side.endpoint);
  Object.assign(side.endpoint, { handle: (...args: Parameters<typeof handle>) => sabotage(handle(...args)) });
}

/** From the rekey on, holds actions back until a later list has one such as `until`. */
function heldBack(which: (action: IkeAction) => boolean, until: (action: IkeAction) => boolean): Sabotage {
  let held: IkeAction[] = [];
  let rekeys = false;
  return (actions) => {
    rekeys ||= actions.some(isRekey);
    if (!rekeys) return actions;
    const released = actions.some(until) ? held.splice(0) : [];
    held = [...held, ...actions.filter(which)];
    return [...actions.filter((action) => !which(action)), ...released];
  };
}

/** CREATE_CHILD_SA, whoever sends it. */
function isRekey(action: IkeAction): boolean {
  return action.kind === 'transmit' && headline(action.bytes)[0] === 36;
}

function answersDelete(action: IkeAction): boolean {
  if (action.kind !== 'transmit') return false;
  const [exchange, , kind] = headline(action.bytes);
  return exchange === 37 && kind === 'response';
}

function never(): boolean {
  return false;
}

function adds(direction: 'in' | 'out'): (action: IkeAction) => boolean {
  return (action) =>
    action.kind === 'dataplane' && action.command.kind === 'addSa' && action.command.sa.direction === direction;
}

function movesPin(action: IkeAction): boolean {
  return (
    action.kind === 'dataplane' && action.command.kind === 'putPolicy' && action.command.policy.direction === 'out'
  );
}

/** Policies leave the choice of the SA to the kernel, which takes the newest. */
function unpinned(actions: readonly IkeAction[]): readonly IkeAction[] {
  return actions.map((action) => {
    if (action.kind !== 'dataplane' || action.command.kind !== 'putPolicy') return action;
    const { policy } = action.command;
    const template = policy.template && { ...policy.template, spi: 0 };
    return { ...action, command: { ...action.command, policy: { ...policy, ...(template && { template }) } } };
  });
}

/** Whoever deletes an outbound SA of a pair deletes the inbound one with it; noted from what was added before. */
function withoutGrace(): Sabotage {
  const twins = new Map<number, IkeAction>();
  let inbound: IkeAction | undefined;
  return (actions) =>
    actions.flatMap((action): readonly IkeAction[] => {
      if (action.kind !== 'dataplane') return [action];
      const { command } = action;
      if (command.kind === 'addSa' && command.sa.direction === 'in') {
        inbound = { ...action, command: { kind: 'deleteSa', id: command.sa.id } };
      } else if (command.kind === 'addSa' && inbound !== undefined) twins.set(command.sa.id.spi, inbound);
      const twin = command.kind === 'deleteSa' ? twins.get(command.id.spi) : undefined;
      return twin === undefined ? [action] : [action, twin];
    });
}

/** Pins the out policies to an outbound SA as soon as that is there. */
function pinnedAtOnce(): Sabotage {
  let last: Extract<IkeAction, { kind: 'dataplane' }> | undefined;
  return (actions) => {
    for (const action of actions) if (action.kind === 'dataplane' && movesPin(action)) last = action;
    return hastenedPin(actions, last);
  };
}

function hastenedPin(
  actions: readonly IkeAction[],
  last: Extract<IkeAction, { kind: 'dataplane' }> | undefined,
): readonly IkeAction[] {
  const { command } = last ?? {};
  return actions.flatMap((action): readonly IkeAction[] => {
    if (action.kind !== 'dataplane' || action.command.kind !== 'addSa' || action.command.sa.direction !== 'out') {
      return [action];
    }
    if (last === undefined || command?.kind !== 'putPolicy' || command.policy.template === undefined) return [action];
    const template = { ...command.policy.template, spi: action.command.sa.id.spi };
    return [action, { ...last, command: { ...command, policy: { ...command.policy, template } } }];
  });
}

const FAST_MS = 10;
const SLOW_MS = 100;
const MESSAGE_MS = 40;
const STEP_MS = 5;
const WATCHED_MS = 10_000;

describe('a rekey under traffic', () => {
  it.each([FAST_MS, MESSAGE_MS, SLOW_MS])('loses nothing, whether packets take %i ms or IKE is quicker', (packetMs) => {
    expect(lostPackets({ packetMs })).toBe(0);
  });

  it.each<readonly [string, Conditions]>([
    ['the responder has its inbound SA only after it has answered', { right: heldBack(adds('in'), answersDelete) }],
    ['the responder sends on the new pair before the initiator has it', { right: pinnedAtOnce() }],
    ['the kernel chooses the newest outbound SA, because nothing is pinned', { right: unpinned }],
    ['the responder goes on with the old pair after its Delete', { right: heldBack(movesPin, never) }],
    ['the initiator deletes the old pair before it has the new inbound SA', { left: heldBack(adds('in'), never) }],
    ['the initiator deletes the old pair before it has moved', { left: heldBack(movesPin, never) }],
    ['the initiator deletes its old inbound SA at once', { left: withoutGrace() }],
    ['the responder deletes its old inbound SA at once', { right: withoutGrace(), packetMs: SLOW_MS }],
  ])('loses packets where %s', (_, conditions) => {
    expect(lostPackets(conditions)).toBeGreaterThan(0);
  });
});

import type { ChildSa } from '../child/child-sa.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { CloseReason } from '../fact.ts';
import { followUpLater, settleLater } from '../follow-up.ts';
import { NO_REASSEMBLIES } from '../message/fragment.ts';
import { endWith } from '../message/requests.ts';
import { Window } from '../message/window.ts';
import { compareBytes } from '../negotiation/byte-order.ts';
import type { AgreedIkeSa, Outcome } from '../outcome.ts';
import type { Established, IkeSa, QueuedRequest, Rekeyed } from '../state.ts';
import type { Instant } from '../types.ts';
import { shortened } from './rekey-time.ts';

/*
 * An IKE SA takes the place of another one by a rekey (RFC 7296 §2.8, §2.18): it has its Child SAs, its requests that
 * wait, and its name wherever the other one is meant. Nothing changes in the kernel. The initiator of the rekey deletes
 * the old one. Where two rekeys have crossed, both ends keep the Child SAs on the old one until they know all four
 * nonces (§2.8.2).
 */

/** Makes the new IKE SA, if one was agreed on, and lets the one that stays take the place of `old`. */
export function succeed(
  core: Core,
  at: Instant,
  old: IkeSa,
  connection: Connection,
  { agreed, rival: number }: NonNullable<Outcome['succession']>,
): void {
  if (old.state.kind !== 'established') return;
  const { asked } = old.state;
  const made = agreed && newIkeSa(core, at, old, old.state, connection, agreed);
  if (made !== undefined && agreed?.role === 'responder') {
    if (asked?.kind !== 'rekeyIkeSa') replaceBy(core, at, old, connection, made);
    else {
      old.state = { ...old.state, asked: { ...asked, rival: made.number } };
      made.state = { ...made.state, rivalOf: { ikeSa: old.number, lowestNonce: agreed.lowestNonce } };
    }
    return;
  }
  const rival = connection.ikeSas.find((each) => each.number === number);
  const rivalState = rival?.state.kind === 'established' ? rival.state : undefined;
  if (rival === undefined || rivalState?.rivalOf === undefined) {
    if (made !== undefined) replaceBy(core, at, old, connection, made);
  } else if (agreed !== undefined && made !== undefined) {
    const redundant = compareBytes(agreed.lowestNonce, rivalState.rivalOf.lowestNonce) < 0;
    const [winner, loser] = redundant ? [rival, made] : [made, rival];
    replaceBy(core, at, old, connection, winner);
    retireIkeSa(core, at, loser, winner, 'duplicate');
  } else replaceBy(core, at, old, connection, rival);
}

/** What the peer does on an IKE SA of a rekey of its own that has crossed ours shows that it stays. */
export function acceptRival(core: Core, at: Instant, connection: Connection, rival: IkeSa): void {
  if (rival.state.kind !== 'established' || rival.state.rivalOf === undefined) return;
  const { ikeSa } = rival.state.rivalOf;
  const old = connection.ikeSas.find(({ number }) => number === ikeSa);
  if (old !== undefined) replaceBy(core, at, old, connection, rival);
}

/** The IKE SA ends: one of a rekey of the peer that has crossed ours has its place. */
export function inherit(core: Core, at: Instant, connection: Connection, old: IkeSa): void {
  const rival = connection.ikeSas.find(({ state }) => {
    return state.kind === 'established' && state.rivalOf?.ikeSa === old.number;
  });
  if (rival === undefined || old.state.kind !== 'established') return;
  handOver(core, at, old, old.state, connection, rival);
  report(core, connection, old, rival);
}

/**
 * Deletes what has been rekeyed, if the peer, whose turn it is, has had its time and is known to have the successor. What has
 * lost against a rekey that crossed it never had anything: a peer that has not heard of it misses nothing.
 */
export function endRekeyed(core: Core, at: Instant, connection: Connection, sa: IkeSa, state: Rekeyed): void {
  const successor = connection.ikeSas.find(({ number }) => number === state.successor);
  const standing = successor?.state.kind === 'established' ? successor.state : undefined;
  const isUnproved = standing !== undefined && (successor?.lastHeardAt ?? 0) <= standing.establishedAt;
  if (successor !== undefined && isUnproved && state.reason !== 'duplicate') {
    // Our answer may be lost: the peer can ask for it again only where the old IKE SA still stands.
    sa.state = { ...state, deleteAt: at + core.context.limits.rekeyedGraceMs };
    followUpLater(core, at, successor, [], true);
    return;
  }
  deleteRekeyed(core, at, sa, state, state.reason);
}

/** What an IKE SA that ends had taken the place of is not waited with any longer: nobody will ask for it. */
export function hastenPredecessors(core: Core, at: Instant, { ikeSas }: Connection, successor: IkeSa): void {
  for (const sa of ikeSas) {
    if (sa.state.kind !== 'rekeyed' || sa.state.successor !== successor.number) continue;
    sa.state = { ...sa.state, deleteAt: at };
    core.touch(sa);
  }
}

/** Deletes what has been rekeyed now; whatever else was asked on it is of no interest any more. */
export function deleteRekeyed(core: Core, at: Instant, sa: IkeSa, state: Rekeyed, reason: CloseReason): void {
  sa.window.close();
  endWith(core, at, sa, state, { kind: 'deleteIkeSa', reason });
}

function newIkeSa(
  core: Core,
  at: Instant,
  old: IkeSa,
  state: Established,
  connection: Connection,
  { role, localSpi, remoteSpi, keys, cryptography }: AgreedIkeSa,
): IkeSa & { state: Established } {
  const { jitter } = core.context.random;
  const sa: IkeSa & { state: Established } = {
    ...old,
    number: core.nextNumber(),
    role,
    localSpi,
    remoteSpi,
    state: {
      ...state,
      keys,
      cryptography,
      establishedAt: at,
      children: [],
      asked: undefined,
      followUp: undefined,
      rekeyAt: at + shortened(connection.config.ikeLifetimeMs, jitter),
      rekeyingSince: undefined,
      settleAt: undefined,
      endsAt: undefined,
      rivalOf: undefined,
    },
    window: new Window(),
    queue: [],
    reassemblies: NO_REASSEMBLIES,
    lastHeardAt: at,
    nextIv: 0,
    timerAt: undefined,
  };
  core.ikeSas.set(localSpi, sa);
  connection.ikeSas.push(sa);
  core.touch(sa);
  return sa;
}

function replaceBy(core: Core, at: Instant, old: IkeSa, connection: Connection, successor: IkeSa): void {
  if (old.state.kind !== 'established') return;
  handOver(core, at, old, old.state, connection, successor);
  report(core, connection, old, successor);
  retireIkeSa(core, at, old, successor, 'rekeyed');
}

/** Gives the successor everything that is not the old one's own. */
function handOver(
  core: Core,
  at: Instant,
  old: IkeSa,
  state: Established,
  connection: Connection,
  successor: IkeSa,
): void {
  if (successor.state.kind !== 'established') return;
  const { settleAt, followUp, children } = state;
  const firstAnswer = successor.window.nextRequestId;
  const inherited = children.map((child): ChildSa => {
    return child.settledBy === undefined ? child : { ...child, settledBy: firstAnswer };
  });
  successor.state = { ...successor.state, children: inherited, rivalOf: undefined };
  old.state = { ...state, children: [], settleAt: undefined, followUp: undefined };
  successor.queue.push(...old.queue.splice(0).filter(isInherited));
  renumber(connection, old.number, successor.number);
  if (settleAt !== undefined) settleLater(core, successor, settleAt);
  // Not before the peer can have our answer.
  followUpLater(core, at, successor, followUp?.missing ?? [], followUp?.show ?? false);
  core.touch(old);
  core.touch(successor);
}

function isInherited({ kind }: QueuedRequest): boolean {
  return kind !== 'liveness' && kind !== 'probePath' && kind !== 'rekeyIkeSa' && kind !== 'inviteReauthentication';
}

/** Whatever means the old IKE SA means its successor from here on. */
function renumber(connection: Connection, old: number, successor: number): void {
  const renamed = (number: number): number => (number === old ? successor : number);
  connection.replacing = renamed(connection.replacing);
  connection.invited = renamed(connection.invited);
  connection.outdated = connection.outdated.map(renamed);
  connection.firstIkeSa = renamed(connection.firstIkeSa);
  connection.retiring = connection.retiring.map((each) => ({ ...each, toldOn: renamed(each.toldOn) }));
  for (const sa of connection.ikeSas) sa.replaces = renamed(sa.replaces);
}

/** An IKE SA without Child SAs is deleted by the initiator of the rekey that it lost its place by, or lost in. */
function retireIkeSa(core: Core, at: Instant, sa: IkeSa, successor: IkeSa, reason: CloseReason): void {
  if (sa.state.kind !== 'established') return;
  const { keys, cryptography, asked } = sa.state;
  const judge = reason === 'duplicate' ? sa : successor;
  if (judge.role === 'initiator') {
    endWith(core, at, sa, sa.state, { kind: 'deleteIkeSa', reason });
    return;
  }
  if (asked?.kind === 'rekeyIkeSa') {
    asked.key.ephemeral.wipe();
    sa.window.close();
  }
  const deleteAt = at + core.context.limits.rekeyedGraceMs;
  sa.state = { kind: 'rekeyed', reason, successor: successor.number, deleteAt, keys, cryptography };
  core.touch(sa);
}

function report(core: Core, connection: Connection, old: IkeSa, successor: IkeSa): void {
  const { role, path, localSpi, remoteSpi, number, state } = successor;
  const initiator = role === 'initiator';
  core.report({
    kind: 'ikeSaRekeyed',
    connection: connection.config.name,
    ikeSa: number,
    replaced: old.number,
    role,
    path,
    initiatorSpi: initiator ? localSpi : remoteSpi,
    responderSpi: initiator ? remoteSpi : localSpi,
    suite: state.kind === 'established' ? state.cryptography.suite.text : '',
  });
}

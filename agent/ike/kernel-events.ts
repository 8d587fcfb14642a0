import type { DataplaneError, DataplaneEvent, SaId, SaSpec } from '../dataplane/types.ts';
import type { ChildSa } from './child/child-sa.ts';
import { deletionOf } from './child/ending.ts';
import { loseChild, reconcile, survey } from './child/kernel-snapshot.ts';
import { orderPolicies } from './child/order-policies.ts';
import { ensureCurrent } from './child/pair-in-use.ts';
import { onCounters } from './child/proof-of-use.ts';
import { rememberRefused } from './child/refused-commands.ts';
import { removeChildren } from './child/removal.ts';
import { forgetExpired } from './child/retirement.ts';
import { noteFailure } from './closing.ts';
import { attempt, backoffMs, isSatisfied, scheduleAttempt } from './connection/connecting.ts';
import { type Connection, initiationOf } from './connection/connection.ts';
import type { Core } from './core.ts';
import { settleLater } from './follow-up.ts';
import { securedBy, storeResponse } from './message/protected-message.ts';
import { enqueue, sendQueued } from './message/requests.ts';
import { onEncapsulationRefused, onMapping } from './path/path.ts';
import { rekeySoon } from './rekey/rekeying.ts';
import type { IkeSa } from './state.ts';
import type { ActionOwner, IkeAction, IkeEvent, Instant } from './types.ts';

/** What the kernel tells by itself. */
export function onKernelEvent(core: Core, at: Instant, event: DataplaneEvent): void {
  switch (event.kind) {
    case 'expire':
      onExpire(core, at, event);
      return;
    case 'acquire':
      onAcquire(core, at, event.reqid);
      return;
    case 'counters':
      onCounters(core, at, event);
      return;
    case 'removed':
      onRemoved(core, at, event);
      return;
    case 'survey':
      survey(core, at, event.snapshot);
      return;
    case 'resync':
      reconcile(core, at, event.snapshot);
      return;
    case 'mapping':
      onMapped(core, at, event);
      return;
  }
}

/** Who is behind a NAT has got another address or port from it. */
function onMapped(core: Core, at: Instant, event: Extract<DataplaneEvent, { kind: 'mapping' }>): void {
  const found = findChild(core, event.reqid, event.id.spi);
  if (found?.child.inboundSpi === event.id.spi) onMapping(core, at, found.sa, event);
}

/** What may stand in the place of one that somebody has deleted is not what the peer knows of. */
function onRemoved(core: Core, at: Instant, { id, reqid }: Extract<DataplaneEvent, { kind: 'removed' }>): void {
  const found = findChild(core, reqid, id.spi);
  if (found === undefined) forget(core, at, { id, reqid });
  else loseChild(core, at, found.connection, found.sa, found.child, id.spi);
}

/** A soft limit asks for a successor; a hard one means that the kernel has removed the SA. */
function onExpire(core: Core, at: Instant, event: Extract<DataplaneEvent, { kind: 'expire' }>): void {
  const found = findChild(core, event.reqid, event.id.spi);
  if (found === undefined) {
    if (event.hard) forget(core, at, event);
    return;
  }
  const { sa, connection, child } = found;
  core.report({ kind: 'saExpired', connection: connection.config.name, child: child.config.name, hard: event.hard });
  if (!event.hard) {
    rekeySoon(core, at, sa, child);
    return;
  }
  removeChildren(core, at, sa, connection, [child.inboundSpi], 'expired');
  // There is nothing to be received on any more, however long the peer may send on it.
  forgetExpired(core, connection, event.id);
  enqueue(core, at, sa, deletionOf(child, 'expired'));
  scheduleAttempt(core, at, connection);
}

function forget(core: Core, at: Instant, { id, reqid }: { readonly id: SaId; readonly reqid: number }): void {
  const owner = core.connections.ofReqid(reqid);
  // An earlier configuration of a peer may have had another reqid.
  for (const connection of owner === undefined ? core.connections.values() : [owner]) {
    if (!forgetExpired(core, connection, id)) continue;
    ensureCurrent(core, at, connection);
    orderPolicies(core, connection);
  }
}

/** Traffic waits for an SA: begin now, unless a failed attempt asks for patience. */
function onAcquire(core: Core, at: Instant, reqid: number): void {
  const connection = core.connections.ofReqid(reqid);
  const child = connection?.config.children.find((config) => config.reqid === reqid);
  if (connection === undefined || child === undefined) return;
  const initiation = initiationOf(connection.config);
  core.report({ kind: 'acquired', connection: connection.config.name, child: child.name });
  // The side that takes over leaves the peer its time: else both would begin at the same packet.
  if (initiation === 'takeover') scheduleAttempt(core, at, connection);
  const waiting = connection.nextAttemptAt !== undefined && connection.failures > 0;
  const begins = initiation === 'start' || initiation === 'onDemand';
  if (begins && !waiting && !isSatisfied(connection)) attempt(core, at, connection, 'first');
}

/** What the runtime tells about a command that the kernel refused. */
export type DataplaneFailure = Extract<IkeEvent, { kind: 'dataplaneFailed' }>;

/**
 * A command of an action list was refused, and what stood behind it was not carried out. Where the Child SA that the
 * command belongs to cannot be without it, the Child SA is taken out again and so is what depended on it; everything
 * else is ordered once more.
 */
export function onDataplaneFailed(core: Core, at: Instant, failure: DataplaneFailure): void {
  const { command, owner, error, dropped } = failure;
  const connection = core.connections.get(owner.connection);
  core.report({ kind: 'dataplaneFailed', connection: owner.connection, error });
  const fatal = command.kind === 'addSa';
  if (fatal || command.kind === 'putPolicy') {
    if (connection !== undefined) connection.policiesUncertain = true;
    for (const each of core.departing) if (each.config.name === owner.connection) each.policiesUncertain = true;
  }
  rememberRefused(core, at, command, error);
  if (command.kind === 'addSa') expectNothing(core, command.sa);
  for (const action of dropped) {
    if (!fatal || isIndependent(action, owner)) core.act(action);
    else discard(core, action);
  }
  if (connection === undefined) return;
  const sa = connection.ikeSas.find((each) => each.number === owner.ikeSa);
  if (command.kind === 'updateEncapsulation' && sa !== undefined) onEncapsulationRefused(core, at, sa, owner.childSpi);
  const child = sa && childOf(sa, owner.childSpi);
  if (!fatal || sa === undefined || child === undefined) {
    const text = `${error.object}: ${error.message}`;
    if (command.kind === 'putPolicy') connection.lastFailure = { at, text };
    return;
  }
  const answer = core.fallback?.sa === sa ? core.fallback.response : [];
  const unanswered = dropped.some((action) => action.kind === 'transmit' && answer.includes(action.bytes));
  abandonChild(core, at, connection, sa, child, error, unanswered);
}

/** The kernel does not take the Child SA: take out what it did take, and tell the peer. */
function abandonChild(
  core: Core,
  at: Instant,
  connection: Connection,
  sa: IkeSa,
  child: ChildSa,
  error: DataplaneError,
  unanswered: boolean,
): void {
  // What would have followed the pair would tell the peer that we have it.
  if (sa.state.kind === 'established') sa.state = { ...sa.state, followUp: undefined };
  removeChildren(core, at, sa, connection, [child.inboundSpi], 'dataplaneFailed', !unanswered);
  const text = `the kernel refuses Child ${child.config.name} of ${connection.config.name}: ${error.message}`;
  noteFailure(core, at, sa, connection, { reason: 'dataplane', by: 'us', text });
  settleLater(core, sa, at + backoffMs(core, connection));
  const secured = securedBy(sa.state);
  const { fallback } = core;
  if (unanswered && fallback !== undefined && secured !== undefined) {
    const { request, payloads } = fallback;
    core.transmit(request.path, storeResponse(core, sa, secured, request, payloads));
  } else {
    sa.queue.unshift(deletionOf(child, 'dataplaneFailed'));
    sendQueued(core, at, sa);
  }
  scheduleAttempt(core, at, connection);
}

/** Facts, deletions and whatever belongs to others are still right after a Child SA has failed. */
function isIndependent(action: IkeAction, owner: ActionOwner): boolean {
  switch (action.kind) {
    case 'report':
      return action.fact.kind !== 'childSaEstablished' || action.fact.inboundSpi !== owner.childSpi;
    case 'dataplane':
      return (
        action.command.kind === 'deleteSa' ||
        action.command.kind === 'deletePolicy' ||
        action.command.kind === 'updateEncapsulation' ||
        action.command.kind === 'forgetSa' ||
        action.owner.connection !== owner.connection
      );
    case 'verify':
    case 'keepalive':
      return true;
    case 'transmit':
      return false;
  }
}

/** Keys pass to whoever executes a command; this one nobody will. */
function discard(core: Core, action: IkeAction): void {
  if (action.kind !== 'dataplane' || action.command.kind !== 'addSa') return;
  const { sa } = action.command;
  sa.encryptionKey.wipe();
  sa.integrityKey.wipe();
  expectNothing(core, sa);
}

/** Packets that are kept for an SA would be kept for ever. */
function expectNothing(core: Core, { id, direction }: SaSpec): void {
  if (direction === 'in') core.command({ kind: 'forgetSa', id }, undefined, 0, 0);
}

function childOf(sa: IkeSa, inboundSpi: number): ChildSa | undefined {
  if (sa.state.kind !== 'established') return undefined;
  return sa.state.children.find((each) => each.inboundSpi === inboundSpi);
}

function findChild(
  core: Core,
  reqid: number,
  spi: number,
): { readonly sa: IkeSa; readonly connection: Connection; readonly child: ChildSa } | undefined {
  const connection = core.connections.ofReqid(reqid);
  if (connection === undefined) return undefined;
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established') continue;
    const child = sa.state.children.find((each) => each.inboundSpi === spi || each.outboundSpi === spi);
    if (child !== undefined) return { sa, connection, child };
  }
  return undefined;
}

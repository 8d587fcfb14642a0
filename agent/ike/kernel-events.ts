import type { DataplaneCommand, DataplaneError, DataplaneEvent } from '../dataplane/types.ts';
import type { ChildSa } from './child-sa.ts';
import { removeChildren } from './children.ts';
import { noteFailure } from './closing.ts';
import { securedBy } from './commit.ts';
import { attempt, isSatisfied, replace, scheduleAttempt } from './connecting.ts';
import type { Connection } from './connection.ts';
import type { Core } from './core.ts';
import { protectedMessage } from './protected-message.ts';
import { enqueue } from './requests.ts';
import type { IkeSa } from './state.ts';
import type { ActionOwner, IkeAction, Instant } from './types.ts';

/** What the kernel tells by itself. */
export function onKernelEvent(core: Core, at: Instant, event: DataplaneEvent): void {
  switch (event.kind) {
    case 'expire':
      onExpire(core, at, event);
      return;
    case 'acquire':
      onAcquire(core, at, event.reqid);
      return;
    case 'mapping':
    case 'counters':
    case 'resync':
      return;
  }
}

/** A soft limit asks for a successor; a hard one means that the kernel has removed the SA. */
function onExpire(core: Core, at: Instant, event: Extract<DataplaneEvent, { kind: 'expire' }>): void {
  const found = findChild(core, event.reqid, event.id.spi);
  if (found === undefined) return;
  const { sa, connection, child } = found;
  core.report({ kind: 'saExpired', connection: connection.config.name, child: child.config.name, hard: event.hard });
  if (!event.hard) {
    if (child.usage === 'current' && connection.replacing === 0) replace(core, at, connection, sa);
    return;
  }
  removeChildren(core, at, sa, connection, [child.inboundSpi], 'expired');
  enqueue(core, at, sa, { kind: 'deleteChild', inboundSpi: child.inboundSpi });
  scheduleAttempt(core, at, connection);
}

/** Traffic waits for an SA: begin now, unless a failed attempt asks for patience. */
function onAcquire(core: Core, at: Instant, reqid: number): void {
  for (const connection of core.connections.values()) {
    const child = connection.config.children.find((config) => config.reqid === reqid);
    if (child === undefined) continue;
    const { name, initiation } = connection.config;
    core.report({ kind: 'acquired', connection: name, child: child.name });
    const waiting = connection.nextAttemptAt !== undefined && connection.failures > 0;
    if (initiation !== 'respond' && !waiting && !isSatisfied(connection)) attempt(core, at, connection);
    return;
  }
}

/** A command of an action list was refused. Clean-up that stood behind it is ordered again; what depended on it is not. */
export function onDataplaneFailed(
  core: Core,
  at: Instant,
  command: DataplaneCommand,
  owner: ActionOwner,
  error: DataplaneError,
  dropped: readonly IkeAction[],
): void {
  const connection = core.connections.get(owner.connection);
  core.report({ kind: 'dataplaneFailed', connection: owner.connection, error });
  if (connection !== undefined) connection.policiesUncertain = true;
  const failed = command.kind === 'addSa' || command.kind === 'putPolicy';
  for (const action of dropped) {
    if (!failed || isIndependent(action, owner)) core.act(action);
  }
  if (!failed || connection === undefined) return;
  const sa = connection.ikeSas.find((each) => each.number === owner.ikeSa);
  const child =
    sa?.state.kind === 'established' ? sa.state.children.find((each) => each.inboundSpi === owner.childSpi) : undefined;
  if (sa === undefined || child === undefined) {
    connection.lastFailure = { at, text: error.message };
    return;
  }
  abandonChild(core, at, connection, sa, child, error);
}

/** The kernel does not take the Child SA: take out what it did take, and tell the peer. */
function abandonChild(
  core: Core,
  at: Instant,
  connection: Connection,
  sa: IkeSa,
  child: ChildSa,
  error: DataplaneError,
): void {
  removeChildren(core, at, sa, connection, [child.inboundSpi], 'dataplaneFailed');
  const text = `the kernel refuses Child ${child.config.name} of ${connection.config.name}: ${error.message}`;
  noteFailure(core, at, sa, connection, { reason: 'dataplane', by: 'us', text });
  const secured = securedBy(sa.state);
  const { fallback } = core;
  if (fallback?.sa === sa && secured !== undefined && error.command === 'addSa') {
    const { exchangeType, messageId, datagram, path } = fallback.request;
    const { keys, cryptography } = secured;
    const response = protectedMessage(core, sa, keys, cryptography, exchangeType, messageId, true, fallback.payloads);
    sa.window.store(messageId, datagram, response);
    core.transmit(path, response);
  } else enqueue(core, at, sa, { kind: 'deleteChild', inboundSpi: child.inboundSpi });
  scheduleAttempt(core, at, connection);
}

/** Facts, deletions and whatever belongs to others are still right after a failure. */
function isIndependent(action: IkeAction, owner: ActionOwner): boolean {
  switch (action.kind) {
    case 'report':
      return action.fact.kind !== 'childSaEstablished' || action.fact.inboundSpi !== owner.childSpi;
    case 'dataplane':
      return (
        action.command.kind === 'deleteSa' ||
        action.command.kind === 'deletePolicy' ||
        action.owner.connection !== owner.connection
      );
    case 'verify':
      return true;
    case 'transmit':
      return false;
  }
}

function findChild(
  core: Core,
  reqid: number,
  spi: number,
): { readonly sa: IkeSa; readonly connection: Connection; readonly child: ChildSa } | undefined {
  for (const connection of core.connections.values()) {
    if (!connection.config.children.some((config) => config.reqid === reqid)) continue;
    for (const sa of connection.ikeSas) {
      if (sa.state.kind !== 'established') continue;
      const child = sa.state.children.find((each) => each.inboundSpi === spi || each.outboundSpi === spi);
      if (child !== undefined) return { sa, connection, child };
    }
  }
  return undefined;
}

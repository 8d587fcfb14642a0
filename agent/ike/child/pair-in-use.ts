import { type Connection, childrenOf, isForgone, mayReceive } from '../connection/connection.ts';
import { isLost, losesTo } from '../connection/rivalry.ts';
import type { Core } from '../core.ts';
import { isRedundant } from '../rekey/under-way.ts';
import type { IkeSa, QueuedRequest } from '../state.ts';
import type { ChildConfig, Instant } from '../types.ts';
import type { ChildSa } from './child-sa.ts';
import { isAboutToEnd, isToBeDeleted } from './ending.ts';
import { orderPolicies } from './order-policies.ts';
import { orphanPins } from './orphan-pins.ts';
import { policyKeys } from './policies.ts';
import { changed, ownerOf, setChildren } from './set-children.ts';

/** Sends on `child` from here on; older pairs of the same Child are received on only. */
export function makeCurrent(core: Core, at: Instant, connection: Connection, child: ChildSa): void {
  markCurrent(core, at, connection, child);
  orderPolicies(core, connection);
}

/** Receives on `child`, and sends in plaintext, until the peer is known to have it. */
export function receiveOnly(core: Core, connection: Connection, child: ChildSa): void {
  noteAddress(core, connection, child);
  orderPolicies(core, connection);
}

/**
 * Whether what would be sent on a pair that the peer may not have goes in plaintext until it is known to. A peer of another
 * make does not hurry to show that it has the pair, and lets in no plaintext once it has.
 */
export function waitsInPlaintext({ state }: IkeSa, { enforcement }: ChildConfig): boolean {
  return enforcement === 'Permissive' && state.kind === 'established' && state.peerIsAgent;
}

/** What was sent on in an IKE SA that is to end goes on in the one that stays, whose pairs the peer is known to have. */
export function sendOn(core: Core, at: Instant, connection: Connection, winner: IkeSa, loser: IkeSa): void {
  if (winner.state.kind !== 'established' || loser.state.kind !== 'established') return;
  for (const ending of loser.state.children) {
    const successor = winner.state.children.find((child) => isSameChild(child, ending.config.name));
    if (ending.usage === 'current' && successor !== undefined) makeCurrent(core, at, connection, successor);
  }
}

/** Pairs that are to be deleted are received on, but not sent on where there is any other. */
export function sendOnOthers(core: Core, at: Instant, connection: Connection): void {
  ensureCurrent(core, at, connection);
  orderPolicies(core, connection);
}

/** Whether what a request is to end is all that is left: a pair that is sent on, or the last IKE SA. */
export function isNeeded(connection: Connection, sa: IkeSa, request: QueuedRequest): boolean {
  if (sa.state.kind !== 'established') return false;
  const only = request.kind === 'deleteChild' ? request.inboundSpi : undefined;
  const ending = sa.state.children.filter(({ inboundSpi }) => only === undefined || only === inboundSpi);
  if (ending.some(({ usage }) => usage === 'current')) return true;
  return only === undefined && !connection.ikeSas.some((other) => other !== sa && isLasting(other));
}

function isLasting(sa: IkeSa): boolean {
  return sa.state.kind === 'established' && sa.state.endsAt === undefined && !isAboutToEnd(sa);
}

/**
 * Where the pair that was sent on is gone, another takes its place, one that waited for it to end or that it had
 * superseded; for want of any other one that is to be deleted, or one that the peer has forgotten but its kernel may still
 * have. Where plaintext is allowed none is sent on that the peer is not known to have. The policies follow when all are in
 * place: none may lose its pin on the way.
 */
export function ensureCurrent(core: Core, at: Instant, connection: Connection, ended: readonly ChildSa[] = []): void {
  const pins = orphanPins(connection);
  const names = new Set(childrenOf(connection).map((child) => child.config.name));
  for (const name of names) {
    const children = childrenOf(connection).filter((child) => isSameChild(child, name));
    const current = children.find(({ usage }) => usage === 'current');
    const stays = current !== undefined && !isLeaving(connection, current);
    if (stays || children.some(({ config }) => pins.has(config.reqid))) continue;
    const candidates = children.filter((child) => !isForgotten(connection, child));
    const lasting = candidates.filter((child) => !isLeaving(connection, child));
    const forgotten = children.filter((child) => isForgotten(connection, child) && mayReceive(connection, child));
    const prefer = (among: readonly ChildSa[]): ChildSa | undefined => preferred(connection, among, ended);
    // Of a peer that has begun anew the kernel has what its earlier run had; what has just been granted it may not have yet.
    const isSure = current !== undefined || lasting.some((child) => isKnown(child) || succeedsOne(child, ended));
    const known = isSure ? undefined : lastSuperseded(forgotten.filter(isKnown));
    const next = known ?? prefer(lasting) ?? current ?? prefer(candidates) ?? prefer(forgotten);
    if (next === undefined) continue;
    if (!isUnproved(connection, next, ended)) markCurrent(core, at, connection, next);
    else if (current === undefined) defer(core, at, connection, next);
  }
}

/** Whether plaintext is rather sent than anything on a pair that the peer is not known to have. */
function isUnproved(connection: Connection, child: ChildSa, ended: readonly ChildSa[]): boolean {
  const owner = ownerOf(connection, child);
  if (owner === undefined || !waitsInPlaintext(owner, child.config)) return false;
  return child.usage !== 'current' && !isKnown(child) && !succeedsOne(child, ended);
}

/** The pair that is sent on as soon as the peer is known to have it. */
function defer(core: Core, at: Instant, connection: Connection, child: ChildSa): void {
  const owner = ownerOf(connection, child);
  if (owner === undefined) return;
  setChildren(owner, (children) =>
    changed(children, (each) => (each === child ? { ...each, usage: 'deferred', deleteAt: undefined } : each)),
  );
  connection.switchCheckAt ??= at + core.context.limits.switchCheckMs;
  core.schedule(connection);
}

/**
 * Whoever ends a pair has the one that was to take its place; where two rekeys of it have crossed that is the one that stays,
 * although the other one may be newer here. Of others that were granted since nobody knows yet whether the answer has come, or
 * is believed: what the peer is known to have comes first, of that what was sent on last. It may be about to end as well;
 * then the peer says so, and receives on it until it is heard. Of pairs that a newer one had superseded together, before
 * either was known to have arrived, the one that was sent on comes before the one that never was, unless the peer must have
 * lost its IKE SA.
 */
function preferred(
  connection: Connection,
  candidates: readonly ChildSa[],
  ended: readonly ChildSa[],
): ChildSa | undefined {
  const successor = candidates.findLast((child) => {
    return succeedsOne(child, ended) && !isRedundant(candidates, child.rekeys);
  });
  return (
    successor ??
    lastSuperseded(candidates.filter(isKnown)) ??
    candidates.findLast(({ usage }) => usage === 'deferred') ??
    lastSuperseded(candidates.filter((child) => child.sentOn && !isOfLost(connection, child))) ??
    candidates.at(-1)
  );
}

function succeedsOne({ rekeys }: ChildSa, ended: readonly ChildSa[]): boolean {
  return ended.some(({ inboundSpi }) => inboundSpi === rekeys?.inboundSpi);
}

/** Whether the peer is known to have a pair. */
export function isKnown({ weInitiated, settledAt }: ChildSa): boolean {
  return weInitiated || settledAt !== undefined;
}

function lastSuperseded(candidates: readonly ChildSa[]): ChildSa | undefined {
  return candidates
    .filter(({ usage }) => usage === 'superseded')
    .toSorted((left, right) => (left.deleteAt ?? 0) - (right.deleteAt ?? 0))
    .at(-1);
}

/** Whether the pair is of an IKE SA that the peer says it knows nothing of. */
function isForgotten(connection: Connection, child: ChildSa): boolean {
  const owner = ownerOf(connection, child);
  return owner?.state.kind === 'established' && owner.state.endsAt !== undefined;
}

/** Whether the pair is of an IKE SA that the peer must have lost. */
function isOfLost(connection: Connection, child: ChildSa): boolean {
  const owner = ownerOf(connection, child);
  return owner !== undefined && isLost(owner, connection.ikeSas);
}

/** Whether a request that deletes the pair waits to be sent. */
function isLeaving(connection: Connection, child: ChildSa): boolean {
  const owner = ownerOf(connection, child);
  return owner !== undefined && isToBeDeleted(owner, child.inboundSpi);
}

function markCurrent(core: Core, at: Instant, connection: Connection, child: ChildSa): void {
  noteAddress(core, connection, child);
  const deleteAt = at + core.context.limits.rekeyedGraceMs;
  const own = ownerOf(connection, child);
  // The peer, too, goes over to the pairs of the IKE SA that stays.
  const wins = (sa: IkeSa): boolean => own !== undefined && losesTo(connection, own, sa);
  for (const owner of connection.ikeSas) {
    setChildren(owner, (children) =>
      changed(children, (each) => {
        if (each.inboundSpi === child.inboundSpi) {
          const isMarked = each.usage === 'current' && each.sentOn && each.deleteAt === undefined;
          return isMarked ? each : { ...each, usage: 'current', sentOn: true, deleteAt: undefined };
        }
        const isSuccessor = each.rekeys?.inboundSpi === child.inboundSpi;
        const staysLonger = each.installedAt > child.installedAt || wins(owner);
        const stillWaits = isSuccessor || (each.usage === 'deferred' && staysLonger);
        const superseded = isSameChild(each, child.config.name) && each.usage !== 'superseded' && !stillWaits;
        return superseded ? { ...each, usage: 'superseded', deleteAt } : each;
      }),
    );
    core.touch(owner);
  }
}

function noteAddress(core: Core, connection: Connection, child: ChildSa): void {
  connection.lastAddress = child.remoteAddress;
  if (connection.config.remoteAddress === 'any') takeOverAddress(core, connection, child);
}

/** Peers of any address may be at the same one, one after the other: policies between the hosts are the last one's. */
function takeOverAddress(core: Core, connection: Connection, child: ChildSa): void {
  for (const other of core.connections.ofAnyAddress()) {
    if (other === connection || other.lastAddress !== child.remoteAddress || !isForgone(other)) continue;
    const taken = policyKeys(child, core.context.limits).filter((key) => other.policies.delete(key));
    if (taken.length === 0) continue;
    other.lastAddress = undefined;
    orderPolicies(core, other);
  }
}

/** Whether there is a pair that is sent on and may arrive. */
export function hasCurrent(connection: Connection, name: string): boolean {
  return childrenOf(connection).some((child) => {
    return isSameChild(child, name) && child.usage === 'current' && mayReceive(connection, child);
  });
}

function isSameChild(child: ChildSa, name: string): boolean {
  return child.config.name === name;
}

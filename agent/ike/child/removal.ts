import type { SaId } from '../../dataplane/types.ts';
import type { Connection, LoneSa, OrphanSa } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { CloseReason } from '../fact.ts';
import type { IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import type { ChildSa } from './child-sa.ts';
import { isToBeDeleted } from './ending.ts';
import { orderPolicies } from './order-policies.ts';
import { ensureCurrent, isKnown } from './pair-in-use.ts';
import { believedUntil, callOffRetirement, hasSettled, retire, takePinned } from './retirement.ts';
import { setChildren } from './set-children.ts';
import { deleteUnselected } from './unselected.ts';

/**
 * Takes Child SAs, named by their inbound SPIs, out of the kernel: policies first, so that nothing is sent on an SA that
 * is gone, then the outbound SA. The inbound one stays for a grace: the peer sends on it until it has heard, and its
 * last packets are under way. Of an agent that has stopped answering all stays: its kernel may be as it was before.
 * `told` says whether the peer has yet to hear of it.
 */
export function removeChildren(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  inboundSpis: readonly number[],
  reason: CloseReason,
  told: boolean = isTold(reason),
): void {
  if (sa.state.kind !== 'established') return;
  const removed = sa.state.children.filter((child) => inboundSpis.includes(child.inboundSpi));
  if (removed.length === 0) return;
  setChildren(sa, (children) => children.filter((child) => !removed.includes(child)));
  const kept =
    reason === 'peerDead' && sa.state.peerIsAgent
      ? removed.flatMap((child) => orphansOf(core, at, connection, sa, child))
      : [];
  connection.orphans.push(...kept);
  // The peer may take back a pair that its kernel or itself has refused, hear that ours has ended it at a limit, or give it
  // up for dead as well, and send on what that pair has replaced.
  if (GOES_BACK.has(reason) && sa.state.peerIsAgent) callOffRetirement(connection, removed);
  // At a limit of ours, or because of our kernel, a pair ends whether or not the peer has what was to take its place.
  ensureCurrent(core, at, connection, ENDED_BY_PEER.has(reason) ? removed : []);
  orderPolicies(core, connection);
  const believed = reason === 'peerDead' ? believedUntil(core, at, connection) : at;
  for (const child of removed) {
    const inbound = { destination: child.localAddress, spi: child.inboundSpi };
    const outbound = { destination: child.remoteAddress, spi: child.outboundSpi };
    const isKept = (id: SaId): boolean => kept.some((orphan) => orphan.id.spi === id.spi);
    if (!isKept(outbound)) deleteUnselected(core, at, connection, outbound);
    const lone = loneSa(inbound, child);
    if (!isKept(inbound)) retire(core, at, connection, lone, told ? { ikeSa: sa.number } : { at: believed });
    core.report({
      kind: 'childSaClosed',
      connection: connection.config.name,
      ikeSa: sa.number,
      child: child.config.name,
      inboundSpi: child.inboundSpi,
      outboundSpi: child.outboundSpi,
      reason,
    });
  }
}

function isTold(reason: CloseReason): boolean {
  return reason !== 'deletedByPeer' && reason !== 'refusedByPeer' && reason !== 'peerDead';
}

/** Takes all Child SAs of an IKE SA out of the kernel. */
export function removeAllChildren(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  reason: CloseReason,
): void {
  if (sa.state.kind !== 'established') return;
  const spis = sa.state.children.map((child) => child.inboundSpi);
  removeChildren(core, at, sa, connection, spis, reason);
}

/**
 * The peer has ended everything on purpose that we know of: what an earlier run left is received on no longer than it takes to
 * arrive, but pairs of an IKE SA that we alone have given up for as long as the peer may believe in that one.
 */
export function releaseOrphans(core: Core, at: Instant, connection: Connection): void {
  if (connection.orphans.length === 0) return;
  const pinned = takePinned(connection, new Set(connection.orphans.map(({ reqid }) => reqid)));
  orderPolicies(core, connection);
  for (const { id } of pinned) deleteUnselected(core, at, connection, id);
  for (const orphan of connection.orphans) retire(core, at, connection, orphan, { at: orphan.believedUntil });
  connection.orphans = [];
}

/**
 * What stays of a pair whose peer has stopped answering: it may be its agent alone that is gone. Where plaintext is
 * allowed it is sent in plaintext again, for a peer that has gone altogether would receive nothing else.
 */
function orphansOf(core: Core, at: Instant, connection: Connection, owner: IkeSa, child: ChildSa): readonly OrphanSa[] {
  const { enforcement } = child.config;
  const inboundId = { destination: child.localAddress, spi: child.inboundSpi };
  const outboundId = { destination: child.remoteAddress, spi: child.outboundSpi };
  if (hasSettled(connection, loneSa(inboundId, child), owner)) return [];
  const pinned = child.usage === 'current' && enforcement === 'Required' && !isKnownElsewhere(connection, owner, child);
  const believed = believedUntil(core, at, connection);
  const inbound = { ...loneSa(inboundId, child), believedUntil: believed, pinned: false };
  const outbound = { ...loneSa(outboundId, child), believedUntil: believed, pinned: true };
  return pinned ? [inbound, outbound] : [inbound];
}

/**
 * Whether the peer, which has answered on another IKE SA since, has another pair of the same Child there: then it is not its
 * agent that is gone, but the IKE SA that it has given up.
 */
function isKnownElsewhere(connection: Connection, dead: IkeSa, { config }: ChildSa): boolean {
  return connection.ikeSas.some((sa) => {
    if (sa === dead || sa.state.kind !== 'established' || sa.state.endsAt !== undefined) return false;
    if (sa.lastHeardAt <= dead.lastHeardAt) return false;
    return sa.state.children.some(
      (child) => child.config.name === config.name && isKnown(child) && !isToBeDeleted(sa, child.inboundSpi),
    );
  });
}

/** An SA of a pair that no IKE SA answers for any more. */
function loneSa(id: SaId, { config, installedAt, settledAt }: ChildSa): LoneSa {
  return { id, reqid: config.reqid, madeAt: installedAt, settledAt };
}

const ENDED_BY_PEER: ReadonlySet<CloseReason> = new Set(['deletedByPeer', 'refusedByPeer']);
const GOES_BACK: ReadonlySet<CloseReason> = new Set(['deletedByPeer', 'refusedByPeer', 'expired', 'peerDead']);

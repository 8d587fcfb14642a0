import type { SaId } from '../../dataplane/types.ts';
import { type Connection, childrenOf, type LoneSa, type OrphanSa } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Instant } from '../types.ts';
import type { ChildSa } from './child-sa.ts';

/*
 * SAs in the kernel that no IKE SA answers for any more. The peer may send on them until it is known to have stopped:
 * its answer to our Delete shows it, or that it sends on a successor. Then a grace remains for packets under way.
 */

/**
 * Lets an inbound SA go after a grace, which begins when the peer has answered on the IKE SA `toldOn`; 0 for at once.
 */
export function retire(core: Core, at: Instant, connection: Connection, inbound: LoneSa, toldOn: number): void {
  const { id, reqid, madeAt } = inbound;
  const removeAt = toldOn === 0 ? at + core.context.limits.supersededGraceMs : undefined;
  connection.retiring.push({ id, reqid, madeAt, toldOn, removeAt });
  core.schedule(connection);
}

/** The peer has heard on an IKE SA of all that it was told to delete, or never will. */
export function hastenRetirement(core: Core, at: Instant, connection: Connection, ikeSa: number): void {
  if (!connection.retiring.some(({ toldOn }) => toldOn === ikeSa)) return;
  const removeAt = at + core.context.limits.supersededGraceMs;
  connection.retiring = connection.retiring.map((each) =>
    each.toldOn === ikeSa ? { ...each, toldOn: 0, removeAt } : each,
  );
  core.schedule(connection);
}

/** What is retiring passes to a connection with other IKE SAs: nobody will say when the peer has heard. */
export function retiringAnyway(core: Core, at: Instant, connection: Connection): Connection['retiring'] {
  const { deleteTimeoutMs, supersededGraceMs } = core.context.limits;
  const removeAt = at + deleteTimeoutMs + supersededGraceMs;
  return connection.retiring.map((each) => ({ ...each, toldOn: 0, removeAt: each.removeAt ?? removeAt }));
}

/** The peer never answered: what it was told of stays, unless it is known to send on a successor. */
export function keepUnanswered(core: Core, at: Instant, connection: Connection, ikeSa: number): void {
  for (const { id, reqid, madeAt, toldOn } of connection.retiring) {
    const kept = toldOn === ikeSa && !hasSettled(connection, reqid, madeAt);
    if (kept) connection.orphans.push({ id, reqid, madeAt, pinned: false });
  }
  const kept = new Set(connection.orphans.map(({ id }) => id));
  connection.retiring = connection.retiring.filter(({ id }) => !kept.has(id));
  hastenRetirement(core, at, connection, ikeSa);
}

/**
 * Pairs have been taken back, and nothing else of their Children is left: what they had been the successors of is
 * received on until there is another one.
 */
export function callOffRetirement(connection: Connection, takenBack: readonly ChildSa[]): void {
  const standing = new Set(childrenOf(connection).map(({ config }) => config.reqid));
  const isNeeded = ({ reqid, madeAt, removeAt }: Connection['retiring'][number]): boolean =>
    removeAt !== undefined &&
    !standing.has(reqid) &&
    takenBack.some(({ config, installedAt }) => config.reqid === reqid && installedAt > madeAt);
  for (const each of connection.retiring) {
    const { id, reqid, madeAt } = each;
    if (isNeeded(each)) connection.orphans.push({ id, reqid, madeAt, pinned: false });
  }
  connection.retiring = connection.retiring.filter((each) => !isNeeded(each));
}

/** Removes what has outlived its grace. */
export function removeRetired(core: Core, at: Instant, connection: Connection): void {
  for (const { id, removeAt } of connection.retiring) {
    if (removeAt === undefined || removeAt > at) continue;
    core.command({ kind: 'deleteSa', id }, connection, 0, 0);
    core.espSpis.delete(id.spi);
  }
  connection.retiring = connection.retiring.filter(({ removeAt }) => removeAt === undefined || removeAt > at);
}

/** A pair of that Child is in use at both ends: nothing older is received on any more. */
export function retireOrphans(core: Core, at: Instant, connection: Connection, reqid: number, madeAt: Instant): void {
  const isOlder = (orphan: OrphanSa): boolean => orphan.reqid === reqid && orphan.madeAt <= madeAt && !orphan.pinned;
  for (const orphan of connection.orphans.filter(isOlder)) {
    retire(core, at, connection, orphan, 0);
    core.report({ kind: 'orphanRemoved', connection: connection.config.name, spi: orphan.id.spi });
  }
  connection.orphans = connection.orphans.filter((orphan) => !isOlder(orphan));
}

/** A pair of that Child is sent on, as the kernel has confirmed: what was sent on for want of one goes. */
export function removePinned(core: Core, connection: Connection, reqid: number): void {
  for (const { id } of takePinned(connection, new Set([reqid]))) {
    core.command({ kind: 'deleteSa', id }, connection, 0, 0);
  }
}

/** Takes the orphans that are sent on out of the list; policies must change before they are deleted. */
export function takePinned(connection: Connection, reqids: ReadonlySet<number>): readonly OrphanSa[] {
  const isTaken = (orphan: OrphanSa): boolean => orphan.pinned && reqids.has(orphan.reqid);
  const taken = connection.orphans.filter(isTaken);
  connection.orphans = connection.orphans.filter((orphan) => !isTaken(orphan));
  return taken;
}

/** Takes all orphans out of the kernel at once; policies that are pinned to them must have changed before. */
export function removeOrphans(core: Core, connection: Connection): void {
  for (const { id } of connection.orphans) {
    core.command({ kind: 'deleteSa', id }, connection, 0, 0);
    core.espSpis.delete(id.spi);
  }
  connection.orphans = [];
}

/** The SPI that the out policies of a Child without a current pair are pinned to, by reqid. */
export function orphanPins({ orphans }: Connection): ReadonlyMap<number, number> {
  if (orphans.length === 0) return NO_PINS;
  return new Map(orphans.filter(({ pinned }) => pinned).map(({ id, reqid }) => [reqid, id.spi]));
}

/** The kernel has ended an SA by itself: if it was one of these it is forgotten. True if policies were pinned to it. */
export function forgetExpired(core: Core, connection: Connection, id: SaId): boolean {
  const isIt = (each: { readonly id: SaId }): boolean =>
    each.id.spi === id.spi && each.id.destination === id.destination;
  const orphan = connection.orphans.find(isIt);
  if (orphan === undefined && !connection.retiring.some(isIt)) return false;
  core.espSpis.delete(id.spi);
  connection.orphans = connection.orphans.filter((each) => !isIt(each));
  connection.retiring = connection.retiring.filter((each) => !isIt(each));
  return orphan?.pinned === true;
}

/** Whether the peer is known to send on a pair of that Child that is newer, and so not on one that was made then. */
export function hasSettled(connection: Connection, reqid: number, madeAt: Instant): boolean {
  return childrenOf(connection).some((child) => {
    return child.config.reqid === reqid && child.settled && child.installedAt > madeAt;
  });
}

const NO_PINS: ReadonlyMap<number, number> = new Map();

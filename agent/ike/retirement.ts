import type { SaId } from '../dataplane/types.ts';
import { type Connection, childrenOf } from './connection.ts';
import type { Core } from './core.ts';
import type { Instant } from './types.ts';

/*
 * SAs in the kernel that no IKE SA answers for any more. The peer may send on them until it is known to have stopped:
 * its answer to our Delete shows it, or that it sends on a successor. Then a grace remains for packets under way.
 */

/** Lets an inbound SA go when the peer has stopped sending on it, which it has by `heardBy` at the latest. */
export function retire(
  core: Core,
  connection: Connection,
  inbound: SaId,
  reqid: number,
  toldOn: number,
  heardBy: Instant,
): void {
  connection.retiring.push({ id: inbound, reqid, toldOn, removeAt: heardBy + core.context.limits.supersededGraceMs });
  core.schedule(connection);
}

/** The peer has heard on an IKE SA of all that it was told to delete. */
export function hastenRetirement(core: Core, at: Instant, connection: Connection, ikeSa: number): void {
  const removeAt = at + core.context.limits.supersededGraceMs;
  connection.retiring = connection.retiring.map((each) =>
    each.toldOn === ikeSa ? { ...each, toldOn: 0, removeAt: Math.min(each.removeAt, removeAt) } : each,
  );
  core.schedule(connection);
}

/** The peer never answered: what it was told of stays, unless it is known to send on a successor. */
export function keepUnanswered(core: Core, at: Instant, connection: Connection, ikeSa: number): void {
  for (const { id, reqid, toldOn } of connection.retiring) {
    if (toldOn === ikeSa && !hasSettled(connection, reqid)) connection.orphans.push({ id, reqid, pinned: false });
  }
  const kept = new Set(connection.orphans.map(({ id }) => id));
  connection.retiring = connection.retiring.filter(({ id }) => !kept.has(id));
  hastenRetirement(core, at, connection, ikeSa);
}

/** Removes what has outlived its grace. */
export function removeRetired(core: Core, at: Instant, connection: Connection): void {
  for (const { id, removeAt } of connection.retiring) {
    if (removeAt > at) continue;
    core.command({ kind: 'deleteSa', id }, connection, 0, 0);
    core.espSpis.delete(id.spi);
  }
  connection.retiring = connection.retiring.filter(({ removeAt }) => removeAt > at);
}

/** A successor is in use at both ends: the orphans of that Child are not needed any more. */
export function retireOrphans(core: Core, at: Instant, connection: Connection, reqid: number): void {
  for (const { id } of connection.orphans.filter((orphan) => orphan.reqid === reqid)) {
    retire(core, connection, id, reqid, 0, at);
    core.report({ kind: 'orphanRemoved', connection: connection.config.name, spi: id.spi });
  }
  connection.orphans = connection.orphans.filter((orphan) => orphan.reqid !== reqid);
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
export function orphanPins(connection: Connection): ReadonlyMap<number, number> {
  return new Map(connection.orphans.filter(({ pinned }) => pinned).map(({ id, reqid }) => [reqid, id.spi]));
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

/** Whether the peer is known to send on a pair of that Child, and so not on older ones. */
export function hasSettled(connection: Connection, reqid: number): boolean {
  return childrenOf(connection).some((child) => child.config.reqid === reqid && child.settled);
}

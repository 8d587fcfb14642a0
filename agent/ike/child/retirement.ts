import type { SaId } from '../../dataplane/types.ts';
import { type Connection, childrenOf, type LoneSa, type OrphanSa } from '../connection/connection.ts';
import { losesTo } from '../connection/rivalry.ts';
import type { Core } from '../core.ts';
import type { IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import type { ChildSa } from './child-sa.ts';
import { goOnDeparting } from './departure.ts';
import { UNKNOWN_COUNT } from './idle-counter.ts';
import { deleteUnselected } from './unselected.ts';

/*
 * SAs in the kernel that no IKE SA answers for any more. The peer may send on them until it is known to have stopped. Its
 * answer to our Delete shows that, and a grace remains for packets under way. A peer that has not heard of a Delete may go
 * back to what it has, whatever it sends on now, until it finds our IKE SA dead. In either case the kernel's counter has
 * the last word: an SA that still receives stays (`idle-counter.ts`).
 */

/** When a peer will have stopped sending on an inbound SA: at an instant, or when it answers on an IKE SA, by number. */
type Farewell = { readonly at: Instant } | { readonly ikeSa: number };

/** Lets an inbound SA go when the peer has stopped sending on it and a grace is over. */
export function retire(core: Core, at: Instant, connection: Connection, inbound: LoneSa, farewell: Farewell): void {
  const { id, reqid, madeAt, settledAt } = inbound;
  const { supersededGraceMs } = core.context.limits;
  const toldOn = 'ikeSa' in farewell ? farewell.ikeSa : 0;
  const removeAt = 'ikeSa' in farewell ? undefined : Math.max(at, farewell.at) + supersededGraceMs;
  connection.retiring.push({ id, reqid, madeAt, settledAt, toldOn, removeAt, count: UNKNOWN_COUNT });
  core.schedule(connection);
}

/**
 * Until when a peer that has not been told may take an IKE SA to stand on which we do not answer any more: it asks after the
 * interval, and waits as long as the timeout. Both are ours, for the peer's are not known.
 */
export function believedUntil(core: Core, at: Instant, { config }: Connection): Instant {
  const { intervalMs, timeoutMs } = config.liveness;
  return at + intervalMs + core.context.limits.retransmitFirstMs + timeoutMs;
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

/**
 * The peer never answered: what it was told of stays for as long as it may believe in it, and where it is not known to send
 * on a successor, until it is. One that has `heard` by other means that the IKE SA has ended does not believe in it.
 */
export function keepUnanswered(
  core: Core,
  at: Instant,
  connection: Connection,
  ikeSa: number,
  why: 'untold' | 'heard',
): void {
  const believed = why === 'untold' ? believedUntil(core, at, connection) : at;
  for (const each of connection.retiring) {
    if (each.toldOn === ikeSa && !hasSettled(connection, each)) connection.orphans.push(orphanOf(each, believed));
  }
  const kept = new Set(connection.orphans.map(({ id }) => id));
  // A pair that has been there for a while may be in use already, and nobody has looked.
  if (kept.size > 0) connection.switchCheckAt ??= at + core.context.limits.switchCheckMs;
  const removeAt = believed + core.context.limits.supersededGraceMs;
  connection.retiring = connection.retiring
    .filter(({ id }) => !kept.has(id))
    .map((each) => (each.toldOn === ikeSa ? { ...each, toldOn: 0, removeAt } : each));
  goOnDeparting(core, connection);
  core.schedule(connection);
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
    if (isNeeded(each)) connection.orphans.push(orphanOf(each, NEVER));
  }
  connection.retiring = connection.retiring.filter((each) => !isNeeded(each));
}

function orphanOf({ id, reqid, madeAt, settledAt }: LoneSa, believed: Instant): OrphanSa {
  return { id, reqid, madeAt, settledAt, pinned: false, believedUntil: believed };
}

/** A pair of that Child is in use at both ends: nothing older is received on any more. */
export function retireOrphans(core: Core, at: Instant, connection: Connection, reqid: number, madeAt: Instant): void {
  const isOlder = (orphan: OrphanSa): boolean => orphan.reqid === reqid && orphan.madeAt <= madeAt && !orphan.pinned;
  for (const orphan of connection.orphans.filter(isOlder)) {
    retire(core, at, connection, orphan, { at: orphan.believedUntil });
    core.report({ kind: 'orphanRemoved', connection: connection.config.name, spi: orphan.id.spi });
  }
  connection.orphans = connection.orphans.filter((orphan) => !isOlder(orphan));
}

/** A pair of that Child is sent on, as the kernel has confirmed: what was sent on for want of one goes. */
export function removePinned(core: Core, at: Instant, connection: Connection, reqid: number): void {
  for (const { id } of takePinned(connection, new Set([reqid]))) deleteUnselected(core, at, connection, id);
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

/** The kernel has ended an SA by itself: if it was one of these it is forgotten. True if policies were pinned to it. */
export function forgetExpired(core: Core, connection: Connection, id: SaId): boolean {
  const isIt = (each: { readonly id: SaId }): boolean =>
    each.id.spi === id.spi && each.id.destination === id.destination;
  const orphan = connection.orphans.find(isIt);
  if (orphan === undefined && !connection.retiring.some(isIt)) return false;
  core.espSpis.delete(id.spi);
  connection.orphans = connection.orphans.filter((each) => !isIt(each));
  connection.retiring = connection.retiring.filter((each) => !isIt(each));
  goOnDeparting(core, connection);
  return orphan?.pinned === true;
}

/**
 * Whether the peer is known to send on a pair of the same Child that is newer, and so not on this one. One of an IKE SA that
 * is to give way to `owner` shows nothing: the peer goes back to the pair that stays. Nor does one that the peer was known to
 * send on before it was known to send on this one: where exchanges have crossed, what is older here is newer there.
 */
export function hasSettled(connection: Connection, lone: Omit<LoneSa, 'id'>, owner?: IkeSa): boolean {
  return connection.ikeSas.some((sa) => {
    if (sa.state.kind !== 'established' || (owner !== undefined && losesTo(connection, sa, owner))) return false;
    return sa.state.children.some(({ config, installedAt, settledAt }) => {
      if (config.reqid !== lone.reqid || settledAt === undefined || installedAt <= lone.madeAt) return false;
      return lone.settledAt === undefined || settledAt >= lone.settledAt;
    });
  });
}

const NEVER = Number.NEGATIVE_INFINITY;

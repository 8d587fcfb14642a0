import type { DataplaneEvent, SaId } from '../../dataplane/types.ts';
import {
  type Connection,
  childrenOf,
  isForgone,
  knownAddress,
  type LoneSa,
  mayReceive,
  type OrphanSa,
} from '../connection/connection.ts';
import { isLost, losesTo } from '../connection/rivalry.ts';
import type { Core } from '../core.ts';
import type { CloseReason } from '../fact.ts';
import { followUpLater } from '../follow-up.ts';
import type { NewPair } from '../outcome.ts';
import { kernelKeepalive } from '../path/keepalive.ts';
import { shortenedLimits } from '../rekey/rekey-time.ts';
import type { IkeSa, QueuedRequest } from '../state.ts';
import type { Instant, Path } from '../types.ts';
import { type ChildSa, childSa, saSpecs } from './child-sa.ts';
import { isAboutToEnd, isToBeDeleted } from './ending.ts';
import { onRetiringCounted } from './idle-counter.ts';
import { policyCommands, policyKeys } from './policies.ts';
import {
  believedUntil,
  callOffRetirement,
  hasSettled,
  orphanPins,
  retire,
  retireOrphans,
  takePinned,
} from './retirement.ts';
import { deleteUnselected } from './unselected.ts';

/*
 * The order of kernel operations, in one place. Unpinned, adding an outbound SA would be the switch, and a packet sent
 * before the peer has its inbound SA is lost; so out policies are pinned to an SPI and the pin moves last.
 */

/** A Child SA to install. */
interface Installation extends NewPair {
  /** What grants it, where we are the responder. */
  readonly reply: { readonly path: Path; readonly datagrams: readonly Uint8Array[] } | undefined;
  /** Whether it is the Child SA of IKE_AUTH. */
  readonly first: boolean;
}

/**
 * Installs a Child SA: inbound SA, outbound SA, as responder the response, which so promises nothing that the kernel does
 * not hold, then policies. A responder that still has an older pair goes on sending on it until the initiator is known to have its new inbound
 * SA: it deletes the older pair, sends a packet on the new one, or a further request on its IKE SA.
 */
export function installChild(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  { agreement, keys, rekeys, redundant, reply, first }: Installation,
): void {
  const { path } = sa;
  const { name, reqid } = agreement.config;
  const older = hasCurrent(connection, name) || orphanPins(connection).has(reqid);
  const usage = redundant ? 'superseded' : reply !== undefined && older ? 'deferred' : 'current';
  // An answer shows that the peer has our last response only where it could not answer before it had it.
  const settledBy = agreement.weInitiated || first ? sa.window.nextRequestId : undefined;
  const lifetime = shortenedLimits(agreement.config.lifetime, core.context.random.jitter);
  const udpEncapsulation = sa.nat.local || sa.nat.remote;
  const child = childSa(at, agreement, path, { udpEncapsulation, lifetime, usage, settledBy, rekeys });
  const { inbound, outbound } = saSpecs(child, keys, path);
  core.command({ kind: 'addSa', sa: inbound }, connection, sa.number, child.inboundSpi);
  const spec = { ...outbound, ...kernelKeepalive(core, sa) };
  core.command({ kind: 'addSa', sa: spec }, connection, sa.number, child.inboundSpi);
  if (reply !== undefined) core.transmit(reply.path, reply.datagrams);
  setChildren(sa, (children) => [...children, child]);
  if (usage === 'current') makeCurrent(core, at, connection, child);
  if (awaitsPackets(connection, child)) {
    connection.switchCheckAt ??= at + core.context.limits.switchCheckMs;
    core.schedule(connection);
  }
  if (rekeys !== undefined && !redundant) reportRekeyed(core, connection, child, rekeys.inboundSpi);
  core.report({
    kind: 'childSaEstablished',
    connection: connection.config.name,
    ikeSa: sa.number,
    child: child.config.name,
    inboundSpi: child.inboundSpi,
    outboundSpi: child.outboundSpi,
    reqid: child.config.reqid,
    suite: child.suite.text,
    traffic: child.traffic,
  });
}

function reportRekeyed(core: Core, connection: Connection, child: ChildSa, replacedInboundSpi: number): void {
  const by = child.weInitiated ? 'us' : 'peer';
  const { inboundSpi } = child;
  const { name } = connection.config;
  core.report({
    kind: 'childSaRekeyed',
    connection: name,
    child: child.config.name,
    by,
    replacedInboundSpi,
    inboundSpi,
  });
}

/** Asks the kernel whether peers send on new pairs, where that matters; `onCounters` takes the answers. */
export function askForCounters(core: Core, at: Instant, connection: Connection): void {
  connection.switchCheckAt = undefined;
  for (const child of childrenOf(connection)) {
    if (!awaitsPackets(connection, child)) continue;
    const id = { destination: child.localAddress, spi: child.inboundSpi };
    core.command({ kind: 'queryCounters', id }, connection, 0, 0);
    connection.switchCheckAt = at + core.context.limits.switchCheckMs;
  }
  core.schedule(connection);
}

/** A packet on a new pair proves that the peer has both of its SAs; one on an old one that it still uses that. */
export function onCounters(core: Core, at: Instant, counted: Extract<DataplaneEvent, { kind: 'counters' }>): void {
  const { id, reqid, packets } = counted;
  const connection = core.connections.ofReqid(reqid);
  if (connection === undefined) return;
  onRetiringCounted(core, at, connection, counted);
  if (packets === 0 || connection.switchCheckAt === undefined) return;
  settleChildren(core, at, connection, (child) => {
    return child.inboundSpi === id.spi && child.localAddress === id.destination;
  });
}

/** A further request of the peer shows that it has the pairs that earlier ones were granted. */
export function settleGranted(core: Core, at: Instant, connection: Connection, earlier: readonly ChildSa[]): void {
  settleChildren(core, at, connection, ({ weInitiated, inboundSpi }) => {
    return !weInitiated && earlier.some((child) => child.inboundSpi === inboundSpi);
  });
}

/** The peer's answer to a request that followed a new pair shows that it has the pair. */
export function settleAnswered(core: Core, at: Instant, sa: IkeSa, connection: Connection, messageId: number): void {
  settleChildren(core, at, connection, ({ settledBy }, owner) => {
    return owner === sa && settledBy !== undefined && settledBy <= messageId;
  });
}

/** The peer sends on these pairs: they can be sent on, and nothing older is needed any more. */
function settleChildren(
  core: Core,
  at: Instant,
  connection: Connection,
  which: (child: ChildSa, owner: IkeSa) => boolean,
): void {
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established') continue;
    for (const child of sa.state.children)
      if (child.settledAt === undefined && which(child, sa)) settleChild(core, at, connection, sa, child);
  }
}

function settleChild(core: Core, at: Instant, connection: Connection, sa: IkeSa, child: ChildSa): void {
  setChildren(sa, (children) => children.map((each) => (each === child ? { ...child, settledAt: at } : each)));
  // One that had been superseded takes the place of an orphan all the same.
  const waits = child.usage === 'deferred' || !hasCurrent(connection, child.config.name);
  if (waits) makeCurrent(core, at, connection, child);
  followUpLater(core, at, sa, [], false);
  retireOrphans(core, at, connection, child.config.reqid, child.installedAt);
  hastenForgotten(core, at, connection);
}

/** What the peer has forgotten may have been kept only because its successors were not known to be in use. */
function hastenForgotten(core: Core, at: Instant, connection: Connection): void {
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established' || sa.state.endsAt === undefined) continue;
    sa.state = { ...sa.state, endsAt: at };
    core.touch(sa);
  }
}

/** Sends on `child` from here on; older pairs of the same Child are received on only. */
function makeCurrent(core: Core, at: Instant, connection: Connection, child: ChildSa): void {
  markCurrent(core, at, connection, child);
  orderPolicies(core, connection);
}

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
  // The peer may take back a pair that its kernel or itself has refused, or hear that ours has ended it at a limit, and
  // send on what that pair has replaced.
  if (GOES_BACK.has(reason) && sa.state.peerIsAgent) callOffRetirement(connection, removed);
  ensureCurrent(core, at, connection, removed);
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

/** The peer has ended everything on purpose: what an earlier run left is received on no longer than it takes to arrive. */
export function releaseOrphans(core: Core, at: Instant, connection: Connection): void {
  if (connection.orphans.length === 0) return;
  const pinned = takePinned(connection, new Set(connection.orphans.map(({ reqid }) => reqid)));
  orderPolicies(core, connection);
  for (const { id } of pinned) deleteUnselected(core, at, connection, id);
  for (const orphan of connection.orphans) retire(core, at, connection, orphan, { at });
  connection.orphans = [];
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
 * Brings the kernel's policies to what the connection needs now. What it refuses is ordered again, and no Child SA given
 * up for it: the peer counts on it.
 */
export function orderPolicies(core: Core, connection: Connection): void {
  const commands = policyCommands(
    { config: connection.config, remoteAddress: knownAddress(connection) },
    childrenOf(connection),
    connection.policies,
    core.policyIndexes,
    core.context.limits,
    connection.policiesUncertain,
    orphanPins(connection),
  );
  connection.policiesUncertain = false;
  for (const command of commands) core.command(command, connection, 0, 0);
}

/** Whether packets on a pair would tell something that is not known yet and wanted. */
function awaitsPackets(connection: Connection, child: ChildSa): boolean {
  if (child.settledAt !== undefined) return false;
  return child.usage === 'deferred' || connection.orphans.some(({ reqid }) => reqid === child.config.reqid);
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
  const pinned = child.usage === 'current' && enforcement === 'Required';
  const believed = believedUntil(core, at, connection);
  const inbound = { ...loneSa(inboundId, child), believedUntil: believed, pinned: false };
  const outbound = { ...loneSa(outboundId, child), believedUntil: believed, pinned: true };
  return pinned ? [inbound, outbound] : [inbound];
}

/** An SA of a pair that no IKE SA answers for any more. */
function loneSa(id: SaId, { config, installedAt, settledAt }: ChildSa): LoneSa {
  return { id, reqid: config.reqid, madeAt: installedAt, settledAt };
}

/**
 * Where the pair that was sent on is gone, another takes its place, one that waited for it to end or that it had
 * superseded; for want of any other one that is to be deleted, or one that the peer has forgotten but its kernel may still
 * have. The policies follow when all are in place: none may lose its pin on the way.
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
    if (next !== undefined) markCurrent(core, at, connection, next);
  }
}

/**
 * Whoever ends a pair has the one that was to take its place. Of others that were granted since nobody knows yet whether
 * the answer has come, or is believed: what the peer is known to have comes first, of that what was sent on last. It may be
 * about to end as well; then the peer says so, and receives on it until it is heard. Of pairs that a newer one had
 * superseded together, before either was known to have arrived, the one that was sent on comes before the one that never was,
 * unless the peer must have lost its IKE SA.
 */
function preferred(
  connection: Connection,
  candidates: readonly ChildSa[],
  ended: readonly ChildSa[],
): ChildSa | undefined {
  const successor = candidates.findLast((child) => succeedsOne(child, ended));
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
function isKnown({ weInitiated, settledAt }: ChildSa): boolean {
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

function ownerOf(connection: Connection, child: ChildSa): IkeSa | undefined {
  return connection.ikeSas.find(({ state }) => state.kind === 'established' && state.children.includes(child));
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

function markCurrent(core: Core, at: Instant, connection: Connection, child: ChildSa): void {
  connection.lastAddress = child.remoteAddress;
  if (connection.config.remoteAddress === 'any') takeOverAddress(core, connection, child);
  const deleteAt = at + core.context.limits.rekeyedGraceMs;
  const own = ownerOf(connection, child);
  // The peer, too, goes over to the pairs of the IKE SA that stays.
  const winners = new Set(connection.ikeSas.filter((sa) => own !== undefined && losesTo(own, sa)));
  for (const owner of connection.ikeSas) {
    setChildren(owner, (children) =>
      changed(children, (each) => {
        if (each.inboundSpi === child.inboundSpi) {
          const isMarked = each.usage === 'current' && each.sentOn && each.deleteAt === undefined;
          return isMarked ? each : { ...each, usage: 'current', sentOn: true, deleteAt: undefined };
        }
        const isSuccessor = each.rekeys?.inboundSpi === child.inboundSpi;
        const staysLonger = each.installedAt > child.installedAt || winners.has(owner);
        const stillWaits = isSuccessor || (each.usage === 'deferred' && staysLonger);
        const superseded = isSameChild(each, child.config.name) && each.usage !== 'superseded' && !stillWaits;
        return superseded ? { ...each, usage: 'superseded', deleteAt } : each;
      }),
    );
    core.touch(owner);
  }
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

/** Changes the Child SAs of an IKE SA, where it can have any. */
export function setChildren(sa: IkeSa, change: (children: readonly ChildSa[]) => readonly ChildSa[]): void {
  if (sa.state.kind !== 'established') return;
  const children = change(sa.state.children);
  if (children !== sa.state.children) sa.state = { ...sa.state, children };
}

/** Child SAs with each as `change` makes it; the same array where it leaves all as they are. */
function changed(children: readonly ChildSa[], change: (child: ChildSa) => ChildSa): readonly ChildSa[] {
  const after = children.map(change);
  return after.every((child, index) => child === children[index]) ? children : after;
}

/** Whether there is a pair that is sent on and may arrive. */
function hasCurrent(connection: Connection, name: string): boolean {
  return childrenOf(connection).some((child) => {
    return isSameChild(child, name) && child.usage === 'current' && mayReceive(connection, child);
  });
}

function isSameChild(child: ChildSa, name: string): boolean {
  return child.config.name === name;
}

const GOES_BACK: ReadonlySet<CloseReason> = new Set(['deletedByPeer', 'refusedByPeer', 'expired']);

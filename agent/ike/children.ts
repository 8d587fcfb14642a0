import type { ChildKeys } from '../crypto/keymat.ts';
import type { SaId } from '../dataplane/types.ts';
import { type ChildAgreement, type ChildSa, childSa, saSpecs } from './child-sa.ts';
import { type Connection, childrenOf } from './connection.ts';
import type { Core } from './core.ts';
import type { CloseReason } from './fact.ts';
import { policyCommands } from './policies.ts';
import { selectorText } from './selector.ts';
import type { IkeSa } from './state.ts';
import type { Instant, Path } from './types.ts';

/*
 * The order of kernel operations, in one place. Unpinned, adding an outbound SA would be the switch, and a packet sent
 * before the peer has its inbound SA is lost; so out policies are pinned to an SPI and the pin moves last.
 */

/**
 * Installs a Child SA: as responder inbound SA, response, outbound SA; as initiator inbound, outbound; then policies.
 * A responder that still has an older pair goes on sending on it until the initiator is known to have its new inbound
 * SA: it deletes the older pair, sends a packet on the new one, or a further request on its IKE SA.
 */
export function installChild(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  agreement: ChildAgreement,
  keys: ChildKeys,
  path: Path,
  response: readonly Uint8Array[] | undefined,
): void {
  const older = childrenOf(connection).some(
    (child) => isSameChild(child, agreement.config.name) && child.usage === 'current',
  );
  const usage = response !== undefined && older ? 'deferred' : 'current';
  const child = childSa(at, agreement, path, sa.nat.local || sa.nat.remote, usage);
  const { inbound, outbound } = saSpecs(child, keys, path);
  core.command({ kind: 'addSa', sa: inbound }, connection, sa.number, child.inboundSpi);
  if (response !== undefined) core.transmit(path, response);
  core.command({ kind: 'addSa', sa: outbound }, connection, sa.number, child.inboundSpi);
  setChildren(sa, (children) => [...children, child]);
  if (usage === 'current') makeCurrent(core, at, sa, connection, child);
  else {
    connection.switchCheckAt ??= at + core.context.limits.switchCheckMs;
    core.schedule(connection);
  }
  core.report({
    kind: 'childSaEstablished',
    connection: connection.config.name,
    ikeSa: sa.number,
    child: child.config.name,
    inboundSpi: child.inboundSpi,
    outboundSpi: child.outboundSpi,
    reqid: child.config.reqid,
    suite: child.suite.text,
    localSelectors: child.localSelectors.map(selectorText),
    remoteSelectors: child.remoteSelectors.map(selectorText),
  });
}

/** Asks the kernel whether initiators send on new pairs that are not sent on yet; `onCounters` takes the answers. */
export function askForCounters(core: Core, at: Instant, connection: Connection): void {
  connection.switchCheckAt = undefined;
  for (const child of childrenOf(connection)) {
    if (child.usage !== 'deferred') continue;
    const id = { destination: child.localAddress, spi: child.inboundSpi };
    core.command({ kind: 'queryCounters', id }, connection, 0, 0);
    connection.switchCheckAt = at + core.context.limits.switchCheckMs;
  }
  core.schedule(connection);
}

/** A packet on a new pair proves that the initiator has both of its SAs: now it can be sent on too. */
export function onCounters(core: Core, at: Instant, id: SaId, packets: number): void {
  if (packets === 0) return;
  for (const connection of core.connections.values()) {
    if (connection.switchCheckAt === undefined) continue;
    for (const sa of connection.ikeSas) {
      if (sa.state.kind !== 'established') continue;
      const child = sa.state.children.find(
        (each) => each.inboundSpi === id.spi && each.localAddress === id.destination,
      );
      if (child?.usage === 'deferred') makeCurrent(core, at, sa, connection, child);
    }
  }
}

/** A further request of the peer shows that it has what earlier ones were granted: from here on it is sent to. */
export function switchToGranted(core: Core, at: Instant, sa: IkeSa, connection: Connection): void {
  if (sa.state.kind !== 'established') return;
  for (const child of sa.state.children) {
    if (child.usage === 'deferred') makeCurrent(core, at, sa, connection, child);
  }
}

/** Sends on `child` from here on; older pairs of the same Child are received on only. */
export function makeCurrent(core: Core, at: Instant, sa: IkeSa, connection: Connection, child: ChildSa): void {
  markCurrent(connection, child);
  orderPolicies(core, connection, sa.number, child.inboundSpi);
  retireOrphans(core, at, connection, child.config.reqid);
}

/**
 * Takes Child SAs, named by their inbound SPIs, out of the kernel: policies first, so that nothing is sent on an SA that
 * is gone, then the outbound SA. The inbound one stays for a grace: the peer sends on it until it has heard, and its
 * last packets are under way.
 */
export function removeChildren(
  core: Core,
  at: Instant,
  sa: IkeSa,
  connection: Connection,
  inboundSpis: readonly number[],
  reason: CloseReason,
): void {
  if (sa.state.kind !== 'established') return;
  const removed = sa.state.children.filter((child) => inboundSpis.includes(child.inboundSpi));
  if (removed.length === 0) return;
  setChildren(sa, (children) => children.filter((child) => !removed.includes(child)));
  ensureCurrent(core, at, connection);
  orderPolicies(core, connection, sa.number, 0);
  const { supersededGraceMs, deleteTimeoutMs } = core.context.limits;
  const knows = reason === 'deletedByPeer' || reason === 'peerDead';
  // A Delete waits for its turn first, then for its answer; `hastenRetirement` comes when that is there.
  const heardBy = knows ? at : at + connection.config.liveness.timeoutMs + deleteTimeoutMs;
  for (const child of removed) {
    const outbound = { destination: child.remoteAddress, spi: child.outboundSpi };
    const inbound = { destination: child.localAddress, spi: child.inboundSpi };
    core.command({ kind: 'deleteSa', id: outbound }, connection, sa.number, 0);
    const toldOn = knows ? 0 : sa.number;
    connection.retiring.push({ id: inbound, toldOn, removeAt: heardBy + supersededGraceMs });
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
  core.schedule(connection);
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

/** The peer has answered on an IKE SA, or never will: only packets under way may still come to what it was told of. */
export function hastenRetirement(core: Core, at: Instant, connection: Connection, ikeSa: number): void {
  const removeAt = at + core.context.limits.supersededGraceMs;
  connection.retiring = connection.retiring.map((each) =>
    each.toldOn === ikeSa ? { id: each.id, toldOn: 0, removeAt: Math.min(each.removeAt, removeAt) } : each,
  );
  core.schedule(connection);
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

/** Brings the kernel's policies to what the connection needs now. */
export function orderPolicies(core: Core, connection: Connection, ikeSa: number, childSpi: number): void {
  const commands = policyCommands(
    connection.config,
    childrenOf(connection),
    connection.policies,
    core.policyIndexes,
    core.context.limits,
    connection.policiesUncertain,
  );
  connection.policiesUncertain = false;
  for (const command of commands) core.command(command, connection, ikeSa, childSpi);
}

/**
 * Where the pair that was sent on is gone, another takes its place: one that waited for it to end, else the newest of
 * those that it had superseded, which happens where two crossing exchanges are settled. The policies follow when all
 * are in place: none may lose its pin on the way.
 */
function ensureCurrent(core: Core, at: Instant, connection: Connection): void {
  const names = new Set(childrenOf(connection).map((child) => child.config.name));
  for (const name of names) {
    const candidates = childrenOf(connection).filter((child) => isSameChild(child, name));
    if (candidates.some(({ usage }) => usage === 'current')) continue;
    const next = candidates.findLast(({ usage }) => usage === 'deferred') ?? candidates.at(-1);
    if (next === undefined) continue;
    markCurrent(connection, next);
    retireOrphans(core, at, connection, next.config.reqid);
  }
}

function markCurrent(connection: Connection, child: ChildSa): void {
  for (const owner of connection.ikeSas) {
    setChildren(owner, (children) =>
      children.map((each) => {
        if (each.inboundSpi === child.inboundSpi) return { ...each, usage: 'current' };
        return isSameChild(each, child.config.name) ? { ...each, usage: 'superseded' } : each;
      }),
    );
  }
}

/** What an earlier run left has a successor in use. */
function retireOrphans(core: Core, at: Instant, connection: Connection, reqid: number): void {
  const removeAt = at + core.context.limits.supersededGraceMs;
  for (const orphan of connection.orphans) {
    if (orphan.reqid !== reqid) continue;
    connection.retiring.push({ id: orphan.id, toldOn: 0, removeAt });
    core.report({ kind: 'orphanRemoved', connection: connection.config.name, spi: orphan.id.spi });
  }
  connection.orphans = connection.orphans.filter((orphan) => orphan.reqid !== reqid);
  core.schedule(connection);
}

function setChildren(sa: IkeSa, change: (children: readonly ChildSa[]) => readonly ChildSa[]): void {
  if (sa.state.kind === 'established') sa.state = { ...sa.state, children: change(sa.state.children) };
}

function isSameChild(child: ChildSa, name: string): boolean {
  return child.config.name === name;
}

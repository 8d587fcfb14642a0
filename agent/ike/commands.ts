import type { KernelSnapshot } from '../dataplane/types.ts';
import { assertNever } from '../result.ts';
import { depart } from './child/departure.ts';
import { deletionOf } from './child/ending.ts';
import { inherit, leftoversOf, removeUnwanted } from './child/kernel-snapshot.ts';
import { orderPolicies, withRemovalsLast } from './child/order-policies.ts';
import { sendOnOthers } from './child/pair-in-use.ts';
import { removeOrphans, retireOrphans, retiringAnyway, takePinned } from './child/retirement.ts';
import { deleteUnselected } from './child/unselected.ts';
import { closeIkeSa } from './closing.ts';
import { configuredFor, isConfigured, isUnwanted } from './connection/configured.ts';
import {
  askForMissing,
  attempt,
  callOff,
  isSatisfied,
  reauthenticate,
  scheduleAttempt,
} from './connection/connecting.ts';
import {
  type Connection,
  childrenOf,
  initiationOf,
  newConnection,
  requireReplayWindows,
  standingIkeSa,
} from './connection/connection.ts';
import { asksForMore, needsRestart, outdatedBy } from './connection/reconfiguration.ts';
import type { Core } from './core.ts';
import type { CloseReason } from './fact.ts';
import { enqueue } from './message/requests.ts';
import { fraction } from './message/window.ts';
import { wipeSecrets } from './negotiation/authentication.ts';
import { searchPathMtu } from './path/path-mtu.ts';
import { shortened } from './rekey/rekey-time.ts';
import { rekeyIkeSa, rekeySoon } from './rekey/rekeying.ts';
import { deleteRekeyed } from './rekey/succession.ts';
import { isReplaced } from './rekey/under-way.ts';
import type { Established, IkeSa } from './state.ts';
import type { ChildConfig, Command, ConnectionConfig, Instant } from './types.ts';

/** Carries out an order of the runtime. An unknown name is no failure: the connection is gone as it was to be. */
export function onCommand(core: Core, at: Instant, command: Command): void {
  switch (command.kind) {
    case 'addConnection':
      add(core, at, command.connection, command.snapshot);
      return;
    case 'updateConnection':
      update(core, at, command.connection, command.formerName);
      return;
    case 'removeConnection':
      withConnection(core, command.name, (connection) => remove(core, at, connection));
      return;
    case 'changeConnections':
      withRemovalsLast(core, () => {
        for (const change of command.changes) onCommand(core, at, change);
      });
      return;
    case 'initiate':
      withConnection(core, command.name, (connection) => attempt(core, at, connection, 'now'));
      return;
    case 'reauthenticate':
      withConnection(core, command.name, (connection) => reauthenticateNow(core, at, connection));
      return;
    case 'rekey':
      withConnection(core, command.name, (connection) => rekeyStanding(core, at, connection));
      return;
    case 'rekeyChild':
      withConnection(core, command.name, (connection) => rekeyChild(core, at, connection, command.child));
      return;
    case 'terminate':
      withConnection(core, command.name, (connection) => terminate(core, at, connection));
      return;
    case 'terminateChild':
      withConnection(core, command.name, (connection) => endChild(core, at, connection, command.child));
      return;
    case 'checkLiveness':
      withConnection(core, command.name, (connection) => {
        for (const sa of connection.ikeSas) enqueue(core, at, sa, { kind: 'liveness' });
      });
      return;
    case 'searchPathMtu':
      withConnection(core, command.name, (connection) => searchPathMtu(core, at, connection, command.most));
      return;
    case 'start':
      start(core, at, command);
      return;
    case 'removeUnwanted':
      core.leavesUnwanted = false;
      removeUnwanted(core, command.snapshot);
      return;
    default:
      assertNever(command);
  }
}

function start(
  core: Core,
  at: Instant,
  { connections, snapshot, leavesUnwanted = false }: Extract<Command, { kind: 'start' }>,
): void {
  core.leavesUnwanted = leavesUnwanted;
  const leftovers = leftoversOf(snapshot);
  for (const config of connections) {
    const connection = newConnection(config);
    inherit(core, connection, leftovers);
    enter(core, at, connection, connections.length);
  }
  removeUnwanted(core, snapshot);
}

function add(core: Core, at: Instant, config: ConnectionConfig, snapshot?: KernelSnapshot): void {
  const connection = newConnection(config);
  if (snapshot !== undefined) inherit(core, connection, leftoversOf(snapshot));
  enter(core, at, connection, core.connections.size + 1);
}

/** Takes on one of `count` connections. */
function enter(core: Core, at: Instant, connection: Connection, count: number): void {
  const { name } = connection.config;
  if (core.connections.has(name)) throw new Error(`connection ${name} is there already`);
  core.connections.add(connection);
  orderPolicies(core, connection);
  begin(core, at, connection, count);
}

/**
 * A lonely connection begins at once, those of a mesh one after the other in an order left to chance: all nodes may have
 * started at the same moment, or have heard of the same new node.
 */
function begin(core: Core, at: Instant, connection: Connection, count: number): void {
  const { startPaceMs, startSpreadMs } = core.context.limits;
  const spread = Math.min((count - 1) * startPaceMs, startSpreadMs);
  const initiation = initiationOf(connection.config);
  if (initiation === 'start') connection.nextAttemptAt = at + spread * fraction(core.context.random.jitter);
  else scheduleAttempt(core, at, connection);
  core.schedule(connection);
}

/**
 * Where the peer is another one, or a Child has another mode, everything is torn down and begun anew; everything else
 * changes under the SAs: Children come and go by themselves, and one that is for other traffic is asked for by the side of
 * what it takes the place of. New keys and certificates are shown, and other algorithms
 * agreed on, by a new IKE SA before the old one goes.
 */
function update(core: Core, at: Instant, config: ConnectionConfig, formerName = config.name): void {
  const connection = core.connections.get(formerName);
  if (connection === undefined) {
    add(core, at, config);
    return;
  }
  requireReplayWindows(config);
  const before = connection.config;
  if (needsRestart(connection, config)) restart(core, at, connection, config);
  else {
    adjust(core, at, connection, config);
    const { limits } = core.context;
    const forgone = before.children.filter((child) => isUnwanted(connection, child, limits));
    for (const child of forgone) forgoChild(core, at, connection, child);
    const isOutdated = outdatedBy(before, config);
    if (isOutdated !== undefined) {
      connection.outdated = connection.ikeSas.filter(isOutdated).map(({ number }) => number);
      reauthenticateSoon(core, at, connection);
    }
  }
  wipeSecrets(before, config);
}

/** New SAs, but the kernel's policies change from the old ones to the new without a moment between. */
function restart(core: Core, at: Instant, old: Connection, config: ConnectionConfig): void {
  endAll(core, at, old, 'deletedLocally');
  core.connections.remove(old);
  const retiring = retiringAnyway(core, at, old);
  const connection: Connection = { ...newConnection(config), ...inheritance(old), retiring };
  old.retiring = [];
  for (const [key, holder] of core.policyPlaces) if (holder === old) core.policyPlaces.set(key, connection);
  core.connections.add(connection);
  orderPolicies(core, connection);
  begin(core, at, connection, core.connections.size);
}

/** What lies in the kernel and what the peer knows do not depend on the configuration. */
function inheritance(old: Connection): Partial<Connection> {
  const { policies, policiesUncertain, orphans, contacted, peerInstance, peerEmptyAt, lastAddress } = old;
  return { policies, policiesUncertain, orphans, contacted, peerInstance, peerEmptyAt, lastAddress };
}

/** The SAs stay; policies, deadlines and who begins follow the new configuration. */
function adjust(core: Core, at: Instant, connection: Connection, config: ConnectionConfig): void {
  const before = connection.config;
  core.connections.reconfigure(connection, config);
  for (const sa of connection.ikeSas) {
    core.touch(sa);
    if (sa.state.kind !== 'established') continue;
    const rekeyAt = sa.state.rekeyAt + config.ikeLifetimeMs - before.ikeLifetimeMs;
    const reauthenticateAt = reauthenticationAt(core, sa.state, before, config);
    const children = sa.state.children.map((child) => {
      return { ...child, config: configuredFor(config, child, core.context.limits) };
    });
    sa.state = { ...sa.state, children, rekeyAt, reauthenticateAt };
  }
  // Nothing goes in plaintext any more until the peer has shown that it has a pair.
  if (becomesRequired(before, config)) sendOnOthers(core, at, connection);
  else orderPolicies(core, connection);
  if (initiationOf(before) === initiationOf(config) && !asksForMore(before, config)) return;
  if (connection.replacing === 0) callOff(core, connection);
  if (isSatisfied(connection)) return;
  begin(core, at, connection, core.connections.size);
  askForSuccessors(core, at, connection);
}

/** What was made for other traffic is replaced also where nothing is begun by ourselves. */
function askForSuccessors(core: Core, at: Instant, connection: Connection): void {
  const standing = standingIkeSa(connection);
  if (standing === undefined || connection.nextAttemptAt !== undefined) return;
  const outdated = childrenOf(connection).some((child) => !isConfigured(connection.config, child));
  if (outdated) askForMissing(core, at, connection, standing);
}

function becomesRequired(before: ConnectionConfig, after: ConnectionConfig): boolean {
  return after.children.some(({ name, enforcement }) => {
    const same = before.children.find((child) => child.name === name);
    return enforcement === 'Required' && same?.enforcement === 'Permissive';
  });
}

function reauthenticationAt(
  core: Core,
  state: Established,
  before: ConnectionConfig,
  { reauthenticationMs }: ConnectionConfig,
): Instant | undefined {
  if (reauthenticationMs === before.reauthenticationMs) return state.reauthenticateAt;
  return reauthenticationMs && state.authenticatedAt + shortened(reauthenticationMs, core.context.random.jitter);
}

function remove(core: Core, at: Instant, connection: Connection): void {
  endAll(core, at, connection, 'deletedLocally');
  core.connections.remove(connection);
  // Nothing that could need it is left: what is not established has been closed.
  wipeSecrets(connection.config);
  callOff(core, connection);
  hastenOpen(core, at, connection);
  depart(core, connection);
  removeOrphans(core, connection);
  core.schedule(connection);
}

/** Nothing that was asked is waited for any longer than a peer that is still there takes to answer. */
function hastenOpen(core: Core, at: Instant, { ikeSas, config }: Connection): void {
  for (const sa of ikeSas) {
    sa.window.hasten(at + config.liveness.timeoutMs);
    core.touch(sa);
  }
}

/** Where there is no IKE SA, whatever is begun brings new proofs, and what has been begun is seen to when it stands. */
function reauthenticateNow(core: Core, at: Instant, connection: Connection): void {
  const standing = standingIkeSa(connection);
  if (standing !== undefined) reauthenticate(core, at, connection, standing);
}

/** A new certificate or authority often concerns all peers: they are not called at the same moment. */
function reauthenticateSoon(core: Core, at: Instant, connection: Connection): void {
  const { limits, random } = core.context;
  const { reauthenticationPaceMs, reauthenticationSpreadMs } = limits;
  const spread = Math.min(core.connections.size * reauthenticationPaceMs, reauthenticationSpreadMs);
  reauthenticateNow(core, at + spread * fraction(random.jitter), connection);
}

function rekeyStanding(core: Core, at: Instant, connection: Connection): void {
  const standing = standingIkeSa(connection);
  if (standing !== undefined) rekeyIkeSa(core, at, connection, standing);
}

function rekeyChild(core: Core, at: Instant, connection: Connection, name: string): void {
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established') continue;
    const { children } = sa.state;
    const inUse = children.filter((child) => child.config.name === name && child.usage === 'current');
    for (const child of inUse) if (!isReplaced(children, child)) rekeySoon(core, at, sa, child);
  }
}

/** A connection that is to be up by itself comes up again. */
function terminate(core: Core, at: Instant, connection: Connection): void {
  endAll(core, at, connection, 'deletedLocally');
  leaveOrphans(core, at, connection, connection.config.children);
  scheduleAttempt(core, at, connection);
}

/** What is to end is not sent on in an orphan either, which is received on until a successor is in use. */
function leaveOrphans(core: Core, at: Instant, connection: Connection, children: readonly ChildConfig[]): void {
  const left = takePinned(connection, new Set(children.map(({ reqid }) => reqid)));
  if (left.length === 0) return;
  orderPolicies(core, connection);
  for (const { id } of left) deleteUnselected(core, at, connection, id);
}

function endAll(core: Core, at: Instant, connection: Connection, reason: CloseReason): void {
  for (const sa of inUseLast(connection)) {
    if (sa.state.kind === 'established') enqueue(core, at, sa, { kind: 'deleteIkeSa', reason });
    else if (sa.state.kind === 'rekeyed') deleteRekeyed(core, at, sa, sa.state, reason);
    else if (sa.state.kind !== 'deleting') closeIkeSa(core, at, sa, reason);
  }
  callOff(core, connection);
  connection.replacing = 0;
}

/** What is sent on goes last, so that nothing is sent for a moment on what had been superseded. */
function inUseLast({ ikeSas }: Connection): readonly IkeSa[] {
  return ikeSas.toSorted((left, right) => Number(isSentOn(left)) - Number(isSentOn(right)));
}

function isSentOn({ state }: IkeSa): boolean {
  return state.kind === 'established' && state.children.some(({ usage }) => usage === 'current');
}

function endChild(core: Core, at: Instant, connection: Connection, name: string): void {
  deleteChildSas(core, at, connection, name);
  leaveOrphans(
    core,
    at,
    connection,
    connection.config.children.filter((child) => child.name === name),
  );
}

/** A Child is configured no more, or for quite other traffic: its SAs go, also those that an earlier run has left. */
function forgoChild(core: Core, at: Instant, connection: Connection, child: ChildConfig): void {
  deleteChildSas(core, at, connection, child.name);
  leaveOrphans(core, at, connection, [child]);
  retireOrphans(core, at, connection, child.reqid, at);
}

function deleteChildSas(core: Core, at: Instant, connection: Connection, name: string): void {
  for (const sa of inUseLast(connection)) {
    if (sa.state.kind !== 'established') continue;
    for (const child of sa.state.children) {
      if (child.config.name !== name) continue;
      enqueue(core, at, sa, deletionOf(child, 'deletedLocally'));
    }
  }
}

function withConnection(core: Core, name: string, action: (connection: Connection) => void): void {
  const connection = core.connections.get(name);
  if (connection !== undefined) action(connection);
}

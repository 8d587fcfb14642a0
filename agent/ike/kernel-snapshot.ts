import { isBypassIndex } from '../dataplane/ownership.ts';
import { planChanges } from '../dataplane/plan.ts';
import { saIdText } from '../dataplane/texts.ts';
import type { DataplaneCommand, KernelSnapshot, PolicySpec, SaId } from '../dataplane/types.ts';
import type { ChildSa } from './child-sa.ts';
import { removeChildren } from './children.ts';
import { scheduleAttempt } from './connecting.ts';
import { type Connection, childrenOf } from './connection.ts';
import type { Core } from './core.ts';
import { enqueue } from './requests.ts';
import type { Instant } from './types.ts';

/**
 * Takes over what an earlier run left: SAs that a connection still wants stay until their successors are in use, the
 * others go, and so do policies that nobody wants.
 */
export function adopt(core: Core, snapshot: KernelSnapshot): void {
  const owners = new Map<number, Connection>();
  for (const connection of core.connections.values()) {
    for (const child of connection.config.children) owners.set(child.reqid, connection);
  }
  for (const sa of snapshot.sas) {
    const owner = owners.get(sa.reqid);
    if (!sa.ours || owner === undefined) continue;
    core.espSpis.add(sa.id.spi);
    owner.orphans.push({ id: sa.id, reqid: sa.reqid });
  }
  // What is wanted has been ordered already, after this snapshot was taken: only what nobody wants is left to do.
  for (const command of planned(core, snapshot)) {
    if (command.kind !== 'putPolicy') core.command(command, undefined, 0, 0);
  }
}

/**
 * Brings core and kernel together again after events were lost or somebody else has removed what is ours: a Child SA
 * without its SAs is given up and asked for anew, policies come back, and what nobody knows goes.
 */
export function reconcile(core: Core, at: Instant, snapshot: KernelSnapshot): void {
  const installed = new Set(snapshot.sas.map((sa) => saIdText(sa.id)));
  for (const connection of core.connections.values()) removeLost(core, at, connection, installed);
  for (const command of planned(core, snapshot)) core.command(command, undefined, 0, 0);
}

/** What leads from the snapshot to what the core has ordered; foreign objects are left alone. */
function planned(core: Core, snapshot: KernelSnapshot): readonly DataplaneCommand[] {
  const policies = [...orderedPolicies(core), ...bypasses(snapshot)];
  return planChanges({ policies, sas: [], keep: knownSas(core) }, snapshot).commands;
}

function removeLost(core: Core, at: Instant, connection: Connection, installed: ReadonlySet<string>): void {
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established') continue;
    for (const child of sa.state.children) {
      if (saIds(child).every((id) => installed.has(saIdText(id)))) continue;
      core.report({ kind: 'saExpired', connection: connection.config.name, child: child.config.name, hard: true });
      removeChildren(core, at, sa, connection, [child.inboundSpi], 'expired');
      enqueue(core, at, sa, { kind: 'deleteChild', inboundSpi: child.inboundSpi });
    }
  }
  scheduleAttempt(core, at, connection);
}

function orderedPolicies(core: Core): readonly PolicySpec[] {
  return Array.from(core.connections.values(), (connection) => [...connection.policies.values()]).flat();
}

/** The way of IKE itself, which is not the core's. */
function bypasses(snapshot: KernelSnapshot): readonly PolicySpec[] {
  return snapshot.policies.filter(({ ours, index }) => ours && isBypassIndex(index));
}

function knownSas(core: Core): readonly SaId[] {
  return Array.from(core.connections.values(), (connection) => [
    ...childrenOf(connection).flatMap(saIds),
    ...connection.retiring.map(({ id }) => id),
    ...connection.orphans.map(({ id }) => id),
  ]).flat();
}

function saIds(child: ChildSa): readonly SaId[] {
  return [
    { destination: child.localAddress, spi: child.inboundSpi },
    { destination: child.remoteAddress, spi: child.outboundSpi },
  ];
}

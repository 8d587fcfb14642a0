import { isBypassPolicy } from '../../dataplane/ownership.ts';
import { planChanges } from '../../dataplane/plan.ts';
import { describeKey, policyKeyText, saIdText } from '../../dataplane/texts.ts';
import type {
  DataplaneCommand,
  InstalledPolicy,
  InstalledSa,
  KernelSnapshot,
  PolicySpec,
  SaId,
} from '../../dataplane/types.ts';
import { type IpAddress, withoutZone } from '../../wire/ip-address.ts';
import { scheduleAttempt } from '../connection/connecting.ts';
import { type Connection, childrenOf } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { enqueue } from '../message/requests.ts';
import type { IkeSa } from '../state.ts';
import type { ConnectionConfig, Instant } from '../types.ts';
import { countArrivals, type InstalledSas, installedSas, isForeign } from './arrival-watch.ts';
import type { ChildSa } from './child-sa.ts';
import { deletionOf } from './ending.ts';
import { configuredPolicyKeys } from './policies.ts';
import { removeChildren } from './removal.ts';

/** What an earlier run left in the kernel, by what a connection knows of it. */
export interface Leftovers {
  readonly policies: ReadonlyMap<string, InstalledPolicy>;
  readonly sasOfReqid: ReadonlyMap<number, readonly InstalledSa[]>;
}

/** What of a snapshot is ours. */
export function leftoversOf({ policies, sas }: KernelSnapshot): Leftovers {
  return {
    policies: new Map(policies.filter(({ ours }) => ours).map((policy) => [policyKeyText(policy), policy])),
    sasOfReqid: Map.groupBy(
      sas.filter(({ ours }) => ours),
      ({ reqid }) => reqid,
    ),
  };
}

/**
 * Gives a connection that has not ordered anything yet what an earlier run left of it: the policies that it wants, as
 * they are, and its SAs, which stay until their successors are in use.
 */
export function inherit(core: Core, connection: Connection, leftovers: Leftovers): void {
  const { config, orphans, policies } = connection;
  const pinned = new Set<number>();
  connection.lastAddress = addressIn(leftovers, config);
  const owner = { config, remoteAddress: connection.lastAddress };
  for (const key of configuredPolicyKeys(owner, core.context.limits)) {
    const policy = leftovers.policies.get(key);
    if (policy === undefined) continue;
    policies.set(key, policy);
    core.policyPlaces.set(key, connection);
    if (policy.template !== undefined) pinned.add(policy.template.spi);
  }
  // Where a run ended on the way from one SA to another, policies are pinned to both: the newer one, last here, is sent on.
  const left = config.children.flatMap((child) => leftovers.sasOfReqid.get(child.reqid) ?? []);
  for (const { id, reqid } of left.toSorted((one, other) => one.addedAt - other.addedAt)) {
    const inbound = id.destination === withoutZone(config.localAddress);
    if (inbound) core.espSpis.add(id.spi);
    // An outbound one that nothing is pinned to was not sent on, or not any more.
    if (!inbound && !pinned.has(id.spi)) continue;
    // Whoever authenticates is told that nothing counts any more from before this agent began.
    orphans.push({
      id,
      reqid,
      madeAt: Number.NEGATIVE_INFINITY,
      settledAt: undefined,
      pinned: !inbound,
      believedUntil: Number.NEGATIVE_INFINITY,
    });
  }
}

/** Where the peer is, or for one of any address where an earlier run has sent what is for it. */
export function addressIn(
  { policies }: Leftovers,
  { remoteAddress, children }: ConnectionConfig,
): IpAddress | undefined {
  if (remoteAddress !== 'any') return remoteAddress;
  const reqids = new Set(children.map(({ reqid }) => reqid));
  for (const { direction, selector, template } of policies.values()) {
    if (direction !== 'out' || template === undefined || !reqids.has(template.reqid)) continue;
    return template.mode === 'tunnel' ? template.destination : selector.destination.address;
  }
  return undefined;
}

/** Removes what an earlier run left and no connection wants, unless it is to stay. */
export function removeUnwanted(core: Core, snapshot: KernelSnapshot): void {
  // What is wanted has been ordered already, after this snapshot was taken.
  for (const command of planned(core, snapshot)) {
    if (command.kind !== 'putPolicy') core.command(command, undefined, 0, 0);
  }
}

/**
 * Brings core and kernel together again after events were lost or somebody else has removed what is ours: a Child SA
 * without its SAs is given up and asked for anew, policies come back, and what nobody knows goes, unless it is to stay.
 */
export function reconcile(core: Core, at: Instant, snapshot: KernelSnapshot): void {
  lookAtSas(core, at, snapshot);
  for (const command of planned(core, snapshot)) core.command(command, undefined, 0, 0);
}

/**
 * Looks whether the kernel has what was ordered, which somebody else may have removed, and what it has counted. What is not
 * known stays: it may be that of an agent that has just taken over. So does a policy of ours that somebody has changed and
 * not removed: whoever administers the host may want it so for now, and the status says it.
 */
export function survey(core: Core, at: Instant, snapshot: KernelSnapshot): void {
  lookAtSas(core, at, snapshot);
  // What it refused is not there, and is ordered again in its own time.
  if (core.refused.retryAt !== undefined) return;
  const present = new Set(snapshot.policies.map(policyKeyText));
  for (const command of planned(core, snapshot)) {
    if (command.kind !== 'putPolicy' || present.has(policyKeyText(command.policy))) continue;
    core.command(command, undefined, 0, 0);
    core.report({ kind: 'policyRestored', object: describeKey(command.policy) });
  }
}

/**
 * A pair of which the kernel has no SA, or one that is not ours, is given up and negotiated anew. It has ended by itself where its
 * lifetime is over: who was stopped for so long may see that before he hears it.
 */
export function loseChild(
  core: Core,
  at: Instant,
  connection: Connection,
  sa: IkeSa,
  child: ChildSa,
  spi: number,
): void {
  const named = { connection: connection.config.name, child: child.config.name };
  core.report(
    hasEnded(child, at) ? { kind: 'saExpired', ...named, hard: true } : { kind: 'saTampered', ...named, spi },
  );
  removeChildren(core, at, sa, connection, [child.inboundSpi], 'expired');
  enqueue(core, at, sa, deletionOf(child, 'expired'));
  scheduleAttempt(core, at, connection);
}

function hasEnded({ installedAt, lifetime: { hardSeconds } }: ChildSa, at: Instant): boolean {
  return hardSeconds !== undefined && at >= installedAt + hardSeconds * 1_000;
}

function lookAtSas(core: Core, at: Instant, snapshot: KernelSnapshot): void {
  const installed = installedSas(snapshot);
  for (const connection of core.connections.values()) {
    removeLost(core, at, connection, installed);
    countArrivals(core, at, connection, installed);
  }
}

/** What leads from the snapshot to what the core has ordered; foreign objects are left alone. */
function planned(core: Core, snapshot: KernelSnapshot): readonly DataplaneCommand[] {
  const policies = [...orderedPolicies(core), ...bypasses(snapshot)];
  const { commands } = planChanges({ policies, sas: [], keep: knownSas(core) }, snapshot);
  return core.leavesUnwanted ? commands.filter(({ kind }) => kind === 'putPolicy') : commands;
}

function removeLost(core: Core, at: Instant, connection: Connection, installed: InstalledSas): void {
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established') continue;
    for (const child of sa.state.children) {
      const missing = saIds(child).find((id) => !installed.has(saIdText(id)));
      if (missing === undefined && !isForeign(connection, child, installed)) continue;
      loseChild(core, at, connection, sa, child, missing?.spi ?? child.outboundSpi);
    }
  }
  scheduleAttempt(core, at, connection);
}

function orderedPolicies(core: Core): readonly PolicySpec[] {
  return Array.from(core.connections.values(), (connection) => [...connection.policies.values()]).flat();
}

/** The way of IKE itself, which is not the core's. */
function bypasses(snapshot: KernelSnapshot): readonly PolicySpec[] {
  return snapshot.policies.filter((policy) => policy.ours && isBypassPolicy(policy));
}

function knownSas(core: Core): readonly SaId[] {
  const ofConnections = Array.from(core.connections.values(), (connection) => [
    ...childrenOf(connection).flatMap(saIds),
    ...connection.retiring.map(({ id }) => id),
    ...connection.orphans.map(({ id }) => id),
  ]);
  return [...ofConnections.flat(), ...core.unselected.map(({ id }) => id)];
}

function saIds(child: ChildSa): readonly SaId[] {
  return [
    { destination: child.localAddress, spi: child.inboundSpi },
    { destination: child.remoteAddress, spi: child.outboundSpi },
  ];
}

import { policyKeyText } from '../../dataplane/texts.ts';
import type { DataplaneCommand } from '../../dataplane/types.ts';
import { type Connection, childrenOf, knownAddress, mayReceive } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { ChildSa } from './child-sa.ts';
import { orphanPins } from './orphan-pins.ts';
import { configuredPolicyKeys, type PolicyOwner, policyCommands } from './policies.ts';

/** What a connection orders when it needs policies no more. */
export interface PolicyRemoval {
  readonly connection: Connection;
  readonly commands: readonly DataplaneCommand[];
}

/**
 * Brings the kernel's policies to what the connection needs now. What it refuses is ordered again, and no Child SA given
 * up for it: the peer counts on it. Within a change of several connections, policies go when all have got theirs.
 */
export function orderPolicies(core: Core, connection: Connection): void {
  const commands = policyCommands(
    { ...configured(connection), departing: connection.departing },
    childrenOf(connection).filter((child) => !isInVain(connection, child)),
    connection.policies,
    core.policyIndexes,
    core.context.limits,
    connection.policiesUncertain,
    orphanPins(connection),
    (key) => isTaken(core, connection, key),
  );
  connection.policiesUncertain = false;
  const firstRemoval = commands.findIndex(({ kind }) => kind === 'deletePolicy');
  const puts = firstRemoval < 0 ? commands : commands.slice(0, firstRemoval);
  for (const command of puts) {
    if (command.kind === 'putPolicy') takePlace(core, connection, policyKeyText(command.policy));
    core.command(command, connection, 0, 0);
  }
  if (firstRemoval < 0) return;
  const removal = { connection, commands: commands.slice(firstRemoval) };
  if (core.policyRemovals === undefined) removePolicies(core, removal);
  else core.policyRemovals.push(removal);
}

/** Carries out what several connections are to become, with no moment in which a network that moves between them has no policy. */
export function withRemovalsLast(core: Core, change: () => void): void {
  const removals: PolicyRemoval[] = [];
  core.policyRemovals = removals;
  try {
    change();
  } finally {
    core.policyRemovals = undefined;
    for (const removal of removals) removePolicies(core, removal);
  }
}

/** What has been taken by another connection, or is needed again, stays. */
function removePolicies(core: Core, { connection, commands }: PolicyRemoval): void {
  const { policies } = connection;
  for (const command of commands) {
    if (command.kind === 'putPolicy') {
      const policy = policies.get(policyKeyText(command.policy));
      if (policy !== undefined) core.command({ kind: 'putPolicy', policy }, connection, 0, 0);
    } else if (command.kind === 'deletePolicy') {
      const key = policyKeyText(command.key);
      if (policies.has(key) || isTaken(core, connection, key)) continue;
      core.policyPlaces.delete(key);
      core.command(command, connection, 0, 0);
    }
  }
}

/** The policy in its place is this connection's from now on: whose it was must neither change nor delete it, unless it is configured there too. */
function takePlace(core: Core, connection: Connection, key: string): void {
  const holder = core.policyPlaces.get(key);
  core.policyPlaces.set(key, connection);
  if (holder === undefined || holder.policies === connection.policies) return;
  if (!configuredPolicyKeys(configured(holder), core.context.limits).has(key)) holder.policies.delete(key);
}

/** Whether another connection has put the policy that stands in this place. */
function isTaken(core: Core, connection: Connection, key: string): boolean {
  const holder = core.policyPlaces.get(key);
  return holder !== undefined && holder.policies !== connection.policies && holder.policies.has(key);
}

function configured(connection: Connection): PolicyOwner {
  return { config: connection.config, remoteAddress: knownAddress(connection) };
}

/** Whether what is sent on a pair is lost for certain, while plaintext would arrive. */
function isInVain(connection: Connection, child: ChildSa): boolean {
  return child.config.enforcement === 'Permissive' && !mayReceive(connection, child);
}

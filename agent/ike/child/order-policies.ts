import { policyKeyText } from '../../dataplane/texts.ts';
import { type Connection, childrenOf, knownAddress, mayReceive } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { ChildSa } from './child-sa.ts';
import { orphanPins } from './orphan-pins.ts';
import { policyCommands } from './policies.ts';

/**
 * Brings the kernel's policies to what the connection needs now. What it refuses is ordered again, and no Child SA given
 * up for it: the peer counts on it.
 */
export function orderPolicies(core: Core, connection: Connection): void {
  const commands = policyCommands(
    { config: connection.config, remoteAddress: knownAddress(connection), departing: connection.departing },
    childrenOf(connection).filter((child) => !isInVain(connection, child)),
    connection.policies,
    core.policyIndexes,
    core.context.limits,
    connection.policiesUncertain,
    orphanPins(connection),
  );
  connection.policiesUncertain = false;
  const replaced = new Set<Connection>();
  for (const command of commands) {
    if (command.kind === 'putPolicy') takeFromDeparting(core, connection, policyKeyText(command.policy), replaced);
    core.command(command, connection, 0, 0);
  }
  for (const other of replaced) {
    other.departing = [];
    core.departing.delete(other);
    orderPolicies(core, other);
  }
}

/** The policy in its place is another connection's from now on: one that departs must neither change nor delete it. */
function takeFromDeparting(core: Core, connection: Connection, key: string, replaced: Set<Connection>): void {
  for (const other of core.departing) {
    if (other !== connection && other.policies.delete(key)) replaced.add(other);
  }
}

/** Whether what is sent on a pair is lost for certain, while plaintext would arrive. */
function isInVain(connection: Connection, child: ChildSa): boolean {
  return child.config.enforcement === 'Permissive' && !mayReceive(connection, child);
}

import { type Connection, childrenOf, knownAddress } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { policyCommands } from './policies.ts';
import { orphanPins } from './retirement.ts';

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

import { type Connection, childrenOf } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { ChildConfig } from '../types.ts';
import { orderPolicies } from './order-policies.ts';

/*
 * A peer goes on sending through a tunnel until it has heard that it is configured no more, and Linux refuses what comes out
 * of a tunnel where no policy is. So policies for what comes in stay, and demand nothing, for as long as an SA is received on.
 */

/** A connection is configured no more: from now on what it protected is sent, and may come, in plaintext. */
export function depart(core: Core, connection: Connection): void {
  const { config } = connection;
  connection.departing = stillReceived(connection, config.children);
  connection.config = { ...config, children: [] };
  if (connection.departing.length > 0) core.departing.add(connection);
  orderPolicies(core, connection);
}

/** Nothing may be received any more on some SAs: a connection that departs lets go of the policies for them. */
export function goOnDeparting(core: Core, connection: Connection): void {
  if (!core.departing.has(connection)) return;
  const departing = stillReceived(connection, connection.departing);
  if (departing.length === connection.departing.length) return;
  connection.departing = departing;
  orderPolicies(core, connection);
  if (departing.length === 0) core.departing.delete(connection);
}

function stillReceived(connection: Connection, children: readonly ChildConfig[]): readonly ChildConfig[] {
  const received = [...childrenOf(connection).map(({ config }) => config), ...connection.retiring];
  const reqids = new Set(received.map(({ reqid }) => reqid));
  return children.filter(({ mode, reqid }) => mode === 'tunnel' && reqids.has(reqid));
}

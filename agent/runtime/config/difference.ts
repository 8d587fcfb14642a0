import { isDeepStrictEqual } from 'node:util';

import { sameAuthentication, wipeSecrets } from '../../ike/negotiation/authentication.ts';
import type { Command, ConnectionConfig } from '../../ike/types.ts';

/** What a reload changes. */
export interface ConfigDifference {
  /** What the core has to be told: first what goes, so that nothing stands in the way of what comes. */
  readonly commands: readonly Command[];
  /** What is configured from here on. Of connections that did not change, the objects that were there before. */
  readonly connections: readonly ConnectionConfig[];
}

/**
 * Compares what runs with what the file asks for, by value, pre-shared keys included. The keys of new objects that
 * nobody needs are wiped.
 */
export function configDifference(
  running: readonly ConnectionConfig[],
  wanted: readonly ConnectionConfig[],
): ConfigDifference {
  const before = new Map(running.map((connection) => [connection.name, connection]));
  const names = new Set(wanted.map((connection) => connection.name));
  const removals: Command[] = running
    .filter((connection) => !names.has(connection.name))
    .map(({ name }) => ({ kind: 'removeConnection', name }));
  const changes: Command[] = [];
  const additions: Command[] = [];
  const connections = wanted.map((connection) => {
    const old = before.get(connection.name);
    if (old === undefined) additions.push({ kind: 'addConnection', connection });
    else if (sameConnection(old, connection)) {
      wipeSecrets(connection, old);
      return old;
    } else changes.push({ kind: 'updateConnection', connection });
    return connection;
  });
  return { commands: [...removals, ...changes, ...additions], connections };
}

/** Secrets hide their bytes from a comparison of objects, so what they are part of is compared by itself. */
function sameConnection(left: ConnectionConfig, right: ConnectionConfig): boolean {
  const { localAuthentication: _, remoteAuthentication: __, ...leftRest } = left;
  const { localAuthentication: ___, remoteAuthentication: ____, ...rightRest } = right;
  return isDeepStrictEqual(leftRest, rightRest) && sameAuthentication(left, right);
}

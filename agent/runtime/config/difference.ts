import { isDeepStrictEqual } from 'node:util';

import { sameAuthentication, wipeSecrets } from '../../ike/negotiation/authentication.ts';
import type { ConnectionChange, ConnectionConfig } from '../../ike/types.ts';

/** What a reload changes. */
export interface ConfigDifference {
  /** What the core has to be told: first what goes, so that nothing stands in the way of what comes. */
  readonly changes: readonly ConnectionChange[];
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
  const left = new Set(running.filter((connection) => !names.has(connection.name)));
  const updates: ConnectionChange[] = [];
  const additions: ConnectionChange[] = [];
  const connections = wanted.map((connection) => {
    const old = before.get(connection.name);
    if (old === undefined) {
      const former = formerOf(connection, left);
      if (former === undefined) additions.push({ kind: 'addConnection', connection });
      else {
        left.delete(former);
        updates.push({ kind: 'updateConnection', connection, formerName: former.name });
      }
    } else if (sameConnection(old, connection)) {
      wipeSecrets(connection, old);
      return old;
    } else updates.push({ kind: 'updateConnection', connection });
    return connection;
  });
  const removals = [...left].map(({ name }): ConnectionChange => ({ kind: 'removeConnection', name }));
  return { changes: [...removals, ...updates, ...additions], connections };
}

/**
 * What is new under its name and has a reqid of something that is gone is that under another name: it selects the same
 * traffic, which is in plaintext where the policies of the one go before those of the other come.
 */
function formerOf({ children }: ConnectionConfig, gone: ReadonlySet<ConnectionConfig>): ConnectionConfig | undefined {
  const reqids = new Set(children.map(({ reqid }) => reqid));
  return [...gone].find((each) => each.children.some(({ reqid }) => reqids.has(reqid)));
}

/** Secrets hide their bytes from a comparison of objects, so what they are part of is compared by itself. */
function sameConnection(left: ConnectionConfig, right: ConnectionConfig): boolean {
  const { localAuthentication: _, remoteAuthentication: __, ...leftRest } = left;
  const { localAuthentication: ___, remoteAuthentication: ____, ...rightRest } = right;
  return isDeepStrictEqual(leftRest, rightRest) && sameAuthentication(left, right);
}

import { createHash } from 'node:crypto';

import { OWN_REQIDS, ownReqid } from '../../dataplane/ownership.ts';
import { policyKeyText } from '../../dataplane/texts.ts';
import type { KernelSnapshot } from '../../dataplane/types.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import { configuredTraffic } from '../../ike/negotiation/traffic.ts';
import type { ConnectionConfig } from '../../ike/types.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { PlannedChild, PlannedConnection } from './agent-config.ts';

/**
 * Gives each Child SA its reqid. It must not change while SAs with it are in use, or the kernel drops what arrives on
 * them: what the running agent has given before stays, then what the kernel's policies say for the same selectors, and
 * only the rest is drawn from the names, the same on every start, around what is in use by others.
 */
export function assignReqids(
  planned: readonly PlannedConnection[],
  running: readonly ConnectionConfig[],
  snapshot: KernelSnapshot,
): readonly ConnectionConfig[] {
  const given = new Map<string, number>();
  for (const connection of running) {
    for (const child of connection.children) given.set(childKey(connection.name, child.name), child.reqid);
  }
  const installed = installedReqids(snapshot);
  const kept = new Map<string, number>();
  const used = new Set<number>();
  const keep = (key: string, reqid: number | undefined): void => {
    if (reqid === undefined || used.has(reqid)) return;
    kept.set(key, reqid);
    used.add(reqid);
  };
  const children = planned.flatMap((connection) =>
    connection.children.map((child) => ({ connection, child, key: childKey(connection.name, child.name) })),
  );
  for (const { key } of children) keep(key, given.get(key));
  // What is new may have the selectors of what runs, wherever it stands in the file.
  for (const { connection, child, key } of children)
    if (!given.has(key)) keep(key, installedReqid(connection, child, installed));
  for (const { reqid } of snapshot.sas) used.add(reqid);
  for (const { template } of snapshot.policies) used.add(template?.reqid ?? 0);
  for (const reqid of given.values()) used.add(reqid);
  return planned.map((connection) => ({
    ...connection,
    children: connection.children.map((child) => {
      const key = childKey(connection.name, child.name);
      return { ...child, reqid: kept.get(key) ?? drawReqid(key, used) };
    }),
  }));
}

/** Takes the number that the name hashes to, or the next one that is free, and marks it as used. */
function drawReqid(key: string, used: Set<number>): number {
  const first = firstChoice(key);
  for (let step = 0; ; step += 1) {
    const reqid = ownReqid(first + step);
    if (used.has(reqid)) continue;
    used.add(reqid);
    return reqid;
  }
}

function firstChoice(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) % OWN_REQIDS;
}

/** What the templates of our out policies say. */
interface Installed {
  /** Reqids by what the policies select. */
  readonly bySelector: ReadonlyMap<string, number>;
  /** Where the packets go to, by reqid. */
  readonly destinations: ReadonlyMap<number, IpAddress>;
}

function installedReqids(snapshot: KernelSnapshot): Installed {
  const bySelector = new Map<string, number>();
  const destinations = new Map<number, IpAddress>();
  for (const { ours, direction, selector, template } of snapshot.policies) {
    if (!ours || direction !== 'out' || template === undefined) continue;
    bySelector.set(policyKeyText({ direction, selector }), template.reqid);
    destinations.set(template.reqid, selector.destination.address);
  }
  return { bySelector, destinations };
}

function installedReqid(
  connection: PlannedConnection,
  child: PlannedChild,
  { bySelector, destinations }: Installed,
): number | undefined {
  const { name, localAddress } = connection;
  // Where a peer of any address was last only its number can tell; where networks are named it makes no difference.
  const remoteAddress =
    connection.remoteAddress === 'any'
      ? (destinations.get(ownReqid(firstChoice(childKey(name, child.name)))) ?? localAddress)
      : connection.remoteAddress;
  return configuredTraffic(child, localAddress, remoteAddress, DEFAULT_LIMITS)
    .outbound.map((selector) => bySelector.get(policyKeyText({ direction: 'out', selector })))
    .find((reqid) => reqid !== undefined);
}

function childKey(connection: string, child: string): string {
  return `${connection}/${child}`;
}

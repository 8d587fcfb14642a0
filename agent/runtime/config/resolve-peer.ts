import type { CryptoProvider } from '../../crypto/types.ts';
import { sameIdentity } from '../../ike/negotiation/identity.ts';
import type { ConnectionConfig } from '../../ike/types.ts';
import { initiationBetween } from '../../mesh/initiation.ts';
import type { Result } from '../../result.ts';
import { type IpAddress, ipFamily, withoutZone, zoneOf } from '../../wire/ip-address.ts';
import type { Authentication } from './credential-sources.ts';
import type { ConfigFault, FieldPath } from './fault.ts';
import { type ResolvedPeer, resolveConnection } from './resolve-connection.ts';
import { resolveSettings } from './resolve-settings.ts';
import type { NodeFields, PeerFields, SettingFields } from './schema.ts';

/** A peer with everything that it needs from elsewhere. */
export interface PeerSurroundings {
  readonly node: NodeFields;
  readonly defaults: SettingFields;
  readonly provider: CryptoProvider;
  readonly authentication: Authentication;
  /** Whether the peer has the same exemptions, of its side. */
  readonly mirrorsExemptions: boolean;
  /** Of the peer's host name, where it has one. */
  readonly resolved: Result<readonly IpAddress[], string> | undefined;
}

/** A peer of the file as the core wants it; undefined where the faults leave no addresses to go on with. */
export function resolvePeer(
  fields: PeerFields,
  path: FieldPath,
  around: PeerSurroundings,
  faults: ConfigFault[],
): ResolvedPeer | undefined {
  checkPeer(fields, path, around, faults);
  const { node, authentication, mirrorsExemptions } = around;
  const addresses = addressesOf(fields, path, around, faults);
  const settings = resolveSettings(fields, path, around, faults);
  if (addresses === undefined) return undefined;
  const wanted = fields.address.kind === 'any' ? 'Never' : settings.initiation;
  return resolveConnection(
    {
      name: fields.name,
      addresses,
      localIdentity: node.identity,
      remoteIdentity: fields.identity,
      authentication,
      initiation: initiationBetween(node.identity, fields.identity, wanted),
      settings,
      mirrorsExemptions,
      children: fields.children,
    },
    path,
    faults,
  );
}

/**
 * What stands in for a peer whose host name does not resolve: it may be anywhere, and begins, so that the networks that
 * its children name are blocked. Undefined where that cannot be said without its address; `faults` has what is wrong
 * whatever the address is.
 */
export function resolveStandIn(
  fields: PeerFields,
  path: FieldPath,
  around: PeerSurroundings,
  faults: ConfigFault[],
): ResolvedPeer | undefined {
  checkPeer(fields, path, around, faults);
  checkLocalAddress(fields, path, around, faults);
  resolveSettings(fields, path, around, faults);
  const { initiation: _, ...rest } = fields;
  const own = fields.localAddress === undefined ? around.node.addresses : [fields.localAddress];
  for (const localAddress of own) {
    const inTheWay: ConfigFault[] = [];
    const peer = resolvePeer({ ...rest, localAddress, address: { kind: 'any' } }, path, around, inTheWay);
    if (inTheWay.length === 0) return peer;
  }
  return undefined;
}

/** Why the host name of a peer gives no address that this node can reach; undefined where it does, or there is no name. */
export function unresolvedFault(
  fields: PeerFields,
  path: FieldPath,
  around: Pick<PeerSurroundings, 'node' | 'resolved'>,
): ConfigFault | undefined {
  if (fields.address.kind !== 'host' || resolvedAddress(fields, around) !== undefined) return undefined;
  const { resolved } = around;
  const wanted = [...reachableFamilies(fields, around)].map((family) => `IPv${family}`).join(' or ');
  return {
    path: [...path, 'address'],
    text: resolved?.ok === false ? resolved.error : `${fields.address.host} has no ${wanted} address`,
  };
}

function checkPeer(fields: PeerFields, path: FieldPath, around: PeerSurroundings, faults: ConfigFault[]): void {
  if (sameIdentity(fields.identity, around.node.identity)) {
    faults.push({ path: [...path, 'identity'], text: 'is that of this node: a peer needs one of its own' });
  }
  if (fields.address.kind === 'any' && fields.initiation === 'OnDemand') {
    faults.push({
      path: [...path, 'initiation'],
      text: 'OnDemand needs to know where the peer is: write its address, or leave this out to wait for it',
    });
  }
  const names = new Map<string, number>();
  for (const [index, child] of (fields.children ?? []).entries()) {
    const first = names.get(child.name);
    if (first === undefined) names.set(child.name, index);
    else
      faults.push({
        path: [...path, 'children', index, 'name'],
        text: `"${child.name}" is taken by children[${first}]`,
      });
  }
}

function addressesOf(
  fields: PeerFields,
  path: FieldPath,
  around: PeerSurroundings,
  faults: ConfigFault[],
): Pick<ConnectionConfig, 'localAddress' | 'remoteAddress'> | undefined {
  const own = around.node.addresses;
  const { localAddress } = fields;
  if (!checkLocalAddress(fields, path, around, faults)) return undefined;
  const remoteAddress = remoteAddressOf(fields, path, around, faults);
  if (remoteAddress === undefined) return undefined;
  if (remoteAddress !== 'any' && own.includes(remoteAddress)) {
    faults.push({ path: [...path, 'address'], text: `${remoteAddress} is an address of this node` });
    return undefined;
  }
  if (localAddress !== undefined && remoteAddress !== 'any' && ipFamily(localAddress) !== ipFamily(remoteAddress)) {
    faults.push({
      path: [...path, 'localAddress'],
      text: `${localAddress} cannot reach ${remoteAddress}: both must be IPv4 or both IPv6`,
    });
    return undefined;
  }
  if (localAddress !== undefined && remoteAddress !== 'any' && zoneOf(localAddress) !== zoneOf(remoteAddress)) {
    faults.push({ path: [...path, 'localAddress'], text: otherLinkText(localAddress, remoteAddress) });
    return undefined;
  }
  const candidates = remoteAddress === 'any' ? own : own.filter((one) => canReach(one, remoteAddress));
  const [first] = candidates;
  const chosen = localAddress ?? (candidates.length === 1 ? first : undefined);
  if (chosen !== undefined) return { localAddress: chosen, remoteAddress };
  faults.push(
    first === undefined
      ? {
          path: [...path, 'address'],
          text: noneReachesText(remoteAddress as IpAddress, own),
        }
      : { path: [...path, 'localAddress'], text: `is missing: choose one of ${candidates.join(', ')}` },
  );
  return undefined;
}

function checkLocalAddress(
  { localAddress }: PeerFields,
  path: FieldPath,
  { node: { addresses } }: PeerSurroundings,
  faults: ConfigFault[],
): boolean {
  if (localAddress === undefined || addresses.includes(localAddress)) return true;
  faults.push({
    path: [...path, 'localAddress'],
    text: `${localAddress} is not one of node.addresses (${addresses.join(', ')}): add it there or use one of those`,
  });
  return false;
}

/** Link-local addresses reach those of the same link alone. */
function canReach(local: IpAddress, remote: IpAddress): boolean {
  return ipFamily(local) === ipFamily(remote) && zoneOf(local) === zoneOf(remote);
}

function otherLinkText(local: IpAddress, remote: IpAddress): string {
  return `${local} cannot reach ${remote}: link-local addresses reach those of the same interface only`;
}

function noneReachesText(remote: IpAddress, own: readonly IpAddress[]): string {
  const zone = zoneOf(remote);
  if (zone !== undefined) {
    return `${withoutZone(remote)} is on the link of ${zone}, but node.addresses has no link-local address there`;
  }
  const ofFamily = own.some((one) => ipFamily(one) === ipFamily(remote));
  return ofFamily
    ? `${remote} is a global address, but node.addresses has only link-local ones of its family`
    : `${remote} is IPv${ipFamily(remote)}, but node.addresses has none of that family`;
}

function remoteAddressOf(
  fields: PeerFields,
  path: FieldPath,
  around: PeerSurroundings,
  faults: ConfigFault[],
): IpAddress | 'any' | undefined {
  if (fields.address.kind === 'any') return 'any';
  if (fields.address.kind === 'address') return fields.address.address;
  const unresolved = unresolvedFault(fields, path, around);
  if (unresolved !== undefined) faults.push(unresolved);
  return resolvedAddress(fields, around);
}

function resolvedAddress(
  fields: PeerFields,
  around: Pick<PeerSurroundings, 'node' | 'resolved'>,
): IpAddress | undefined {
  const { resolved } = around;
  const families = reachableFamilies(fields, around);
  return resolved?.ok === true ? resolved.value.find((one) => families.has(ipFamily(one))) : undefined;
}

function reachableFamilies(
  { localAddress }: PeerFields,
  { node }: Pick<PeerSurroundings, 'node'>,
): ReadonlySet<number> {
  return new Set((localAddress === undefined ? node.addresses : [localAddress]).map(ipFamily));
}

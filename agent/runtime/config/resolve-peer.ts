import type { CryptoProvider } from '../../crypto/types.ts';
import type { SaLifetime } from '../../dataplane/types.ts';
import { compareIdentities, sameIdentity } from '../../ike/identity.ts';
import type { ConnectionConfig, ProposalConfig } from '../../ike/types.ts';
import type { Result } from '../../result.ts';
import { type IpAddress, ipFamily } from '../../wire/ip-address.ts';
import type { PlannedConnection } from './agent-config.ts';
import type { Authentication } from './credential-sources.ts';
import type { ConfigFault, FieldPath } from './fault.ts';

import { defaultProposals, usableProposal } from './proposals.ts';
import { resolveChild, type TrafficPair } from './resolve-child.ts';
import type { NodeFields, PeerFields, SettingFields } from './schema.ts';

/** A peer with everything that it needs from elsewhere. */
export interface PeerSurroundings {
  readonly node: NodeFields;
  readonly defaults: SettingFields;
  readonly provider: CryptoProvider;
  readonly authentication: Authentication;
  /** Of the peer's host name, where it has one. */
  readonly resolved: Result<readonly IpAddress[], string> | undefined;
}

/** A connection, its place in the file and the traffic of its children. */
export interface ResolvedPeer {
  readonly path: FieldPath;
  readonly connection: PlannedConnection;
  readonly pairs: readonly (readonly TrafficPair[])[];
}

/** A peer of the file as the core wants it; undefined where the faults leave no addresses to go on with. */
export function resolvePeer(
  fields: PeerFields,
  path: FieldPath,
  around: PeerSurroundings,
  faults: ConfigFault[],
): ResolvedPeer | undefined {
  checkPeer(fields, path, around, faults);
  const addresses = addressesOf(fields, path, around, faults);
  const proposalsOf = (protocol: 'ike' | 'esp') => configuredProposals(protocol, fields, path, around, faults);
  const ikeProposals = proposalsOf('ike');
  const espProposals = proposalsOf('esp');
  const liveness = livenessOf(fields, path, around.defaults, faults);
  const lifetimes = { ...around.defaults.lifetimes, ...fields.lifetimes };
  if (addresses === undefined) return undefined;
  const surroundings = {
    ...addresses,
    enforcement: fields.enforcement ?? around.defaults.enforcement ?? 'Required',
    proposals: espProposals,
    lifetime: childLifetime(lifetimes),
  };
  const children = (fields.children ?? [{ name: DEFAULT_CHILD }]).map((child, index) => {
    const childPath = fields.children === undefined ? path : [...path, 'children', index];
    return resolveChild(child, childPath, surroundings, faults);
  });
  const fragmentBytes = fields.fragmentSize ?? around.defaults.fragmentSize;
  const connection: PlannedConnection = {
    name: fields.name,
    ...addresses,
    remotePort: IKE_PORT,
    localIdentity: around.node.identity,
    remoteIdentity: fields.identity,
    ...around.authentication,
    proposals: ikeProposals,
    children: children.map(({ child }) => child),
    initiation: initiationOf(fields, around),
    natTraversal: fields.natTraversal ?? around.defaults.natTraversal ?? 'Auto',
    liveness,
    ...(fragmentBytes === undefined ? {} : { fragmentBytes }),
    ikeLifetimeMs: lifetimes.ike ?? DEFAULT_IKE_LIFETIME_MS,
    ...(lifetimes.reauthentication === undefined ? {} : { reauthenticationMs: lifetimes.reauthentication }),
  };
  return { path, connection, pairs: children.map(({ pairs }) => pairs) };
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
  if (localAddress !== undefined && !own.includes(localAddress)) {
    faults.push({
      path: [...path, 'localAddress'],
      text: `${localAddress} is not one of node.addresses (${own.join(', ')}): add it there or use one of those`,
    });
    return undefined;
  }
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
  const candidates = remoteAddress === 'any' ? own : own.filter((one) => ipFamily(one) === ipFamily(remoteAddress));
  const [first] = candidates;
  const chosen = localAddress ?? (candidates.length === 1 ? first : undefined);
  if (chosen !== undefined) return { localAddress: chosen, remoteAddress };
  faults.push(
    first === undefined
      ? {
          path: [...path, 'address'],
          text: `${remoteAddress} is IPv${ipFamily(remoteAddress as IpAddress)}, but node.addresses has none of that family`,
        }
      : { path: [...path, 'localAddress'], text: `is missing: choose one of ${candidates.join(', ')}` },
  );
  return undefined;
}

function remoteAddressOf(
  fields: PeerFields,
  path: FieldPath,
  around: PeerSurroundings,
  faults: ConfigFault[],
): IpAddress | 'any' | undefined {
  if (fields.address.kind === 'any') return 'any';
  if (fields.address.kind === 'address') return fields.address.address;
  const { resolved } = around;
  const reachable = fields.localAddress === undefined ? around.node.addresses : [fields.localAddress];
  const families = new Set(reachable.map(ipFamily));
  const address = resolved?.ok === true ? resolved.value.find((one) => families.has(ipFamily(one))) : undefined;
  if (address !== undefined) return address;
  const wanted = [...families].map((family) => `IPv${family}`).join(' or ');
  faults.push({
    path: [...path, 'address'],
    text: resolved?.ok === false ? resolved.error : `${fields.address.host} has no ${wanted} address`,
  });
  return undefined;
}

function configuredProposals(
  protocol: 'ike' | 'esp',
  fields: PeerFields,
  path: FieldPath,
  around: PeerSurroundings,
  faults: ConfigFault[],
): readonly ProposalConfig[] {
  const own = fields.proposals?.[protocol];
  const written = own ?? around.defaults.proposals?.[protocol];
  if (written === undefined) return defaultProposals(protocol, around.provider);
  return written.flatMap((proposal, index) => {
    const usable = usableProposal(protocol, proposal, around.provider);
    if (usable.ok) return [usable.value];
    // Those of `defaults` are judged there, once.
    if (own !== undefined) faults.push({ path: [...path, 'proposals', protocol, index], text: usable.error });
    return [];
  });
}

function livenessOf(
  fields: PeerFields,
  path: FieldPath,
  defaults: SettingFields,
  faults: ConfigFault[],
): ConnectionConfig['liveness'] {
  const liveness = { ...defaults.liveness, ...fields.liveness };
  const intervalMs = liveness.interval ?? DEFAULT_LIVENESS_INTERVAL_MS;
  const timeoutMs = liveness.timeout ?? DEFAULT_LIVENESS_TIMEOUT_MS;
  if (timeoutMs < intervalMs) {
    faults.push({
      path: [...path, 'liveness'],
      text: `the timeout (${timeoutMs / 1_000}s) is shorter than the interval (${intervalMs / 1_000}s)`,
    });
  }
  return { intervalMs, timeoutMs };
}

/**
 * The hard limits are later than the soft ones by what an absent agent may miss: the kernel must not remove an SA that
 * nobody is there to replace.
 */
function childLifetime(lifetimes: NonNullable<SettingFields['lifetimes']>): SaLifetime {
  const softSeconds = Math.ceil((lifetimes.child ?? DEFAULT_CHILD_LIFETIME_MS) / 1_000);
  const softBytes = lifetimes.childBytes ?? DEFAULT_CHILD_BYTES;
  const outageSeconds = Math.max(
    Math.ceil((lifetimes.maxAgentOutage ?? DEFAULT_OUTAGE_MS) / 1_000),
    LEAST_OUTAGE_SECONDS,
  );
  return {
    softSeconds,
    hardSeconds: softSeconds + outageSeconds,
    softBytes,
    hardBytes: softBytes + outageSeconds * FASTEST_LINK_BYTES_PER_SECOND,
  };
}

/** Between two nodes the lower identity begins; the other waits for it a while, then begins all the same. */
function initiationOf(fields: PeerFields, around: PeerSurroundings): ConnectionConfig['initiation'] {
  const wanted = fields.initiation ?? around.defaults.initiation ?? 'Always';
  if (fields.address.kind === 'any' || wanted === 'Never') return 'respond';
  if (wanted === 'OnDemand') return 'onDemand';
  return compareIdentities(around.node.identity, fields.identity) < 0 ? 'start' : 'takeover';
}

const IKE_PORT = 500;
const DEFAULT_CHILD = 'default';
const DEFAULT_IKE_LIFETIME_MS = 4 * 3_600_000;
const DEFAULT_CHILD_LIFETIME_MS = 3_600_000;
const DEFAULT_CHILD_BYTES = 64 * 2 ** 30;
const DEFAULT_OUTAGE_MS = 3_600_000;
const DEFAULT_LIVENESS_INTERVAL_MS = 30_000;
const DEFAULT_LIVENESS_TIMEOUT_MS = 120_000;
/** A successor must be negotiated between the soft and the hard limit even where no outage is to be bridged. */
const LEAST_OUTAGE_SECONDS = 60;
/** 100 Gbit/s: what an SA may carry while nobody rekeys it. */
const FASTEST_LINK_BYTES_PER_SECOND = 12_500_000_000;

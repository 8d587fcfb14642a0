import { randomBytes } from 'node:crypto';

import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { SecretBytes } from '../crypto/secret.ts';
import type { CryptoProvider } from '../crypto/types.ts';
import { byPreSharedKey } from '../ike/negotiation/authentication.ts';
import type { Identity } from '../ike/types.ts';
import { meshPeers } from '../mesh/mesh-peers.ts';
import type { Result } from '../result.ts';
import type { AgentConfig, PlannedConnection } from '../runtime/config/agent-config.ts';
import { authenticationSchema } from '../runtime/config/authentication-schema.ts';
import { checkFields } from '../runtime/config/check-fields.ts';
import {
  type Authentication,
  CredentialReading,
  type CredentialSources,
} from '../runtime/config/credential-sources.ts';
import { type ConfigFault, formatPath } from '../runtime/config/fault.ts';
import { identityOf } from '../runtime/config/identity.ts';
import { overlappingTraffic } from '../runtime/config/overlap.ts';
import type { ResolvedPeer } from '../runtime/config/resolve-connection.ts';
import { type HostResolver, resolveHosts } from '../runtime/config/resolve-host.ts';
import { resolvePeer } from '../runtime/config/resolve-peer.ts';
import { parseHostAddress, parseNetwork } from '../runtime/config/scalars.ts';
import { type ChildFields, type PeerFields, peerSchema } from '../runtime/config/schema.ts';
import type { Cidr, IpAddress } from '../wire/ip-address.ts';
import type { CredentialFiles } from './credential-files.ts';
import { fileName } from './credential-objects.ts';
import { gatewayChildren } from './gateway-children.ts';
import { type MeshEnd, meshChildren } from './mesh-children.ts';
import { KNOWN_BEFORE, type KnownPeer } from './peer-roster.ts';
import type { UnknownParts } from './unknown-parts.ts';
import { upheldEnforcement } from './upheld-enforcement.ts';

/** What a node is to do, as it was read. */
export interface Wanted {
  readonly nodeName: string;
  readonly nodeUid: string;
  readonly fqdn: string;
  readonly podCidrs: readonly string[];
  readonly peerings: readonly NodePeering[];
  /**
   * Whether a peering that has no credentials, or whose gateway has no address, is configured nevertheless, unable to come
   * up: so that what an earlier run has left in the kernel of it is not taken away.
   */
  readonly standIns: boolean;
  /** Left out: nothing is. */
  readonly unknown?: UnknownParts;
  /** Whether the kernel has something of an earlier run that may be of what is not known, or cannot be carried out. */
  readonly leftovers?: boolean;
  /** Of each mesh, by the name of the peering. */
  readonly peers: ReadonlyMap<string, readonly KnownPeer[]>;
}

/** What desired connections depend on besides. */
export interface DesiredServices {
  readonly provider: CryptoProvider;
  readonly resolveHost: HostResolver;
  readonly clock: { wallMs(): number };
  readonly files: CredentialFiles;
}

/** A connection's part in a peering. */
export interface Membership {
  readonly peering: string;
  /** Name of the node or gateway. */
  readonly peer: string;
  /** When the peer was seen first, as {@link KnownPeer} has it. */
  readonly sinceMs: number;
  /** Its Node was deleted, so that nobody has to reach it. */
  readonly gone?: boolean;
  /** Names of the connection's Child SAs that are there for this peering. */
  readonly children?: readonly string[];
}

/** What the agent is to have, and what stands in the way of which peering. */
export interface DesiredState {
  readonly config: AgentConfig;
  /** By the name of the connection. */
  readonly memberships: ReadonlyMap<string, readonly Membership[]>;
  /** By the name of the peering: then nothing of it is in `config`, or what stands in for it. */
  readonly faults: ReadonlyMap<string, string>;
  /** Peerings whose keys or certificates are not there. */
  readonly withoutCredentials: ReadonlySet<string>;
  /** Peers that stand in slices and cannot be read, by the name of the peering; a sentence. */
  readonly unreadPeers: ReadonlyMap<string, string>;
  /** What is left out of a peering, and why. */
  readonly conflicts: readonly { readonly peering: string; readonly peer: string; readonly text: string }[];
}

/**
 * Makes the connections of a node of its peerings, as the configuration file gives them to an agent without a cluster.
 * Where peerings are about the same traffic the one of higher priority has it, then the one whose name sorts first.
 */
export async function desiredState(
  wanted: Wanted,
  services: DesiredServices,
  previous: CredentialSources,
): Promise<DesiredState> {
  return new Composition(wanted, services, previous).compose();
}

class Composition {
  readonly #wanted: Wanted;
  readonly #services: DesiredServices;
  readonly #reading: CredentialReading;
  readonly #identity: Identity | undefined;
  readonly #peers: ResolvedPeer[] = [];
  readonly #byName = new Map<string, ResolvedPeer>();
  readonly #memberships = new Map<string, Membership[]>();
  readonly #faults = new Map<string, string>();
  readonly #withoutCredentials = new Set<string>();
  readonly #unreadPeers = new Map<string, string>();
  readonly #conflicts: { readonly peering: string; readonly peer: string; readonly text: string }[] = [];
  readonly #addresses = new Set<IpAddress>();
  #resolved: AgentConfig['resolved'] = new Map();
  /** Whether everything that is listed is configured, but for what gives way to something else. */
  #isComplete: boolean;

  constructor(wanted: Wanted, services: DesiredServices, previous: CredentialSources) {
    this.#wanted = wanted;
    this.#services = services;
    this.#reading = new CredentialReading('/', previous, services.clock.wallMs());
    const identity = identityOf({ fqdn: wanted.fqdn });
    this.#identity = identity.ok ? identity.value : undefined;
    this.#isComplete = (wanted.unknown?.peerings.size ?? 0) === 0;
  }

  async compose(): Promise<DesiredState> {
    const { peerings, nodeName } = this.#wanted;
    const hosts = peerings.flatMap(({ remote }) => hostOf(remote.gateway?.address) ?? []);
    this.#resolved = await resolveHosts(hosts, this.#services.resolveHost);
    const ordered = peerings.toSorted(
      (left, right) => right.priority - left.priority || (left.name < right.name ? -1 : 1),
    );
    const made: Made[] = [];
    for (const [index, peering] of ordered.entries()) made.push(...(await this.#peering(peering, index)));
    const byName = new Map(peerings.map((peering) => [peering.name, peering]));
    const owners = new Map(made.map(({ peer, membership }) => [peer, byName.get(membership.peering)]));
    const upheld = upheldEnforcement([...owners.keys()], (peer) => owners.get(peer));
    for (const [at, { membership }] of made.entries()) this.#add(upheld[at] as ResolvedPeer, membership);
    this.#leaveOutOverlaps(ordered);
    const { secrets, credentials, trusts, files, warnings, heldBack, validFromMs } = this.#reading;
    const connections: PlannedConnection[] = this.#peers
      .map(({ connection }) => connection)
      .filter(({ children }) => children.length > 0);
    return {
      config: {
        nodeName,
        addresses: [...this.#addresses],
        // Those of one peering are not to keep all others from what they are to do.
        mayLackAddresses: true,
        connections,
        text: '',
        resolved: this.#resolved,
        warnings,
        heldBack,
        leavesUnwanted: this.#wanted.leftovers === true && !this.#isComplete,
        credentials: {
          sources: { secrets, credentials, trusts },
          files: [...files],
          watched: this.#reading.watched(),
          validFromMs,
        },
      },
      memberships: this.#memberships,
      faults: this.#faults,
      withoutCredentials: this.#withoutCredentials,
      unreadPeers: this.#unreadPeers,
      conflicts: this.#conflicts,
    };
  }

  async #peering(peering: NodePeering, index: number): Promise<readonly Made[]> {
    const before = this.#reading.faults.length;
    const read = await this.#authentication(peering);
    if (read === undefined) {
      this.#withoutCredentials.add(peering.name);
      this.#faults.set(peering.name, textOf(this.#reading.faults.slice(before)));
      if (!this.#wanted.standIns) {
        this.#isComplete = false;
        return [];
      }
    }
    const faults: ConfigFault[] = [];
    const addresses = peering.addresses.flatMap((text) => {
      const parsed = parseHostAddress(text);
      if (!parsed.ok) faults.push({ path: ['addresses'], text: parsed.error });
      return parsed.ok ? [parsed.value] : [];
    });
    const own: MeshEnd = { addresses, podCidrs: networks(this.#wanted.podCidrs) };
    const made =
      peering.remote.gateway === undefined
        ? this.#mesh(peering, index, own, read, faults)
        : this.#gateway(peering, index, own, read, faults);
    if (faults.length > 0) {
      this.#faults.set(peering.name, textOf(faults));
      this.#isComplete = false;
      return [];
    }
    for (const address of addresses) this.#addresses.add(address);
    return made;
  }

  #authentication({
    name,
    authentication: { certificate, preSharedKey },
  }: NodePeering): Promise<Authentication | undefined> {
    const { files } = this.#services;
    const path = (kind: 'secrets' | 'configmaps', object: string, key: string, isPreSharedKey = false): string =>
      files.path(fileName({ kind, name: object, preSharedKey: isPreSharedKey }), key);
    const trust = certificate?.trust;
    const secret = certificate?.secretName ?? '';
    const raw =
      preSharedKey === undefined
        ? {
            certificate: {
              certificateFile: path('secrets', secret, 'tls.crt'),
              keyFile: path('secrets', secret, 'tls.key'),
              trust: {
                bundleFiles: [
                  trust === undefined ? path('secrets', secret, 'ca.crt') : path('configmaps', trust.name, trust.key),
                ],
              },
            },
          }
        : { preSharedKey: { file: path('secrets', preSharedKey.name, preSharedKey.key, true) } };
    const fields = authenticationSchema.parse(raw);
    return this.#reading.authentication(name, fields, this.#identity, ['authentication']);
  }

  #mesh(
    peering: NodePeering,
    index: number,
    own: MeshEnd,
    authentication: Authentication | undefined,
    faults: ConfigFault[],
  ): readonly Made[] {
    const { nodeUid } = this.#wanted;
    const listed = (this.#wanted.peers.get(peering.name) ?? []).filter(({ peer }) => peer.uid !== nodeUid);
    const nodes = listed.flatMap(({ peer, sinceMs }) => {
      const identity = identityOf(peer.identity);
      const addresses = peer.addresses.map(parseHostAddress).flatMap((each) => (each.ok ? [each.value] : []));
      if (identity.ok && addresses.length > 0)
        return [
          {
            name: peer.name,
            identity: identity.value,
            addresses,
            sinceMs,
            gone: peer.gone ?? false,
            podCidrs: networks(peer.podCIDRs ?? []),
          },
        ];
      this.#leaveUnread(peering.name, peer.name, 'its identity or its addresses cannot be read');
      return [];
    });
    this.#noteUnknown(peering.name, listed.length === 0, faults);
    const template = this.#template(peering, '192.0.2.1', { fqdn: 'peer.invalid' }, faults);
    if (template === undefined || this.#identity === undefined) return [];
    const { peers, conflicts } = meshPeers({ identity: this.#identity, addresses: own.addresses }, nodes);
    for (const { index: at, text } of conflicts)
      this.#conflicts.push({ peering: peering.name, peer: nodes[at]?.name ?? '', text });
    const first = new Map<number, string>();
    return peers.flatMap(({ name, identity, localAddress, remoteAddress, index: at }): readonly Made[] => {
      const node = nodes[at];
      if (node === undefined) return [];
      if (!first.has(at)) first.set(at, name);
      const isFirst = first.get(at) === name;
      const children = meshChildren(peering.traffic, own, node, { localAddress, remoteAddress, isFirst });
      if (children.length === 0) return [];
      const fields: PeerFields = {
        ...template,
        name,
        address: { kind: 'address', address: remoteAddress },
        localAddress,
        identity,
        children: [...children],
      };
      const { sinceMs, gone } = node;
      const membership = { peering: peering.name, peer: node.name, sinceMs, gone };
      return this.#resolve(peering, fields, [index, name], own, authentication, membership, faults);
    });
  }

  /** Whoever is not known of a mesh. */
  #noteUnknown(peering: string, isEmpty: boolean, faults: ConfigFault[]): void {
    const { unknown, leftovers } = this.#wanted;
    for (const name of unknown?.peers.get(peering) ?? [])
      this.#leaveUnread(peering, name, 'this version cannot read what its IPsecPeerSlice says of it');
    if (unknown?.meshes.has(peering) !== true) return;
    this.#isComplete = false;
    // A mesh that is new has no slices either.
    if (isEmpty && leftovers === true) faults.push({ path: [], text: NO_SLICES });
  }

  #leaveUnread(peering: string, peer: string, text: string): void {
    this.#isComplete = false;
    this.#unreadPeers.set(peering, `${peer}: ${text}`);
    this.#conflicts.push({ peering, peer, text });
  }

  #gateway(
    peering: NodePeering,
    index: number,
    own: MeshEnd,
    authentication: Authentication | undefined,
    faults: ConfigFault[],
  ): readonly Made[] {
    const { gateway } = peering.remote;
    if (gateway === undefined) return [];
    const unresolved = this.#wanted.standIns ? this.#unresolved(gateway.address) : undefined;
    if (unresolved !== undefined && !this.#faults.has(peering.name)) this.#faults.set(peering.name, unresolved);
    const address = unresolved === undefined ? gateway.address : 'any';
    const template = this.#template(peering, address, gateway.identity, faults);
    if (template === undefined) return [];
    const name = `gateway_${peering.name}`;
    const anyAt = template.address.kind === 'any' ? own.addresses[0] : undefined;
    const remote = template.address.kind === 'address' ? template.address.address : undefined;
    const children: readonly ChildFields[] = gatewayChildren(gateway, peering.traffic, own, remote);
    if (children.length === 0) {
      faults.push({
        path: ['remote', 'gateway', 'selectors'],
        text: 'select nothing of this node: it has no addresses of their family',
      });
      return [];
    }
    const { localAddress: _, ...rest } = template;
    const fields: PeerFields = {
      ...rest,
      name,
      ...(anyAt === undefined ? {} : { localAddress: anyAt }),
      children: [...children],
    };
    return this.#resolve(
      peering,
      fields,
      [index, name],
      own,
      authentication,
      { peering: peering.name, peer: gateway.address, sinceMs: KNOWN_BEFORE },
      faults,
    );
  }

  #resolve(
    peering: NodePeering,
    fields: PeerFields,
    [index, name]: readonly [number, string],
    own: MeshEnd,
    authentication: Authentication | undefined,
    membership: Membership,
    faults: ConfigFault[],
  ): readonly Made[] {
    if (this.#identity === undefined) return [];
    const node = { name: this.#wanted.nodeName, identity: this.#identity, addresses: [...own.addresses] };
    const host = fields.address.kind === 'host' ? this.#resolved.get(fields.address.host) : undefined;
    const around = {
      node,
      defaults: {},
      provider: this.#services.provider,
      // One for each connection, which wipes it when it ends.
      authentication: authentication ?? byPreSharedKey(new SecretBytes(randomBytes(STAND_IN_BYTES))),
      mirrorsExemptions: peering.remote.mesh !== undefined,
      resolved: host as Result<readonly IpAddress[], string> | undefined,
    };
    const peer = resolvePeer(fields, [index, name], around, faults);
    if (peer === undefined) return [];
    const { outbound, inbound } = peering.enforcement;
    const children = peer.connection.children.map((child) => ({
      ...child,
      enforcement: levelOf(outbound),
      inboundEnforcement: levelOf(inbound),
    }));
    return [{ peer: { ...peer, connection: { ...peer.connection, children } }, membership }];
  }

  /** Why nobody knows where a gateway is; undefined where somebody does. */
  #unresolved(address: string): string | undefined {
    const resolved = this.#resolved.get(hostOf(address) ?? '');
    return resolved?.ok === false ? resolved.error : undefined;
  }

  /** What all peers of a peering have in common, checked once. */
  #template(peering: NodePeering, address: string, identity: object, faults: ConfigFault[]): PeerFields | undefined {
    const { traffic, proposals, lifetimes, liveness, natTraversal, mssClamp } = peering;
    const initiation = address === 'any' || this.#withoutCredentials.has(peering.name) ? 'Never' : peering.initiation;
    const raw = {
      name: 'peer',
      address,
      identity,
      ...(traffic.exempt === undefined ? {} : { exempt: traffic.exempt }),
      ...(proposals === undefined ? {} : { proposals }),
      lifetimes,
      liveness,
      natTraversal,
      mssClamp,
      initiation,
    };
    const checked = checkFields(peerSchema, raw, []);
    if (checked.ok) return checked.value;
    faults.push(...checked.error);
    return undefined;
  }

  /**
   * Two peerings with the same node share one connection: the first that has credentials decides how, each may add its own
   * traffic.
   */
  #add(peer: ResolvedPeer, membership: Membership): void {
    const { name } = peer.connection;
    const other = this.#byName.get(name);
    const members = this.#memberships.get(name) ?? [];
    const known = new Set(other?.connection.children.map((child) => child.name));
    const children = peer.connection.children.map((child) => child.name).filter((child) => !known.has(child));
    this.#memberships.set(name, [...members, { ...membership, children }]);
    if (other === undefined) {
      this.#byName.set(name, peer);
      this.#peers.push(peer);
      return;
    }
    const added = peer.connection.children.flatMap((child, at) =>
      known.has(child.name) ? [] : [{ child, pairs: peer.pairs[at] ?? [] }],
    );
    const cannotComeUp = members.every(({ peering }) => this.#withoutCredentials.has(peering));
    const decisive = cannotComeUp ? peer : other;
    const merged: ResolvedPeer = {
      ...decisive,
      connection: {
        ...decisive.connection,
        children: [...other.connection.children, ...added.map(({ child }) => child)],
      },
      pairs: [...other.pairs, ...added.map(({ pairs }) => pairs)],
    };
    this.#byName.set(name, merged);
    this.#peers[this.#peers.indexOf(other)] = merged;
  }

  /** Of traffic that two Child SAs would have, the one of the peering that wins has it. */
  #leaveOutOverlaps(ordered: readonly NodePeering[]): void {
    for (const { path, text } of overlappingTraffic(this.#peers)) {
      const [index, connection] = path;
      const peering = ordered[Number(index)]?.name ?? '';
      for (const [at, peer] of this.#peers.entries()) {
        const drop = peer.pairs.findIndex((pairs) => pairs.some((pair) => pair.path.join('/') === path.join('/')));
        if (drop === -1) continue;
        const without = <T>(list: readonly T[]): readonly T[] => list.filter((_, position) => position !== drop);
        this.#peers[at] = {
          ...peer,
          connection: { ...peer.connection, children: without(peer.connection.children) },
          pairs: without(peer.pairs),
        };
        break;
      }
      this.#conflicts.push({ peering, peer: String(connection), text });
    }
  }
}

interface Made {
  readonly peer: ResolvedPeer;
  readonly membership: Membership;
}

function levelOf(level: 'Optional' | 'Required'): 'Permissive' | 'Required' {
  return level === 'Required' ? 'Required' : 'Permissive';
}

function networks(texts: readonly string[]): readonly Cidr[] {
  return texts.map(parseNetwork).flatMap((each) => (each.ok ? [each.value] : []));
}

/** The host name of a gateway whose address is one. */
function hostOf(address: string | undefined): string | undefined {
  return address === undefined || address === 'any' || parseHostAddress(address).ok ? undefined : address;
}

function textOf(faults: readonly ConfigFault[]): string {
  const [first] = faults;
  if (first === undefined) return 'cannot be carried out';
  const place = first.path.length === 0 ? '' : `${formatPath(first.path)}: `;
  return `${place}${first.text}`.slice(0, 500);
}

const NO_SLICES = 'there is no IPsecPeerSlice of it, so that its peers are not known';
/** A key that nobody else has. */
const STAND_IN_BYTES = 32;

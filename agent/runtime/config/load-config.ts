import { readFile, stat } from 'node:fs/promises';

import type { CryptoProvider } from '../../crypto/types.ts';
import type { Clock } from '../../ports.ts';
import { err, ok, type Result } from '../../result.ts';
import type { AgentConfig, UnresolvedPeer } from './agent-config.ts';
import type { AuthenticationFields } from './authentication-schema.ts';
import { checkFields } from './check-fields.ts';
import { type Authentication, CredentialReading, type CredentialSources, NO_SOURCES } from './credential-sources.ts';
import { type ConfigFault, type FieldPath, formatPath } from './fault.ts';
import { MAX_FILE_BYTES } from './limits.ts';
import { indistinguishablePeers, overlappingTraffic } from './overlap.ts';
import { usableProposal } from './proposals.ts';
import type { ResolvedPeer } from './resolve-connection.ts';
import { type HostResolver, resolveHosts } from './resolve-host.ts';
import { resolveMesh } from './resolve-mesh.ts';
import { resolvePeer, resolveStandIn, unresolvedFault } from './resolve-peer.ts';
import {
  defaultsSchema,
  fileSchema,
  meshSchema,
  metricsSchema,
  type NodeFields,
  nodeSchema,
  type PeerFields,
  peerSchema,
  type SettingFields,
} from './schema.ts';
import { describeFileError } from './secret-file.ts';
import { readYaml, type YamlDocument } from './yaml-document.ts';

/** What a configuration depends on besides the file. */
export interface ConfigServices {
  readonly provider: CryptoProvider;
  readonly resolveHost: HostResolver;
  readonly clock: Pick<Clock, 'wallMs'>;
}

/** Reads and checks a configuration file with the secrets and names it refers to; on failure, everything that is wrong. */
export async function loadConfig(
  file: string,
  services: ConfigServices,
  previous: CredentialSources = NO_SOURCES,
): Promise<Result<AgentConfig, readonly ConfigFault[]>> {
  const text = await readText(file);
  if (!text.ok) return err([{ path: [], text: text.error }]);
  return readConfig(file, text.value, services, previous);
}

/** Reads the text of the configuration file `file` with the files it refers to, as `loadConfig` does. */
export async function readConfig(
  file: string,
  text: string,
  services: ConfigServices,
  previous: CredentialSources,
): Promise<Result<AgentConfig, readonly ConfigFault[]>> {
  const document = readYaml(text);
  if (!document.ok) return document;
  const reading = new Reading(file, text, document.value, services, previous);
  return reading.finish(await reading.config());
}

/** What the file itself says. */
type ReadConfig = Omit<AgentConfig, 'warnings' | 'heldBack' | 'credentials'>;

interface PeerEntry {
  readonly fields: PeerFields;
  readonly path: FieldPath;
}

/** A peer without an address, and what is in its place. */
interface Unresolved {
  readonly fields: PeerFields;
  readonly fault: ConfigFault;
  readonly standIn: ResolvedPeer | undefined;
}

/** One pass over a file, which goes on after a fault so that all of them are told at once. */
class Reading {
  readonly #text: string;
  readonly #document: YamlDocument;
  readonly #services: ConfigServices;
  readonly #credentials: CredentialReading;
  readonly #faults: ConfigFault[] = [];

  constructor(
    file: string,
    text: string,
    document: YamlDocument,
    services: ConfigServices,
    previous: CredentialSources,
  ) {
    this.#text = text;
    this.#document = document;
    this.#services = services;
    this.#credentials = new CredentialReading(file, previous, services.clock.wallMs());
  }

  async config(): Promise<ReadConfig | undefined> {
    const { value } = this.#document;
    if (value === null || value === undefined) {
      this.#faults.push({ path: [], text: 'is empty: write node and peers' });
      return undefined;
    }
    const checked = this.#check(fileSchema, value, []);
    if (checked === undefined && (typeof value !== 'object' || Array.isArray(value))) return undefined;
    // An unknown field here must not hide what is wrong within the known ones.
    const top = checked ?? (value as Partial<Record<keyof typeof fileSchema.shape, unknown>>);
    const node = this.#check(nodeSchema, top.node, ['node']);
    const metrics = top.metrics === undefined ? undefined : this.#check(metricsSchema, top.metrics, ['metrics']);
    const defaults = top.defaults === undefined ? {} : this.#check(defaultsSchema, top.defaults, ['defaults']);
    if (defaults !== undefined) this.#checkDefaultProposals(defaults);
    const list: readonly unknown[] = Array.isArray(top.peers) ? top.peers : [];
    const entries = list.flatMap((entry, index): readonly PeerEntry[] => {
      const path = ['peers', index];
      const fields = this.#check(peerSchema, entry, path);
      return fields === undefined ? [] : [{ fields, path }];
    });
    if (node !== undefined) this.#checkAddresses(node);
    const proofs: (Authentication | undefined)[] = [];
    for (const { fields, path } of entries) {
      proofs.push(await this.#authentication(fields.name, fields.authentication, path, defaults, node));
    }
    const meshed = top.mesh === undefined ? [] : await this.#mesh(top.mesh, node, defaults);
    const hosts = entries.flatMap(({ fields }) => (fields.address.kind === 'host' ? [fields.address.host] : []));
    const resolved = await resolveHosts(hosts, this.#services.resolveHost);
    this.#checkNames([
      ...meshed.map(({ connection, path }) => ({ name: connection.name, path })),
      ...entries.map(({ fields, path }) => ({ name: fields.name, path })),
    ]);
    if (node === undefined || defaults === undefined) return undefined;
    const unresolved: Unresolved[] = [];
    const listed = entries.flatMap(({ fields, path }, index): readonly ResolvedPeer[] => {
      const authentication = proofs[index];
      if (authentication === undefined) return [];
      const host = fields.address.kind === 'host' ? resolved.get(fields.address.host) : undefined;
      const shared = { node, defaults, provider: this.#services.provider, authentication };
      // What the other end exempts is in its own file.
      const around = { ...shared, mirrorsExemptions: false, resolved: host };
      const fault = unresolvedFault(fields, path, around);
      const resolve = fault === undefined ? resolvePeer : resolveStandIn;
      const peer = resolve(fields, path, around, this.#faults);
      if (fault !== undefined) unresolved.push({ fields, fault, standIn: peer });
      return peer === undefined ? [] : [peer];
    });
    const peers = this.#withoutClashes([...meshed, ...listed], unresolved);
    const connections = peers.map((peer) => peer.connection);
    return {
      ...(unresolved.length > 0 && {
        unresolved: unresolved.map((each) => this.#unresolvedPeer(each, peers, defaults)),
        // Of a peer that is not known it may be.
        leavesUnwanted: true,
      }),
      nodeName: node.name,
      addresses: node.addresses,
      connections,
      text: this.#text,
      resolved,
      ...(metrics && {
        metrics: {
          listen: metrics.listen,
          withPeers: metrics.peers ?? true,
          ...(metrics.statusPage === true && { statusPage: true }),
        },
      }),
    };
  }

  finish(config: ReadConfig | undefined): Result<AgentConfig, readonly ConfigFault[]> {
    const { secrets, credentials, trusts, files, faults, warnings, heldBack } = this.#credentials;
    const placed = (all: readonly ConfigFault[]) => all.map((fault) => this.#placed(fault));
    if (config === undefined || this.#faults.length > 0 || faults.length > 0) {
      this.#credentials.wipe();
      return err(placed([...this.#faults, ...faults]));
    }
    const sources: CredentialSources = { secrets, credentials, trusts };
    return ok({
      ...config,
      warnings: placed(warnings),
      heldBack: placed(heldBack),
      credentials: {
        sources,
        files: [...files],
        watched: this.#credentials.watched(),
        validFromMs: this.#credentials.validFromMs,
      },
    });
  }

  #check<T>(schema: Parameters<typeof checkFields<T>>[0], value: unknown, path: FieldPath): T | undefined {
    const checked = checkFields(schema, value, path);
    if (checked.ok) return checked.value;
    this.#faults.push(...checked.error);
    return undefined;
  }

  /**
   * The peers without those that stand in for others and get into the way of any: which traffic each has is known when
   * they have addresses.
   */
  #withoutClashes(peers: readonly ResolvedPeer[], unresolved: readonly Unresolved[]): readonly ResolvedPeer[] {
    let standIns = unresolved.flatMap(({ standIn }) => standIn ?? []);
    const others = peers.filter((peer) => !standIns.includes(peer));
    for (;;) {
      // Faults are of the later one of two.
      const ordered = [...others, ...standIns];
      const clashes = [...indistinguishablePeers(ordered), ...overlappingTraffic(ordered)];
      const left = standIns.filter(({ path }) => !clashes.some((clash) => isWithin(clash.path, path)));
      if (left.length === standIns.length) {
        this.#faults.push(...clashes);
        const known = new Set(ordered);
        return peers.filter((peer) => known.has(peer));
      }
      standIns = left;
    }
  }

  #unresolvedPeer(
    { fields, fault, standIn }: Unresolved,
    peers: readonly ResolvedPeer[],
    defaults: SettingFields,
  ): UnresolvedPeer {
    const host = fields.address.kind === 'host' ? fields.address.host : '';
    const pairs = standIn !== undefined && peers.includes(standIn) ? standIn.pairs : [];
    const isOpen = (fields.children ?? [{ enforcement: undefined }]).some((child, index) => {
      const enforcement = child.enforcement ?? fields.enforcement ?? defaults.enforcement ?? 'Required';
      const isSelected = pairs[index]?.every(({ remote }) => remote !== undefined) ?? false;
      return enforcement === 'Required' && !isSelected;
    });
    return { name: fields.name, host, fault: this.#placed(fault), isOpen };
  }

  /** The peers that `mesh` makes. */
  async #mesh(
    value: unknown,
    node: NodeFields | undefined,
    defaults: SettingFields | undefined,
  ): Promise<readonly ResolvedPeer[]> {
    const fields = this.#check(meshSchema, value, ['mesh']);
    if (fields === undefined) return [];
    if (fields.authentication === undefined && defaults !== undefined && defaults.authentication === undefined) {
      this.#faults.push({
        path: ['mesh', 'authentication'],
        text: 'is missing: write certificate, here or in defaults',
      });
      return [];
    }
    const authentication = await this.#authentication('mesh', fields.authentication, ['mesh'], defaults, node);
    if (authentication === undefined || node === undefined || defaults === undefined) return [];
    const around = { node, defaults, provider: this.#services.provider, authentication };
    return resolveMesh(fields, around, this.#faults);
  }

  #checkNames(named: readonly { readonly name: string; readonly path: FieldPath }[]): void {
    const taken = new Map<string, FieldPath>();
    for (const { name, path } of named) {
      const first = taken.get(name);
      if (first === undefined) taken.set(name, path);
      else this.#faults.push({ path: [...path, 'name'], text: `"${name}" is taken by ${formatPath(first)}` });
    }
  }

  #checkAddresses(node: NodeFields): void {
    for (const [index, address] of node.addresses.entries()) {
      if (node.addresses.indexOf(address) === index) continue;
      this.#faults.push({ path: ['node', 'addresses', index], text: `${address} is there twice` });
    }
  }

  #checkDefaultProposals(defaults: SettingFields): void {
    for (const protocol of ['ike', 'esp'] as const) {
      for (const [index, written] of (defaults.proposals?.[protocol] ?? []).entries()) {
        const usable = usableProposal(protocol, written, this.#services.provider);
        if (usable.ok) continue;
        this.#faults.push({ path: ['defaults', 'proposals', protocol, index], text: usable.error });
      }
    }
  }

  /** What both sides prove themselves by: as written for the peer at `path`, else as in `defaults`. */
  async #authentication(
    peer: string,
    own: AuthenticationFields | undefined,
    path: FieldPath,
    defaults: SettingFields | undefined,
    node: NodeFields | undefined,
  ): Promise<Authentication | undefined> {
    const given = own ?? defaults?.authentication;
    const place = [...(own === undefined ? ['defaults'] : path), 'authentication'];
    if (given !== undefined) return this.#credentials.authentication(peer, given, node?.identity, place);
    // Whatever is wrong with `defaults` may be why.
    if (defaults !== undefined) this.#faults.push({ path: [...path, 'authentication'], text: NO_AUTHENTICATION });
    return undefined;
  }

  #placed(fault: ConfigFault): ConfigFault {
    return { ...fault, position: this.#document.position(fault.path) };
  }
}

function isWithin(path: FieldPath, outer: FieldPath): boolean {
  return outer.every((part, index) => part === path[index]);
}

async function readText(file: string): Promise<Result<string, string>> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) return err(`has ${size} bytes; a configuration has at most ${MAX_FILE_BYTES}`);
    const bytes = await readFile(file);
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof TypeError) return err('is not UTF-8 text');
    return err(`cannot be read: ${describeFileError(error)}`);
  }
}

const NO_AUTHENTICATION = 'is missing: write preSharedKey or certificate, here or for all in defaults';

import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { apiVersion } from '../../operator/api/resource.ts';
import { err } from '../result.ts';
import type { Log } from '../runtime/log/logger.ts';
import type { ApiFailure } from './api-failure.ts';
import type { CredentialFiles } from './credential-files.ts';
import {
  absenceText,
  type CredentialObject,
  credentialObjects,
  fileName,
  filesOf,
  isCertificate,
  partName,
  partsOf,
  unwrittenText,
} from './credential-objects.ts';
import type { KeptConfiguration } from './kept-configuration.ts';
import type { WatchedObject } from './list-watch.ts';
import { peeringEntries, type ReadNodeConfig, readNodeConfig, readSlice } from './node-config.ts';
import type { NodeStatus } from './node-status.ts';
import type { ObjectQuery, ObjectSource } from './object-source.ts';
import { KNOWN_BEFORE, type KnownPeer, PeerRoster } from './peer-roster.ts';
import type { UnknownParts } from './unknown-parts.ts';

/** What a picture of the cluster depends on. */
export interface ClusterStateParts {
  readonly nodeName: string;
  readonly source: ObjectSource;
  readonly files: CredentialFiles;
  readonly log: Log;
  readonly monotonicMs: () => number;
  readonly onChange: () => void;
}

/**
 * What the API server, or a folder, says about this node, as last heard: nothing is forgotten because it cannot be asked, or
 * says that there is nothing. A peering ends when an IPsecNodeConfig does not list it any more.
 */
export class ClusterState {
  /** The header of the last IPsecNodeConfig that could be read. */
  header: Omit<ReadNodeConfig, 'peerings'> | undefined;
  /** The status that the object had when it was seen first, of an earlier agent. */
  firstStatus: NodeStatus | undefined;
  /** Why the IPsecNodeConfig that there is cannot be read; a sentence. */
  unreadable: string | undefined;
  /** Whether the API server has shown an IPsecNodeConfig since the start. */
  isHeard = false;
  readonly #parts: ClusterStateParts;
  readonly #peerings = new Map<string, NodePeering>();
  readonly #rosters = new Map<string, PeerRoster>();
  /** By the part of an object. */
  readonly #missing = new Map<string, string>();
  readonly #watches = new Map<string, { stop(): void }>();
  readonly #heard = new Set<string>();
  readonly #failing = new Map<string, string>();
  #complaint = '';
  /** Entries of the kept configuration, by the name of the peering. */
  #keptPeerings: ReadonlyMap<string, unknown> = new Map();

  constructor(parts: ClusterStateParts) {
    this.#parts = parts;
  }

  /** Watches from here on. */
  start(): void {
    const { nodeName } = this.#parts;
    this.#watch('node config', { resource: 'ipsecnodeconfigs', name: nodeName }, (objects) => {
      const object = objects.get(nodeName);
      if (object !== undefined) this.#takeNodeConfig(object);
    });
  }

  stop(): void {
    for (const watch of this.#watches.values()) watch.stop();
  }

  /** What can be carried out, in the last form in which it could be read. */
  get peerings(): readonly NodePeering[] {
    return [...this.#peerings.values()];
  }

  /** The peers of each mesh. */
  peers(): ReadonlyMap<string, readonly KnownPeer[]> {
    const now = this.#parts.monotonicMs();
    return new Map([...this.#rosters].map(([name, roster]) => [name, roster.peers(now)]));
  }

  /** What is listed and not known. */
  unknown(): UnknownParts {
    const rosters = [...this.#rosters];
    return {
      peerings: new Set(this.header?.faults.keys()),
      meshes: new Set(rosters.flatMap(([name, { hasSlices }]) => (hasSlices ? [] : [name]))),
      peers: new Map(rosters.map(([name, { unread }]) => [name, unread.map((peer) => peer.name)])),
    };
  }

  /** What Secrets and ConfigMaps lack, by the name of the peering. */
  missing(): ReadonlyMap<string, string> {
    return new Map(
      this.peerings.flatMap((peering) => {
        const text = credentialObjects([peering])
          .flatMap(partsOf)
          .map((part) => this.#missing.get(partName(part)) ?? this.#unwritten(part))
          .find((each) => each !== undefined);
        return text === undefined ? [] : [[peering.name, text] as const];
      }),
    );
  }

  #unwritten(part: CredentialObject): string | undefined {
    const failure = this.#parts.files.failure(fileName(part));
    return failure === undefined ? undefined : unwrittenText(part, failure);
  }

  /** Whether the API server has said whether there is an IPsecNodeConfig. */
  get isAnswered(): boolean {
    return this.#heard.has('node config') && !this.#failing.has('node config');
  }

  /** Whether everything that the peerings need has been asked for and answered once. */
  get isComplete(): boolean {
    return this.isHeard && [...this.#watches.keys()].every((key) => this.#heard.has(key));
  }

  /** When a peer will have been absent for long enough. */
  nextChangeMs(): number | undefined {
    const times = [...this.#rosters.values()].flatMap((roster) => roster.nextChangeMs() ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** What to keep on the node; of a peering with a fault what was kept of it before. */
  kept(faults: ReadonlyMap<string, string>): KeptConfiguration | undefined {
    if (this.header === undefined) return undefined;
    const { uid, generation, spec } = this.header;
    const told = new Map<string, unknown>(this.peerings.map((peering) => [peering.name, peering]));
    for (const name of [...this.header.faults.keys(), ...faults.keys()]) {
      const earlier = this.#keptPeerings.get(name);
      if (earlier !== undefined) told.set(name, earlier);
    }
    this.#keptPeerings = told;
    return {
      nodeName: this.#parts.nodeName,
      nodeConfig: {
        apiVersion,
        kind: 'IPsecNodeConfig',
        metadata: { name: this.#parts.nodeName, uid, generation },
        spec: { ...spec, peerings: [...told.values()] },
      },
      peers: Object.fromEntries([...this.peers()].map(([name, peers]) => [name, peers.map(({ peer }) => peer)])),
    };
  }

  /** Takes in what was kept of an earlier run, of the peerings that are listed. */
  remember({ nodeConfig, peers }: KeptConfiguration): void {
    this.#keptPeerings = peeringEntries(nodeConfig);
    const now = this.#parts.monotonicMs();
    for (const [name, roster] of this.#rosters)
      roster.remember(readSlice(keptSlice(name, peers[name] ?? [])).peers, now);
  }

  /** Begins with what was kept, until the API server says more; false where this version cannot read it. */
  restore({ nodeConfig, peers }: KeptConfiguration): boolean {
    if (this.header !== undefined) return true;
    const read = readNodeConfig(nodeConfig);
    if (!read.ok) return false;
    this.#accept(read.value);
    for (const [name, list] of Object.entries(peers)) {
      this.#rosters.get(name)?.update([readSlice(keptSlice(name, list))], KNOWN_BEFORE);
    }
    return true;
  }

  #takeNodeConfig(object: WatchedObject): void {
    const read = readNodeConfig(object);
    if (!read.ok) {
      this.unreadable = `IPsecNodeConfig ${object.metadata.name} is not carried out: ${read.error}`;
      this.#complain(this.unreadable);
      return;
    }
    this.unreadable = undefined;
    const { uid, generation } = read.value;
    // The status that is written here comes back as a change.
    const isKnown =
      this.isHeard && generation !== undefined && generation === this.header?.generation && uid === this.header.uid;
    if (isKnown) return;
    this.firstStatus ??= (object as { readonly status?: NodeStatus }).status ?? {};
    this.isHeard = true;
    const { faults, unknown } = read.value;
    const texts = [...faults].map(([name, text]) => `peering ${name} cannot be read: ${text}`);
    if (unknown.length > 0) texts.push(`fields that this version does not know are passed over: ${unknown.join(', ')}`);
    this.#complain(texts.join('; '));
    this.#accept(read.value);
    this.#parts.onChange();
  }

  /** Said once, until it is something else. */
  #complain(text: string): void {
    if (text !== '' && text !== this.#complaint) this.#parts.log.warn({ text }, 'questionable configuration');
    this.#complaint = text;
  }

  #accept({ peerings, ...header }: ReadNodeConfig): void {
    this.header = header;
    for (const name of [...this.#peerings.keys()]) if (!header.listed.has(name)) this.#peerings.delete(name);
    for (const peering of peerings) this.#peerings.set(peering.name, peering);
    this.#followPeerings();
  }

  /** Watches what the peerings need, and nothing else any more. */
  #followPeerings(): void {
    const wanted = new Set(['node config']);
    for (const { name, remote } of this.peerings) {
      if (remote.mesh === undefined) continue;
      wanted.add(`slices of ${name}`);
      if (!this.#rosters.has(name)) this.#rosters.set(name, new PeerRoster());
      this.#watchSlices(name);
    }
    for (const object of credentialObjects(this.peerings)) {
      const key = partName(object);
      wanted.add(key);
      this.#watchCredential(key, object);
    }
    for (const [key, watch] of this.#watches) {
      if (wanted.has(key)) continue;
      watch.stop();
      this.#watches.delete(key);
      this.#heard.delete(key);
      this.#failing.delete(key);
    }
    for (const name of this.#rosters.keys()) if (!wanted.has(`slices of ${name}`)) this.#rosters.delete(name);
  }

  #watchSlices(peering: string): void {
    const key = `slices of ${peering}`;
    this.#watch(key, { resource: 'ipsecpeerslices', peering }, (objects) => {
      const slices = [...objects.values()].filter((slice) => slice['peering'] === peering).map(readSlice);
      const unread = slices.reduce((total, slice) => total + slice.unread.length, 0);
      if (unread > 0)
        this.#parts.log.warn({ peering, peers: unread }, 'peers that this version cannot read stay as they were');
      this.#rosters.get(peering)?.update(slices, this.#parts.monotonicMs());
      this.#parts.onChange();
    });
  }

  #watchCredential(key: string, object: CredentialObject): void {
    const { kind, name } = object;
    this.#watch(key, { resource: kind, name }, (objects) => {
      const files = this.#readCredential(object, objects.get(name));
      if (files === undefined) {
        this.#parts.onChange();
        return undefined;
      }
      return this.#parts.files.write(fileName(object), files).then(
        () => undefined,
        (error: unknown) => this.#parts.log.error({ text: String(error) }, 'keys and certificates cannot be written'),
      );
    });
  }

  /** What can be used of an object, the rest to stay as it was read before; undefined where nothing can. */
  #readCredential(
    object: CredentialObject,
    found: WatchedObject | undefined,
  ): ReadonlyMap<string, Uint8Array | undefined> | undefined {
    const files = new Map<string, Uint8Array | undefined>();
    for (const part of partsOf(object)) {
      const absent = absenceText(part, this.#parts.source.certificates);
      const read = found === undefined ? err(absent) : filesOf(part, found);
      if (read.ok) this.#missing.delete(partName(part));
      else this.#missing.set(partName(part), read.error);
      for (const key of part.keys) files.set(key, read.ok ? read.value.get(key) : undefined);
    }
    // Of a bundle nothing is used without the certificate that came with it.
    const contents = isCertificate(object) ? [files.get('tls.crt')] : [...files.values()];
    return contents.some((content) => content !== undefined) ? files : undefined;
  }

  #watch(
    key: string,
    query: ObjectQuery,
    onObjects: (objects: ReadonlyMap<string, WatchedObject>) => Promise<void> | void,
  ): void {
    if (this.#watches.has(key)) return;
    const watch = this.#parts.source.follow(query, {
      onObjects: (objects) => {
        const done = onObjects(objects);
        // Not before what was heard can be used.
        if (done === undefined) this.#heard.add(key);
        else
          void done.finally(() => {
            this.#heard.add(key);
            this.#parts.onChange();
          });
      },
      onFailure: (failure) => this.#noteFailure(key, failure),
    });
    this.#watches.set(key, watch);
  }

  #noteFailure(key: string, failure: ApiFailure | undefined): void {
    const { log } = this.#parts;
    if (failure === undefined) {
      if (this.#failing.delete(key) && this.#failing.size === 0) log.info({}, 'the API server answers');
      return;
    }
    // An answer that says no is an answer: nothing more is to be waited for.
    if (failure.status !== 0 && !this.#heard.has(key)) {
      this.#heard.add(key);
      this.#parts.onChange();
    }
    if (this.#failing.get(key) === failure.message) return;
    this.#failing.set(key, failure.message);
    log.warn({ what: key, text: failure.message }, 'the API server does not say; what is configured stays');
  }
}

function keptSlice(peering: string, peers: readonly unknown[]): object {
  return { apiVersion, kind: 'IPsecPeerSlice', metadata: { name: peering }, peering, peers };
}

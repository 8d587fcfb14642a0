import { hash } from 'node:crypto';
import { join } from 'node:path';

import { ipsecNodeConfig } from '../../operator/api/ipsec-node-config.ts';
import { ipsecPeerSlice } from '../../operator/api/ipsec-peer-slice.ts';
import type { Timers } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { fileDigests } from '../runtime/file-digest.ts';
import { FileWatch } from '../runtime/file-watch.ts';
import type { Log } from '../runtime/log/logger.ts';
import { MANIFEST_LOOK_MS, MAX_MANIFEST_BYTES } from './limits.ts';
import type { WatchedObject } from './list-watch.ts';
import { type Manifest, type ManifestFile, manifestFiles, readManifestFile } from './manifest-folder.ts';
import type { ObjectListener, ObjectQuery, ObjectSource } from './object-source.ts';

/** What objects of a folder are watched by. */
export interface ManifestObjectsParts {
  readonly folder: string;
  /** Objects of other namespaces are passed over; one that names none is taken. */
  readonly namespace: string;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * The objects of a folder of manifests, read again whenever the content of the files changes. A file that cannot be read any
 * more counts as it was read last.
 */
export class ManifestObjects implements ObjectSource {
  readonly name: string;
  readonly certificates = 'put it among the manifests, with tls.crt, tls.key and ca.crt';
  readonly #parts: ManifestObjectsParts;
  readonly #watch: FileWatch;
  readonly #followers = new Map<ObjectListener, ObjectQuery>();
  #complaints: ReadonlySet<string> = new Set();
  #files = new Map<string, readonly Manifest[]>();
  #objects: readonly Manifest[] = [];
  #digest = '';
  #generation = 0;
  #reading: Promise<void> | undefined;

  private constructor(parts: ManifestObjectsParts) {
    this.#parts = parts;
    this.name = parts.folder;
    this.#watch = new FileWatch({
      timers: parts.timers,
      intervalMs: MANIFEST_LOOK_MS,
      digest: folderDigests(),
      onChange: () => this.reread(),
    });
  }

  /** Reads the folder for the first time, and watches it from then on; or everything that is wrong in it, one line each. */
  static async open(parts: ManifestObjectsParts): Promise<Result<ManifestObjects, readonly string[]>> {
    const objects = new ManifestObjects(parts);
    const files = await readFiles(parts.folder);
    if (!files.ok) return err([files.error]);
    const faults = files.value.flatMap(({ content }) => (content.ok ? [] : [content.error]));
    if (faults.length > 0) return err(faults);
    objects.#take(files.value);
    objects.#watch.watch([parts.folder]);
    return ok(objects);
  }

  /** The names of the nodes that the folder has an IPsecNodeConfig of. */
  get nodes(): readonly string[] {
    return this.#objects.filter(({ kind }) => kind === ipsecNodeConfig.kind).map(({ metadata }) => metadata.name);
  }

  follow(query: ObjectQuery, listener: ObjectListener): { stop(): void } {
    this.#followers.set(listener, query);
    queueMicrotask(() => this.#tell(listener));
    return { stop: () => this.#followers.delete(listener) };
  }

  /** Reads the files now. */
  reread(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  close(): void {
    this.#watch.stop();
    this.#followers.clear();
  }

  async #read(): Promise<void> {
    const files = await readFiles(this.#parts.folder);
    if (!files.ok) this.#complain([files.error]);
    else if (this.#take(files.value)) for (const listener of [...this.#followers.keys()]) this.#tell(listener);
  }

  /** Whether anything is other than before. */
  #take(files: readonly ManifestFile[]): boolean {
    const before = this.#files;
    const complaints: string[] = [];
    this.#files = new Map();
    for (const { name, content, exposesSecrets } of files) {
      if (!content.ok) complaints.push(`${content.error}; what was read of it before stays`);
      this.#files.set(name, content.ok ? content.value : (before.get(name) ?? []));
      const path = join(this.#parts.folder, name);
      if (exposesSecrets) complaints.push(`${path} has Secrets and may be read by every user: chmod 600 ${path}`);
    }
    this.#objects = this.#withoutDuplicates(complaints);
    this.#complain(complaints);
    const digest = hash('sha256', JSON.stringify(this.#objects));
    if (digest === this.#digest) return false;
    this.#digest = digest;
    this.#generation += 1;
    return true;
  }

  /** Of objects that are there twice, the one in the file whose name sorts first. */
  #withoutDuplicates(complaints: string[]): readonly Manifest[] {
    const found = new Map<string, Manifest>();
    for (const [file, objects] of this.#files) {
      for (const object of objects.filter((each) => this.#isNear(each))) {
        const key = `${object.kind} ${object.metadata.name}`;
        if (!found.has(key)) found.set(key, object);
        else complaints.push(`${join(this.#parts.folder, file)}: ${key} is there twice, and counts as it was first`);
      }
    }
    return [...found.values()];
  }

  #isNear({ metadata }: Manifest): boolean {
    const { namespace } = metadata as { readonly namespace?: unknown };
    return namespace === undefined || namespace === this.#parts.namespace;
  }

  #tell(listener: ObjectListener): void {
    const query = this.#followers.get(listener);
    if (query === undefined) return;
    const selected = this.#objects.filter((object) => isSelected(object, query));
    listener.onObjects(new Map(selected.map((object) => [object.metadata.name, this.#served(object)])));
  }

  /** With what an API server counts: a file that a person edits has no number of its own for each content. */
  #served(object: Manifest): WatchedObject {
    const { status: _, ...rest } = object;
    return { ...rest, metadata: { ...object.metadata, generation: this.#generation } } as WatchedObject;
  }

  /** Said when it begins. */
  #complain(complaints: readonly string[]): void {
    for (const text of complaints) {
      if (!this.#complaints.has(text)) this.#parts.log.warn({ text }, 'questionable manifests');
    }
    this.#complaints = new Set(complaints);
  }
}

async function readFiles(folder: string): Promise<Result<readonly ManifestFile[], string>> {
  const names = await manifestFiles(folder);
  return names.ok ? ok(await Promise.all(names.value.map((name) => readManifestFile(folder, name)))) : names;
}

function isSelected({ kind, metadata, ...rest }: Manifest, query: ObjectQuery): boolean {
  if (kind !== KINDS[query.resource]) return false;
  return query.resource === 'ipsecpeerslices' ? rest['peering'] === query.peering : metadata.name === query.name;
}

/** Something that is the same exactly as long as the names and contents of a folder's files are. */
function folderDigests(): (folder: string) => Promise<string> {
  const digest = fileDigests(MAX_MANIFEST_BYTES);
  return async (folder) => {
    const names = await manifestFiles(folder);
    if (!names.ok) return names.error;
    const digests = await Promise.all(names.value.map(async (name) => [name, await digest(join(folder, name))]));
    return JSON.stringify(digests);
  };
}

const KINDS: Readonly<Record<ObjectQuery['resource'], string>> = {
  ipsecnodeconfigs: ipsecNodeConfig.kind,
  ipsecpeerslices: ipsecPeerSlice.kind,
  secrets: 'Secret',
  configmaps: 'ConfigMap',
};

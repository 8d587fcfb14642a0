import { dirname, resolve } from 'node:path';

import type { SecretBytes } from '../../crypto/secret.ts';
import type { ConnectionConfig, Identity, LocalAuthentication, RemoteAuthentication } from '../../ike/types.ts';
import { sameCredential } from '../../pki/credential.ts';
import type {
  AuthenticationFields,
  CredentialFields,
  LocalFields,
  RemoteFields,
  TrustFields,
} from './authentication-schema.ts';
import { type LoadedCredential, readCredential } from './credential-file.ts';
import type { ConfigFault, FieldPath } from './fault.ts';
import { readSecretFile } from './secret-file.ts';
import { type LoadedTrust, readTrust } from './trust-files.ts';
import type { WatchedCertificate } from './watched-certificate.ts';

/** Keys, certificates and bundles as they were read from files: what is in use goes on when a file becomes faulty. */
export interface CredentialSources {
  /** By peer, side and file: no two connections share the bytes of a key, which is wiped with its connection. */
  readonly secrets: ReadonlyMap<string, SecretBytes>;
  /** By files and identity. */
  readonly credentials: ReadonlyMap<string, LoadedCredential>;
  /** By files and policy. */
  readonly trusts: ReadonlyMap<string, LoadedTrust>;
}

/** What both sides of a connection prove themselves by. */
export type Authentication = Pick<ConnectionConfig, 'localAuthentication' | 'remoteAuthentication'>;

/** No file has been read before. */
export const NO_SOURCES: CredentialSources = { secrets: new Map(), credentials: new Map(), trusts: new Map() };

/** Wipes the pre-shared keys that were read for nothing, since it is others that stay in use. */
export function wipeUnused(read: Pick<CredentialSources, 'secrets'>, inUse: CredentialSources): void {
  const used = new Set(inUse.secrets.values());
  for (const secret of read.secrets.values()) if (!used.has(secret)) secret.wipe();
}

/** Reads the files that peers are authenticated by, each once, and remembers what was wrong with which. */
export class CredentialReading {
  readonly secrets = new Map<string, SecretBytes>();
  readonly credentials = new Map<string, LoadedCredential>();
  readonly trusts = new Map<string, LoadedTrust>();
  readonly files = new Set<string>();
  readonly faults: ConfigFault[] = [];
  readonly warnings: ConfigFault[] = [];
  /** Faults of files in whose place what was read before stays in use. */
  readonly heldBack: ConfigFault[] = [];
  /** When the first of the certificates that are held back becomes valid. */
  validFromMs: number | undefined;
  readonly #folder: string;
  readonly #previous: CredentialSources;
  readonly #nowMs: number;
  readonly #failed = new Set<string>();

  constructor(configurationFile: string, previous: CredentialSources, nowMs: number) {
    this.#folder = dirname(configurationFile);
    this.#previous = previous;
    this.#nowMs = nowMs;
  }

  /** What both sides of a connection prove themselves by; undefined where a file prevents it, which is among the faults. */
  async authentication(
    peer: string,
    fields: AuthenticationFields,
    identity: Identity | undefined,
    path: FieldPath,
  ): Promise<Authentication | undefined> {
    const remote = await this.#remote(peer, fields.remote, path);
    if (remote === undefined) {
      // The faults of the other side are told at the same time.
      if (fields.local !== fields.remote) await this.#local(peer, fields.local, identity, [], path);
      return undefined;
    }
    const anchors = remote.kind === 'certificate' ? remote.trust.anchors : [];
    // The same fields for both sides mean the same key.
    const shared = fields.local === fields.remote && remote.kind === 'preSharedKey' ? remote : undefined;
    const local = shared ?? (await this.#local(peer, fields.local, identity, anchors, path));
    return local && { localAuthentication: local, remoteAuthentication: remote };
  }

  /** What has an end that people should hear of before. */
  watched(): readonly WatchedCertificate[] {
    const own = [...this.credentials.values()].map(({ watched }) => watched);
    return [...own, ...[...this.trusts.values()].flatMap(({ watched }) => watched)];
  }

  /** Wipes what of it is not what was read before. */
  wipe(): void {
    wipeUnused(this, this.#previous);
  }

  async #local(
    peer: string,
    fields: LocalFields,
    identity: Identity | undefined,
    anchors: readonly Uint8Array[],
    path: FieldPath,
  ): Promise<LocalAuthentication | undefined> {
    if (fields.kind === 'preSharedKey') return this.#secret(`${peer} local`, fields, path);
    const loaded = [];
    for (const pair of fields.credentials) loaded.push(await this.#credential(pair, identity, anchors, path));
    const [first, ...others] = loaded.flatMap((each) => (each === undefined ? [] : [each.credential]));
    if (first === undefined || others.length + 1 < loaded.length) return undefined;
    return { kind: 'certificate', credentials: [first, ...others], signatures: fields.signatures };
  }

  async #remote(peer: string, fields: RemoteFields, path: FieldPath): Promise<RemoteAuthentication | undefined> {
    if (fields.kind === 'preSharedKey') return this.#secret(`${peer} remote`, fields, path);
    const loaded = await this.#trust(fields.trust, path);
    return loaded && { kind: 'certificate', trust: loaded.trust, rsaSha1: fields.rsaSha1 };
  }

  async #secret(whose: string, fields: Extract<LocalFields, { kind: 'preSharedKey' }>, path: FieldPath) {
    const file = this.#file(fields.file);
    const place = [...path, ...fields.path];
    const key = `${whose} ${file}`;
    const known = this.#previous.secrets.get(key);
    // It went with its connection, and is of no use to another one.
    const previous = known?.isWiped === true ? undefined : known;
    const read = await readSecretFile(file);
    if (!read.ok) {
      this.#fault({ path: place, text: read.error }, previous !== undefined);
      if (previous === undefined) return undefined;
      this.secrets.set(key, previous);
      return { kind: 'preSharedKey', secret: previous } as const;
    }
    this.warnings.push(...read.value.warnings.map((text) => ({ path: place, text })));
    const same = previous?.equals(read.value.secret) === true;
    if (same) read.value.secret.wipe();
    const secret = same ? previous : read.value.secret;
    this.secrets.set(key, secret);
    return { kind: 'preSharedKey', secret } as const;
  }

  async #credential(
    pair: CredentialFields,
    identity: Identity | undefined,
    anchors: readonly Uint8Array[],
    path: FieldPath,
  ): Promise<LoadedCredential | undefined> {
    const files = { certificateFile: this.#file(pair.certificateFile), keyFile: this.#file(pair.keyFile) };
    // One that was read for another identity would go on to show a name that no peer takes us for.
    const key = `${files.certificateFile} ${files.keyFile} ${identityKey(identity)}`;
    const known = this.credentials.get(key);
    if (known !== undefined || this.#failed.has(key)) return known;
    const previous = this.#previous.credentials.get(key);
    const place = [...path, ...pair.path];
    const read = await readCredential(files, identity, anchors, this.#nowMs);
    if (!read.ok) {
      this.#fault({ path: [...place, read.error.field], text: read.error.text }, previous !== undefined);
      return this.#settle(this.credentials, key, previous);
    }
    const { credential, warnings, untimely } = read.value;
    for (const { field, text } of warnings) this.warnings.push({ path: [...place, field], text });
    if (untimely !== undefined) {
      const fault = {
        path: [...place, 'certificateFile'],
        text: `${files.certificateFile}: the certificate ${untimely}`,
      };
      // What else has changed about the one that is in use makes it no less timely.
      const replaced = previous !== undefined && previous.watched.fingerprint !== read.value.watched.fingerprint;
      if (replaced) {
        this.heldBack.push(fault);
        this.#awaitValidity(read.value.watched.notBeforeMs);
        return this.#settle(this.credentials, key, previous);
      }
      this.warnings.push(fault);
    }
    const unchanged = previous !== undefined && sameCredential(credential, previous.credential);
    return this.#settle(this.credentials, key, unchanged ? previous : read.value);
  }

  async #trust(fields: TrustFields, path: FieldPath): Promise<LoadedTrust | undefined> {
    const resolved = {
      ...fields,
      bundleFiles: fields.bundleFiles.map((file) => this.#file(file)),
      crlFiles: fields.crlFiles.map((file) => this.#file(file)),
    };
    const { path: _, ...identifying } = resolved;
    const key = JSON.stringify(identifying);
    const known = this.trusts.get(key);
    if (known !== undefined || this.#failed.has(key)) return known;
    const previous = this.#previous.trusts.get(key);
    const place = [...path, ...fields.path];
    const read = await readTrust(resolved, this.#nowMs);
    const placed = (fault: ConfigFault): ConfigFault => ({ ...fault, path: [...place, ...fault.path] });
    if (!read.ok) {
      for (const fault of read.error) this.#fault(placed(fault), previous !== undefined);
      return this.#settle(this.trusts, key, previous);
    }
    this.warnings.push(...read.value.warnings.map(placed));
    const unchanged = read.value.trust.fingerprint === previous?.trust.fingerprint;
    return this.#settle(this.trusts, key, unchanged ? previous : read.value);
  }

  /** Remembers what a file has come to, so that it is not read, and complained of, for each peer anew. */
  #settle<T>(read: Map<string, T>, key: string, value: T | undefined): T | undefined {
    if (value === undefined) this.#failed.add(key);
    else read.set(key, value);
    return value;
  }

  #awaitValidity(notBeforeMs: number): void {
    if (notBeforeMs > this.#nowMs) this.validFromMs = Math.min(this.validFromMs ?? notBeforeMs, notBeforeMs);
  }

  #fault(fault: ConfigFault, replaced: boolean): void {
    (replaced ? this.heldBack : this.faults).push(fault);
  }

  #file(name: string): string {
    const file = resolve(this.#folder, name);
    this.files.add(file);
    return file;
  }
}

function identityKey(identity: Identity | undefined): string {
  return identity === undefined ? '' : `${identity.idType} ${Buffer.from(identity.data).toString('hex')}`;
}

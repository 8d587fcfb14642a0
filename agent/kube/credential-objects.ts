import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { err, ok, type Result } from '../result.ts';

/** A Secret or ConfigMap that a peering is authenticated by. */
export interface CredentialObject {
  readonly kind: 'secrets' | 'configmaps';
  readonly name: string;
  /** What is taken of it, as the names of files. */
  readonly keys: readonly string[];
  readonly preSharedKey: boolean;
}

/** What a node reads for its peerings, each object once. */
export function credentialObjects(peerings: readonly NodePeering[]): readonly CredentialObject[] {
  const found = new Map<string, CredentialObject>();
  for (const each of peerings.flatMap(objectsOf)) {
    const key = fileName(each);
    const keys = [...new Set([...(found.get(key)?.keys ?? []), ...each.keys])].sort();
    found.set(key, { ...each, keys });
  }
  return [...found.values()];
}

/** The name of its files: a Secret and a ConfigMap may be called the same. */
export function fileName({
  kind,
  name,
  preSharedKey,
}: Pick<CredentialObject, 'kind' | 'name' | 'preSharedKey'>): string {
  return `${preSharedKey ? 'psk' : kind === 'secrets' ? 'certificate' : 'trust'}_${name}`;
}

/**
 * What of an object is good for something by itself, a certificate with its key first: what one peering lacks is not in the
 * way of another one that uses the same object.
 */
export function partsOf(object: CredentialObject): readonly CredentialObject[] {
  const pair = isCertificate(object) ? CERTIFICATE_KEYS : [];
  const others = object.keys.filter((key) => !pair.includes(key)).map((key) => [key]);
  return [...(pair.length === 0 ? [] : [pair]), ...others].map((keys) => ({ ...object, keys }));
}

/** Names a part of all objects. */
export function partName(part: CredentialObject): string {
  return `${fileName(part)} ${part.keys.join()}`;
}

/** Whether an object is a Secret with a certificate of this node. */
export function isCertificate({ kind, preSharedKey }: CredentialObject): boolean {
  return kind === 'secrets' && !preSharedKey;
}

/** The files that an object comes to. The error of a pre-shared key is the same whatever is the matter. */
export function filesOf(object: CredentialObject, value: unknown): Result<ReadonlyMap<string, Uint8Array>, string> {
  const { type, data } = (value ?? {}) as {
    readonly type?: unknown;
    readonly data?: Readonly<Record<string, unknown>> | null;
  };
  const files = new Map<string, Uint8Array>();
  for (const key of object.keys) {
    const content = data?.[key];
    if (typeof content !== 'string' || content === '') return err(missingText(object, key));
    files.set(key, Buffer.from(content, object.kind === 'secrets' ? 'base64' : 'utf8'));
  }
  if (object.preSharedKey && type !== PRE_SHARED_KEY_TYPE) return err(preSharedKeyText(object));
  return ok(files);
}

/** Why an object is not there, or may not be read; `certificates` says where Secrets with certificates come from. */
export function absenceText(object: CredentialObject, certificates: string): string {
  if (object.preSharedKey) return preSharedKeyText(object);
  if (object.kind === 'configmaps') {
    return (
      `the ConfigMap ${object.name} is not there: make it in the namespace of the nodes, with the key ` +
      `${object.keys.join(' and ')}, or correct trust.configMapRef`
    );
  }
  return `the Secret ${object.name} is not there: ${certificates}`;
}

/** Why an object that is there is not used, or not in its newest form; `text` says what the file system has against it. */
export function unwrittenText(object: CredentialObject, text: string): string {
  if (object.preSharedKey) return preSharedKeyText(object);
  const kind = object.kind === 'secrets' ? 'Secret' : 'ConfigMap';
  return `the ${kind} ${object.name} cannot be laid down: ${text}; this is tried again`;
}

/** The Secret of a certificate whose files a text names. */
export function certificateSecretIn(text: string): string | undefined {
  return /\/certificate_([^/]+)\//.exec(text)?.[1];
}

/** Whether a text is about the files of an object. */
export function isAbout(object: CredentialObject, text: string): boolean {
  return text.includes(`/${fileName(object)}/`);
}

/** A text about the files of an object, about the object: nobody who writes peerings knows of files. */
export function namingObject(object: CredentialObject, text: string): string {
  const kind = object.kind === 'secrets' ? 'Secret' : 'ConfigMap';
  const paths = new RegExp(`\\S*/${fileName(object).replaceAll('.', '[.]')}/`, 'g');
  return text.replaceAll(paths, `${kind} ${object.name}: `);
}

function objectsOf({ authentication: { certificate, preSharedKey } }: NodePeering): readonly CredentialObject[] {
  if (preSharedKey !== undefined) {
    return [{ kind: 'secrets', name: preSharedKey.name, keys: [preSharedKey.key], preSharedKey: true }];
  }
  if (certificate === undefined) return [];
  const { secretName, trust } = certificate;
  const keys = [...CERTIFICATE_KEYS, ...(trust === undefined ? ['ca.crt'] : [])];
  return [
    { kind: 'secrets', name: secretName, keys, preSharedKey: false },
    ...(trust === undefined
      ? []
      : [{ kind: 'configmaps', name: trust.name, keys: [trust.key], preSharedKey: false } as const]),
  ];
}

function missingText(object: CredentialObject, key: string): string {
  if (object.preSharedKey) return preSharedKeyText(object);
  const kind = object.kind === 'secrets' ? 'Secret' : 'ConfigMap';
  const hint = key === 'ca.crt' ? ': its issuer names no authority, so give the peering a trust.configMapRef' : '';
  return `the ${kind} ${object.name} has no ${key}${hint}`;
}

/** Whoever may write peerings must not learn from it which Secrets there are, nor of what type. */
function preSharedKeyText({ name, keys }: CredentialObject): string {
  return (
    `the Secret ${name} cannot be used: there must be one in the namespace of the nodes, of type ${PRE_SHARED_KEY_TYPE}, ` +
    `with the key ${keys.join(' and ')}`
  );
}

const CERTIFICATE_KEYS: readonly string[] = ['tls.crt', 'tls.key'];
const PRE_SHARED_KEY_TYPE = 'ikemesh.io/pre-shared-key';

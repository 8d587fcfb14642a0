import { type IpsecNodeConfig, ipsecNodeConfig, type NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { ipsecPeerSlice, type SlicePeer } from '../../operator/api/ipsec-peer-slice.ts';
import { readObject } from '../../operator/api/read-object.ts';
import { err, ok, type Result } from '../result.ts';

/** An IPsecNodeConfig as far as it can be carried out. */
export interface ReadNodeConfig {
  readonly uid: string | undefined;
  readonly generation: number | undefined;
  readonly spec: Omit<IpsecNodeConfig['spec'], 'peerings'>;
  /** What can be carried out, with the name of the peering. */
  readonly peerings: readonly NodePeering[];
  /** Names of everything that is listed, also of what cannot be read: what is listed does not end. */
  readonly listed: ReadonlySet<string>;
  /** What cannot be carried out, by the name of the peering. */
  readonly faults: ReadonlyMap<string, string>;
  /** Fields that this version does not know and passes over. */
  readonly unknown: readonly string[];
}

/**
 * Reads an IPsecNodeConfig of whatever version of the operator: a peering that this version cannot read is a fault of its
 * own and prevents none of the others. The error is a sentence: then nothing of it is known, and nothing changes.
 */
export function readNodeConfig(value: unknown): Result<ReadNodeConfig, string> {
  const given = value as { readonly spec?: { readonly peerings?: unknown } } | null;
  const entries = given?.spec?.peerings;
  if (!Array.isArray(entries))
    return err('spec.peerings is missing: this is no IPsecNodeConfig that this version can read');
  const { status: _, ...rest } = given as Readonly<Record<string, unknown>>;
  const withPeerings = (peerings: readonly unknown[]) => ({ ...rest, spec: { ...given?.spec, peerings } });
  const whole = ipsecNodeConfig.schema.safeParse(withPeerings([]));
  if (!whole.success) {
    const [issue] = whole.error.issues;
    return err(`${issue?.path.join('.')}: ${issue?.message}; what was there before stays`);
  }
  const peerings: NodePeering[] = [];
  const faults = new Map<string, string>();
  const listed = new Set<string>();
  const unknown = new Set(unknownFields(withPeerings([])));
  for (const [index, entry] of entries.entries()) {
    const name = nameOf(entry, index);
    listed.add(name);
    const read = ipsecNodeConfig.schema.safeParse(withPeerings([entry]));
    const [peering] = read.success ? read.data.spec.peerings : [];
    if (peering === undefined) faults.set(name, faultText(read.error?.issues[0]));
    else peerings.push(peering);
    for (const field of unknownFields(withPeerings([entry]))) unknown.add(field.replace('[0]', `[${name}]`));
  }
  const { spec, metadata } = whole.data;
  const { peerings: __, ...header } = spec;
  return ok({
    uid: metadata.uid,
    generation: metadata.generation,
    spec: header,
    peerings,
    listed,
    faults,
    unknown: [...unknown].slice(0, MAX_UNKNOWN),
  });
}

/** What stands in spec.peerings, whoever can read it, by the name of the peering. */
export function peeringEntries(value: unknown): ReadonlyMap<string, unknown> {
  const entries = (value as { readonly spec?: { readonly peerings?: unknown } } | null)?.spec?.peerings;
  return new Map(Array.isArray(entries) ? entries.map((entry, index) => [nameOf(entry, index), entry]) : []);
}

/** A peer that stands in a slice and cannot be read by this version. */
export interface UnreadPeer {
  /** Undefined where not even that can be read. */
  readonly uid: string | undefined;
  readonly name: string;
}

/** A slice as far as it can be read. */
export interface ReadSlice {
  readonly peers: readonly SlicePeer[];
  readonly unread: readonly UnreadPeer[];
}

/** Reads a slice of whatever version of the operator: a peer that this version cannot read prevents none of the others. */
export function readSlice(value: unknown): ReadSlice {
  const given = value as { readonly peers?: unknown } | null;
  const entries: readonly unknown[] = Array.isArray(given?.peers) ? given.peers : [undefined];
  const peers: SlicePeer[] = [];
  const unread: UnreadPeer[] = [];
  for (const [index, entry] of entries.entries()) {
    const read = ipsecPeerSlice.schema.safeParse({ ...given, peers: [entry] });
    if (read.success) peers.push(...read.data.peers);
    else unread.push({ uid: uidOf(entry), name: nameOf(entry, index) });
  }
  return { peers, unread };
}

function uidOf(entry: unknown): string | undefined {
  const uid = (entry as { readonly uid?: unknown } | null | undefined)?.uid;
  return typeof uid === 'string' ? uid : undefined;
}

function unknownFields(value: unknown): readonly string[] {
  const read = readObject(ipsecNodeConfig, value);
  return read.ok ? [] : read.error.filter(({ text }) => text === 'is unknown here').map(({ field }) => field);
}

function faultText(issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined): string {
  const field = issue?.path.slice(3).map(String).join('.') ?? '';
  return `${field}: ${issue?.message ?? 'cannot be read'}`.slice(0, 500);
}

function nameOf(entry: unknown, index: number): string {
  const name = (entry as { readonly name?: unknown } | null | undefined)?.name;
  return typeof name === 'string' && name !== '' ? name.slice(0, 63) : `entry ${index + 1}`;
}

const MAX_UNKNOWN = 20;

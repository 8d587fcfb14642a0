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

/** The peers of a slice; those that this version cannot read are left out, and counted. */
export function readSlice(value: unknown): { readonly peers: readonly SlicePeer[]; readonly unreadable: number } {
  const given = value as { readonly peers?: unknown } | null;
  const entries: readonly unknown[] = Array.isArray(given?.peers) ? given.peers : [];
  const peers = entries.flatMap((entry): readonly SlicePeer[] => {
    const read = ipsecPeerSlice.schema.safeParse({ ...given, peers: [entry] });
    return read.success ? read.data.peers : [];
  });
  return { peers, unreadable: entries.length - peers.length };
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
  const name = (entry as { readonly name?: unknown } | null)?.name;
  return typeof name === 'string' && name !== '' ? name.slice(0, 63) : `entry ${index + 1}`;
}

const MAX_UNKNOWN = 20;

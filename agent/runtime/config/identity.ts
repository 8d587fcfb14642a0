import type { Identity } from '../../ike/types.ts';
import { encodeDistinguishedName } from '../../pki/distinguished-name-text.ts';
import { err, ok, type Result } from '../../result.ts';
import { ipAddressBytes, parseIpAddress } from '../../wire/ip-address.ts';
import { IdType } from '../../wire/registry.ts';
import { isHostName, quoted } from './scalars.ts';

/** The ways in which the file names an identity; exactly one is to be given. */
export interface IdentityFields {
  readonly fqdn?: string | undefined;
  readonly email?: string | undefined;
  readonly ip?: string | undefined;
  /** `CN=node-a, O=Mesh`, the most specific part first. */
  readonly dn?: string | undefined;
  /** Text, or bytes as `0x` and hex digits. */
  readonly keyId?: string | undefined;
}

/** An identity as it goes into IDi and IDr (RFC 7296 §3.5). */
export function identityOf(fields: IdentityFields): Result<Identity, string> {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none' : given.map(([kind]) => kind).join(' and ');
    return err(`needs exactly one of fqdn, email, ip, dn and keyId; it has ${found}`);
  }
  if (fields.fqdn !== undefined) return fqdnIdentity(fields.fqdn);
  if (fields.email !== undefined) return emailIdentity(fields.email);
  if (fields.ip !== undefined) return ipIdentity(fields.ip);
  if (fields.dn !== undefined) return dnIdentity(fields.dn);
  return keyIdentity(fields.keyId ?? '');
}

function fqdnIdentity(fqdn: string): Result<Identity, string> {
  if (!isHostName(fqdn)) return err(`fqdn ${quoted(fqdn)} is not a host name, such as node-a.mesh.test`);
  return ok({ idType: IdType.ID_FQDN, data: UTF8.encode(fqdn) });
}

function emailIdentity(email: string): Result<Identity, string> {
  if (email.length > MAX_IDENTITY || !EMAIL.test(email)) {
    return err(`email ${quoted(email)} is not an address, such as admin@example.com`);
  }
  return ok({ idType: IdType.ID_RFC822_ADDR, data: UTF8.encode(email) });
}

function ipIdentity(ip: string): Result<Identity, string> {
  const address = parseIpAddress(ip);
  if (address === undefined) return err(`ip ${quoted(ip)} is not an IP address`);
  const data = ipAddressBytes(address);
  return ok({ idType: data.length === 4 ? IdType.ID_IPV4_ADDR : IdType.ID_IPV6_ADDR, data });
}

function dnIdentity(dn: string): Result<Identity, string> {
  const encoded = encodeDistinguishedName(dn);
  if (!encoded.ok) return err(`dn ${quoted(dn)} ${encoded.error}`);
  return ok({ idType: IdType.ID_DER_ASN1_DN, data: encoded.value });
}

function keyIdentity(keyId: string): Result<Identity, string> {
  const data = HEX.test(keyId) ? Uint8Array.from(Buffer.from(keyId.slice(2), 'hex')) : UTF8.encode(keyId);
  if (data.length === 0 || data.length > MAX_IDENTITY) return err(`keyId must have 1 to ${MAX_IDENTITY} bytes`);
  return ok({ idType: IdType.ID_KEY_ID, data });
}

const UTF8 = new TextEncoder();
const EMAIL = /^[^\s@]+@[^\s@]+$/;
const HEX = /^0x([0-9a-f]{2})+$/i;
/** What comfortably fits into a datagram besides everything else; real identities are far shorter. */
const MAX_IDENTITY = 255;

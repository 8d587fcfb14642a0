import { SecretBytes } from '../../crypto/secret.ts';
import { ok, type Result } from '../../result.ts';
import { type IpAddress, ipAddressFromBytes } from '../../wire/ip-address.ts';
import type { KernelRefusal } from '../execute.ts';
import { type Attribute, encodeWithAttributes } from '../netlink/attributes.ts';
import type { NetlinkConnection } from '../netlink/connection.ts';
import { OWN_REQIDS, ownReqid } from '../ownership.ts';
import type { SaSpec } from '../types.ts';
import { SaDirection, XfrmMessage } from './registry.ts';
import {
  directionOf,
  encodeNewSa,
  encodeSaId,
  keepaliveAttribute,
  SA_INFO_BYTES,
  type SaFeatures,
} from './sa-codec.ts';

/** What was found out about the running kernel. */
export interface KernelFeatures extends SaFeatures {
  /** ESP over IPv6 works, too. */
  readonly ipv6: boolean;
}

/**
 * Installs SAs that nobody uses, reads each back and deletes it, for IPv4 and for IPv6. That is the one sure way: a
 * kernel accepts attributes that it does not know without a word, loads ESP and its algorithms only when they are asked
 * for, and checks the capability on the request. Fails if ESP over IPv4 cannot be had.
 */
export function probeKernel(connection: NetlinkConnection): Result<KernelFeatures, KernelRefusal> {
  const ipv4 = tryOut(connection, probeSa(4));
  if (!ipv4.ok) return ipv4;
  return ok({
    direction: directionOf(ipv4.value) === SaDirection.in,
    natKeepalive: refusesKeepalive(connection),
    ipv6: tryOut(connection, probeSa(6)).ok,
  });
}

/**
 * Keepalives are refused of an SA that is not in UDP, by a kernel that knows them. One that would get them must not be
 * tried: it sends the first one at once.
 */
function refusesKeepalive(connection: NetlinkConnection): boolean {
  const outcome = tryOut(connection, { ...probeSa(4), direction: 'out' }, [keepaliveAttribute(20)]);
  return !outcome.ok && outcome.error.errno === 'EINVAL';
}

/** What the kernel made of an SA, which is gone again. */
export function tryOut(
  connection: NetlinkConnection,
  sa: SaSpec,
  attributes: readonly Attribute[] = [],
): Result<Uint8Array, KernelRefusal> {
  const added = install(connection, sa, attributes);
  if (!added.ok) return added;
  const answer = connection.query(XfrmMessage.getSa, encodeSaId(sa.id, undefined), ({ type, body }) =>
    type === XfrmMessage.newSa ? body.slice() : undefined,
  );
  connection.request(XfrmMessage.deleteSa, encodeSaId(sa.id, undefined));
  return answer.ok ? ok(answer.value ?? new Uint8Array(SA_INFO_BYTES)) : answer;
}

function install(
  connection: NetlinkConnection,
  sa: SaSpec,
  attributes: readonly Attribute[],
): Result<void, KernelRefusal> {
  const attempt = () => {
    const body = encodeNewSa(sa, { direction: true, natKeepalive: false });
    return body.ok ? connection.request(XfrmMessage.newSa, encodeWithAttributes(body.value, attributes)) : body;
  };
  const first = attempt();
  if (first.ok || first.error.errno !== 'EEXIST') return first;
  // Another agent's probe, or one that was killed before it could clean up.
  connection.request(XfrmMessage.deleteSa, encodeSaId(sa.id, undefined));
  return attempt();
}

/**
 * An SA of the algorithms that every suite of ours begins with, between addresses for documentation (RFC 5737, RFC 3849),
 * and gone by itself if the process is killed meanwhile.
 */
export function probeSa(family: 4 | 6): SaSpec {
  return {
    id: { destination: documentationAddress(family, 1), spi: PROBE_SPI },
    source: documentationAddress(family, 2),
    direction: 'in',
    mode: 'transport',
    reqid: ownReqid(OWN_REQIDS - 1),
    algorithms: { encryption: AES_GCM_16, keyBits: 128, integrity: 0 },
    encryptionKey: new SecretBytes(new Uint8Array(20)),
    integrityKey: new SecretBytes(new Uint8Array(0)),
    esn: true,
    replayWindow: 32,
    lifetime: { hardSeconds: 10 },
  };
}

function documentationAddress(family: 4 | 6, host: number): IpAddress {
  const bytes = family === 4 ? Uint8Array.of(192, 0, 2, host) : new Uint8Array(16);
  if (family === 6) bytes.set([0x20, 0x01, 0x0d, 0xb8]);
  bytes[bytes.length - 1] = host;
  return ipAddressFromBytes(bytes);
}

/** IANA transform ID of ENCR_AES_GCM_16, which every suite of ours begins with. */
const AES_GCM_16 = 20;
/** SPIs below 256 are reserved (RFC 4303 §2.1); no peer draws this one for an address for documentation. */
const PROBE_SPI = 0x100;

import { encryptionOf, integrityOf, noIntegrity } from '../../crypto/suites.ts';
import { err, ok, type Result } from '../../result.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { KernelRefusal } from '../execute.ts';
import { type Attribute, decodeAttributes, encodeWithAttributes } from '../netlink/attributes.ts';
import { hostView } from '../netlink/host-order.ts';
import { isOurReqid } from '../ownership.ts';
import type { InstalledSa, IpsecMode, SaId, SaSpec, UdpEncapsulation } from '../types.ts';
import { addressAt, familyOf, networkView, putAddress, spiAt } from './address.ts';
import { putLifetime } from './lifetime.ts';
import { markAttributes, marksOf } from './mark.ts';
import { ESP, ESP_IN_UDP, SaDirection, SaFlag, XfrmAttribute, XfrmMode } from './registry.ts';
import { putSelector } from './selector.ts';

/**
 * struct xfrm_usersa_info:
 *
 *     sel 0, id 56 (daddr 56, spi 72, proto 76), saddr 80, lft 96, curlft 160 (bytes, packets, add_time, use_time),
 *     stats 192 (replay_window, replay 196, integrity_failed 200), seq 204, reqid 208, family 212 (u16), mode 214,
 *     replay_window 215, flags 216
 */
export const SA_INFO_BYTES = 224;

/** struct xfrm_usersa_id. */
export const SA_ID_BYTES = 24;

/** What a kernel can do with an SA beyond what all can; see `probe.ts`. */
export interface SaFeatures {
  /** XFRMA_SA_DIR is known and obeyed (since 6.10). */
  readonly direction: boolean;
  /** XFRMA_NAT_KEEPALIVE_INTERVAL is known and obeyed (since 6.11). */
  readonly natKeepalive: boolean;
}

/** The body of NEWSA. Fails where the algorithms are not in the table or a key has the wrong length. */
export function encodeNewSa(sa: SaSpec, features: SaFeatures): Result<Uint8Array, KernelRefusal> {
  const algorithms = algorithmAttributes(sa);
  if (!algorithms.ok) return algorithms;
  const info = new Uint8Array(SA_INFO_BYTES);
  const view = hostView(info);
  if (sa.selector !== undefined) putSelector(info, 0, sa.selector, ANY_INTERFACE);
  putAddress(info, 56, sa.id.destination);
  networkView(info).setUint32(72, sa.id.spi);
  info[76] = ESP;
  putAddress(info, 80, sa.source);
  putLifetime(info, 96, sa.lifetime);
  view.setUint32(208, sa.reqid);
  view.setUint16(212, familyOf(sa.source));
  info[214] = XfrmMode[sa.mode];
  info[216] =
    (sa.mode === 'tunnel' && sa.selector === undefined ? SaFlag.unspecifiedFamily : 0) | (sa.esn ? SaFlag.esn : 0);
  const attributes = [
    ...algorithms.value,
    ...replayAttribute(sa, features),
    ...encapsulationAttributes(sa, features),
    ...markAttributes(sa),
    ...(features.direction ? [directionAttribute(sa)] : []),
  ];
  const body = encodeWithAttributes(info, attributes);
  for (const { value } of algorithms.value) value.fill(0);
  return ok(body);
}

/** The body of GETSA and DELSA (struct xfrm_usersa_id): daddr 0, spi 16, family 20 (u16), proto 22. */
export function encodeSaId(id: SaId, mark: SaSpec['mark']): Uint8Array {
  const body = new Uint8Array(SA_ID_BYTES);
  putAddress(body, 0, id.destination);
  networkView(body).setUint32(16, id.spi);
  hostView(body).setUint16(20, familyOf(id.destination));
  body[22] = ESP;
  return encodeWithAttributes(body, mark === undefined ? [] : markAttributes({ mark }));
}

/** Addresses, SPI and reqid at the start of every message that holds a xfrm_usersa_info; undefined if it is no ESP SA. */
export function saIdentity(
  body: Uint8Array,
): { readonly id: SaId; readonly source: IpAddress; readonly reqid: number } | undefined {
  if (body.length < SA_INFO_BYTES || body[76] !== ESP) return undefined;
  const view = hostView(body);
  const family = view.getUint16(212);
  const destination = addressAt(body, 56, family);
  const source = addressAt(body, 80, family);
  if (destination === undefined || source === undefined) return undefined;
  return { id: { destination, spi: spiAt(body, 72) }, source, reqid: view.getUint32(208) };
}

/**
 * The SA in a NEWSA message; undefined for other protocols, for modes that are not ours, and for larval states, which
 * have no algorithms.
 */
export function decodeSa(body: Uint8Array): InstalledSa | undefined {
  const identity = saIdentity(body);
  const mode = modeOf(body[214]);
  if (identity === undefined || mode === undefined) return undefined;
  const attributes = decodeAttributes(body.subarray(SA_INFO_BYTES));
  const hasAlgorithm = [XfrmAttribute.aead, XfrmAttribute.crypt, XfrmAttribute.auth].some((type) =>
    attributes.has(type),
  );
  if (!hasAlgorithm) return undefined;
  const view = hostView(body);
  const udpEncapsulation = decodeEncapsulation(attributes.get(XfrmAttribute.encapsulation));
  return {
    id: identity.id,
    source: identity.source,
    mode,
    reqid: identity.reqid,
    esn: ((body[216] as number) & SaFlag.esn) !== 0,
    replayWindow: replayWindowOf(attributes.get(XfrmAttribute.replayEsn), body[215] as number),
    packets: view.getUint64(168),
    bytes: view.getUint64(160),
    integrityFailures: view.getUint32(200),
    addedAt: view.getUint64(176),
    usedAt: view.getUint64(184),
    ...(udpEncapsulation === undefined ? {} : { udpEncapsulation }),
    ...marksOf(attributes),
    ours: isOurReqid(identity.reqid),
  };
}

/**
 * The body of UPDSA that gives an SA in UDP other outer ports, made of its NEWSA message. Of an SA that is in use UPDSA
 * takes over the ports and limits (the same ones) and nothing else: neither keys, which may read as zeros where the
 * kernel is locked down, nor sequence numbers (measured on 6.12). The result holds what the message holds, keys included.
 */
export function encodeUpdatedPorts(body: Uint8Array, udpEncapsulation: UdpEncapsulation): Uint8Array {
  const attributes = Array.from(decodeAttributes(body.subarray(SA_INFO_BYTES)), ([type, value]) =>
    type === XfrmAttribute.encapsulation ? encapsulationAttribute(udpEncapsulation) : { type, value },
  );
  return encodeWithAttributes(body.subarray(0, SA_INFO_BYTES), attributes);
}

/** The direction that the kernel keeps of an SA; undefined where it does not know directions. */
export function directionOf(body: Uint8Array): number | undefined {
  return decodeAttributes(body.subarray(SA_INFO_BYTES)).get(XfrmAttribute.saDirection)?.[0];
}

/** Transport or tunnel; undefined for the modes of others. */
export function modeOf(value: number | undefined): IpsecMode | undefined {
  return value === XfrmMode.transport ? 'transport' : value === XfrmMode.tunnel ? 'tunnel' : undefined;
}

/** One combined algorithm, or a cipher and a truncated HMAC. */
function algorithmAttributes(sa: SaSpec): Result<readonly Attribute[], KernelRefusal> {
  const { encryption, keyBits, integrity } = sa.algorithms;
  const cipher = encryptionOf(encryption, keyBits);
  const mac = integrity === noIntegrity ? undefined : integrityOf(integrity);
  if (cipher === undefined || (cipher.kind === 'cipher') !== (mac !== undefined)) {
    return err(unusable(`there is no ESP suite of encryption ${encryption}-${keyBits} and integrity ${integrity}`));
  }
  const keyBytes = cipher.keyBytes + cipher.saltBytes;
  if (sa.encryptionKey.length !== keyBytes || sa.integrityKey.length !== (mac?.keyBytes ?? 0)) {
    return err(unusable(`keys of ${sa.encryptionKey.length} and ${sa.integrityKey.length} bytes do not fit the suite`));
  }
  const encryptionKey = sa.encryptionKey;
  if (cipher.kind === 'aead') {
    const value = truncatedAlgorithm(cipher.xfrm.name, cipher.xfrm.icvBits, encryptionKey);
    return ok([{ type: XfrmAttribute.aead, value }]);
  }
  if (mac === undefined) return err(unusable('a cipher needs an integrity algorithm'));
  return ok([
    { type: XfrmAttribute.authTruncated, value: truncatedAlgorithm(mac.xfrm.name, mac.xfrm.icvBits, sa.integrityKey) },
    { type: XfrmAttribute.crypt, value: plainAlgorithm(cipher.xfrm.name, encryptionKey) },
  ]);
}

function unusable(reason: string): KernelRefusal {
  return { errno: 'EINVAL', reason };
}

/** struct xfrm_algo: name 0 (64 bytes), key_len in bits 64, key 68. */
function plainAlgorithm(name: string, key: SaSpec['encryptionKey']): Uint8Array {
  const value = new Uint8Array(68 + key.length);
  value.set(new TextEncoder().encode(name));
  hostView(value).setUint32(64, key.length * 8);
  key.use((bytes) => value.set(bytes, 68));
  return value;
}

/** struct xfrm_algo_aead and xfrm_algo_auth: name 0 (64 bytes), key_len 64 and icv_len 68, both in bits, key 72. */
function truncatedAlgorithm(name: string, icvBits: number, key: SaSpec['encryptionKey']): Uint8Array {
  const value = new Uint8Array(72 + key.length);
  const view = hostView(value);
  value.set(new TextEncoder().encode(name));
  view.setUint32(64, key.length * 8);
  view.setUint32(68, icvBits);
  key.use((bytes) => value.set(bytes, 72));
  return value;
}

/**
 * struct xfrm_replay_state_esn: bmp_len 0 (words of 32 bits), oseq 4, seq 8, oseq_hi 12, seq_hi 16, replay_window 20,
 * bmp 24; the bitmap of a new SA may be left out. The attribute is used for every window, extended sequence numbers or not: the old field ends at 32 packets.
 * An outbound SA has no window; kernels that know directions insist on that, older ones insist on one with ESN.
 */
function replayAttribute(sa: SaSpec, features: SaFeatures): readonly Attribute[] {
  const outboundWindow = sa.esn && !features.direction ? 1 : 0;
  const window = sa.direction === 'in' ? sa.replayWindow : outboundWindow;
  if (window === 0 && !sa.esn) return [];
  const words = Math.ceil(window / 32);
  const value = new Uint8Array(24);
  const view = hostView(value);
  view.setUint32(0, words);
  view.setUint32(20, window);
  return [{ type: XfrmAttribute.replayEsn, value }];
}

function replayWindowOf(attribute: Uint8Array | undefined, legacy: number): number {
  return attribute === undefined || attribute.length < 24 ? legacy : hostView(attribute).getUint32(20);
}

/**
 * ESP in UDP; inbound also how often the kernel tells of a peer that sends from elsewhere (without a bound with each
 * packet), outbound after what silence it sends a keepalive.
 */
function encapsulationAttributes(sa: SaSpec, features: SaFeatures): readonly Attribute[] {
  const { udpEncapsulation, direction, natKeepaliveSeconds } = sa;
  if (udpEncapsulation === undefined) return [];
  const encapsulation = encapsulationAttribute(udpEncapsulation);
  if (direction === 'in') return [encapsulation, seconds(XfrmAttribute.mappingThreshold, MAPPING_THRESHOLD_SECONDS)];
  if (natKeepaliveSeconds === undefined || !features.natKeepalive) return [encapsulation];
  return [encapsulation, keepaliveAttribute(natKeepaliveSeconds)];
}

/** After what silence the kernel sends a NAT keepalive; the first one it sends at once. */
export function keepaliveAttribute(silenceSeconds: number): Attribute {
  return seconds(XfrmAttribute.natKeepalive, silenceSeconds);
}

function seconds(type: number, count: number): Attribute {
  const value = new Uint8Array(4);
  hostView(value).setUint32(0, count);
  return { type, value };
}

/**
 * struct xfrm_encap_tmpl: encap_type 0, encap_sport 2 and encap_dport 4 in network order, encap_oa 8. The original
 * address is for checksums that a NAT has made wrong in transport mode; the kernel does not verify those and never reads
 * it.
 */
function encapsulationAttribute({ sourcePort, destinationPort }: UdpEncapsulation): Attribute {
  const value = new Uint8Array(24);
  hostView(value).setUint16(0, ESP_IN_UDP);
  networkView(value).setUint16(2, sourcePort);
  networkView(value).setUint16(4, destinationPort);
  return { type: XfrmAttribute.encapsulation, value };
}

function decodeEncapsulation(value: Uint8Array | undefined): InstalledSa['udpEncapsulation'] {
  if (value === undefined || value.length < 8) return undefined;
  const view = networkView(value);
  return { sourcePort: view.getUint16(2), destinationPort: view.getUint16(4) };
}

function directionAttribute(sa: SaSpec): Attribute {
  return { type: XfrmAttribute.saDirection, value: Uint8Array.of(SaDirection[sa.direction]) };
}

const ANY_INTERFACE = 0;
/** A mapping that nobody follows is told again after this: an event may have been lost. */
const MAPPING_THRESHOLD_SECONDS = 1;

import { encryptionOf, integrityOf } from '../crypto/suites.ts';
import type { IpsecMode } from './types.ts';

/** What decides how much longer ESP makes a packet. */
export interface EspShape {
  readonly mode: IpsecMode;
  /** IP version of the outer packets; in transport mode of the only ones. */
  readonly family: 4 | 6;
  readonly udpEncapsulation: boolean;
  /** IKE transform IDs; `integrity` is 0 for AEADs. */
  readonly encryption: number;
  readonly keyBits: number;
  readonly integrity: number;
}

/**
 * The longest IP packet that, encrypted, is no longer than `pathMtu`, as Linux computes it (xfrm_state_mtu of
 * net/xfrm/xfrm_state.c): what it tells senders of longer ones. Undefined for algorithms that are not in the table.
 */
export function payloadMtu(pathMtu: number, shape: EspShape): number | undefined {
  const { mode, family, udpEncapsulation, encryption, keyBits, integrity } = shape;
  const cipher = encryptionOf(encryption, keyBits);
  const icvBytes = cipher?.kind === 'aead' ? cipher.icvBytes : integrityOf(integrity)?.icvBytes;
  if (cipher === undefined || icvBytes === undefined) return undefined;
  const ipBytes = family === 4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  // In transport mode the header stays in front and is not encrypted; in a tunnel another one comes before.
  const encrypted =
    pathMtu - ipBytes - (udpEncapsulation ? UDP_HEADER_BYTES : 0) - ESP_HEADER_BYTES - cipher.ivBytes - icvBytes;
  const blockBytes = Math.max(cipher.blockBytes, LEAST_BLOCK_BYTES);
  // Less than 1,280 too: what IPv6 promises of links (RFC 8200 §5) Linux does not claim of a path through ESP.
  return encrypted - (encrypted % blockBytes) - ESP_TRAILER_BYTES + (mode === 'transport' ? ipBytes : 0);
}

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const UDP_HEADER_BYTES = 8;
/** SPI and sequence number (RFC 4303 §2). */
const ESP_HEADER_BYTES = 8;
/** Pad length and next header. */
const ESP_TRAILER_BYTES = 2;
/** RFC 4303 §2.4. */
const LEAST_BLOCK_BYTES = 4;

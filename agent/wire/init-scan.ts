import { HEADER_BYTES } from './header.ts';
import { MAX_COOKIE_BYTES, MAX_NONCE_BYTES, MAX_OUTER_PAYLOADS, MIN_NONCE_BYTES } from './limits.ts';
import { NotifyType, PayloadType } from './registry.ts';

/** What of an IKE_SA_INIT request shows whether its sender receives what is sent to its address (RFC 7296 §2.6). */
export interface InitScan {
  readonly nonce: Uint8Array;
  /** Undefined where there is none. */
  readonly cookie: Uint8Array | undefined;
}

/**
 * Finds nonce and COOKIE of an IKE_SA_INIT request without taking the rest apart: a flood is not worth more. The bytes
 * are the datagram's own. Undefined where there is no nonce, or the payloads do not fit into one another.
 */
export function scanInitRequest(firstPayload: number, bytes: Uint8Array): InitScan | undefined {
  let nonce: Uint8Array | undefined;
  let cookie: Uint8Array | undefined;
  let type = firstPayload;
  let at = HEADER_BYTES;
  for (let count = 0; type !== PayloadType.NONE; count += 1) {
    const end = at + uint16At(bytes, at + LENGTH_OFFSET);
    if (count === MAX_OUTER_PAYLOADS || end < at + GENERIC_HEADER_BYTES || end > bytes.length) return undefined;
    const body = at + GENERIC_HEADER_BYTES;
    if (type === PayloadType.Nonce) nonce ??= bytes.subarray(body, end);
    else if (type === PayloadType.Notify) cookie ??= cookieIn(bytes, body, end);
    type = bytes[at] ?? PayloadType.NONE;
    at = end;
  }
  if (nonce === undefined || nonce.length < MIN_NONCE_BYTES || nonce.length > MAX_NONCE_BYTES) return undefined;
  return { nonce, cookie };
}

/** The data of a Notify of type COOKIE, which names no SPI (RFC 7296 §3.10). */
function cookieIn(bytes: Uint8Array, body: number, end: number): Uint8Array | undefined {
  const length = end - body - NOTIFY_DATA_OFFSET;
  if (length <= 0 || length > MAX_COOKIE_BYTES || bytes[body + SPI_SIZE_OFFSET] !== 0) return undefined;
  if (uint16At(bytes, body + NOTIFY_TYPE_OFFSET) !== NotifyType.COOKIE) return undefined;
  return bytes.subarray(body + NOTIFY_DATA_OFFSET, end);
}

function uint16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

const GENERIC_HEADER_BYTES = 4;
const LENGTH_OFFSET = 2;
const SPI_SIZE_OFFSET = 1;
const NOTIFY_TYPE_OFFSET = 2;
const NOTIFY_DATA_OFFSET = 4;

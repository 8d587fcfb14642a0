import { err, ok, type Result } from '../result.ts';
import { MAX_COOKIE_BYTES, MIN_COOKIE2_BYTES } from './limits.ts';
import { type Malformed, malformed } from './malformed.ts';
import type { NotifyPayload } from './payloads/notify.ts';
import { NotifyType, Protocol } from './registry.ts';

/** What a Notify says, for the types whose data or SPI means something here; every other type is `other`. */
export type NotifyData =
  /** The group that the responder would accept (RFC 7296 §1.2). */
  | { readonly kind: 'invalidKePayload'; readonly group: number }
  /** The payload type that the peer does not know (RFC 7296 §2.5). */
  | { readonly kind: 'unsupportedCriticalPayload'; readonly payloadType: number }
  | { readonly kind: 'invalidMessageId'; readonly messageId: number }
  /** 1 to 64 bytes (RFC 7296 §2.6). */
  | { readonly kind: 'cookie'; readonly cookie: Uint8Array }
  /** 8 to 64 bytes (RFC 4555 §4.2.5). */
  | { readonly kind: 'cookie2'; readonly cookie: Uint8Array }
  /** SHA-1, 20 bytes (RFC 7296 §2.23). */
  | { readonly kind: 'natDetectionSourceIp'; readonly hash: Uint8Array }
  | { readonly kind: 'natDetectionDestinationIp'; readonly hash: Uint8Array }
  /** Numbers of `HashAlgorithm`, unknown ones included (RFC 7427 §4). */
  | { readonly kind: 'signatureHashAlgorithms'; readonly algorithms: readonly number[] }
  /** At least 1 (RFC 7296 §2.3). */
  | { readonly kind: 'setWindowSize'; readonly windowSize: number }
  /** AH or ESP and the 4 bytes of the SPI on which the sender receives (RFC 7296 §1.3.3). */
  | { readonly kind: 'rekeySa'; readonly protocol: number; readonly spi: Uint8Array }
  /** AH or ESP and the 4 bytes of the SPI that the refused request named (RFC 7296 §2.25). */
  | { readonly kind: 'childSaNotFound'; readonly protocol: number; readonly spi: Uint8Array }
  /** Seconds until the sender wants the peer to authenticate again (RFC 4478). */
  | { readonly kind: 'authLifetime'; readonly seconds: number }
  /** The link that an IKE_FOLLOWUP_KE request must bring back (RFC 9370 §2.2.4). */
  | { readonly kind: 'additionalKeyExchange'; readonly link: Uint8Array }
  /** A type that says all by its number, or one that is not known. */
  | {
      readonly kind: 'other';
      readonly notifyType: number;
      readonly protocol: number;
      readonly spi: Uint8Array;
      readonly data: Uint8Array;
    };

/** Reads the data of a Notify by its type. Offsets of a failure count from the start of the notification data. */
export function decodeNotifyData(notify: NotifyPayload): Result<NotifyData, Malformed> {
  const { data } = notify;
  switch (notify.notifyType) {
    case NotifyType.INVALID_KE_PAYLOAD:
      return decodeInvalidKePayload(notify);
    case NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD:
      return sized(notify, 1) ?? ok({ kind: 'unsupportedCriticalPayload', payloadType: bigEndian(data, 0, 1) });
    case NotifyType.INVALID_MESSAGE_ID:
      return sized(notify, 4) ?? ok({ kind: 'invalidMessageId', messageId: bigEndian(data, 0, 4) });
    case NotifyType.COOKIE:
      return decodeCookie(notify);
    case NotifyType.COOKIE2:
      return sized(notify, MIN_COOKIE2_BYTES, MAX_COOKIE_BYTES) ?? ok({ kind: 'cookie2', cookie: data });
    case NotifyType.NAT_DETECTION_SOURCE_IP:
      return sized(notify, SHA1_BYTES) ?? ok({ kind: 'natDetectionSourceIp', hash: data });
    case NotifyType.NAT_DETECTION_DESTINATION_IP:
      return sized(notify, SHA1_BYTES) ?? ok({ kind: 'natDetectionDestinationIp', hash: data });
    case NotifyType.SIGNATURE_HASH_ALGORITHMS:
      return hashAlgorithms(data);
    case NotifyType.SET_WINDOW_SIZE:
      return sized(notify, 4) ?? windowSize(bigEndian(data, 0, 4));
    case NotifyType.REKEY_SA:
      return decodeRekeySa(notify);
    case NotifyType.CHILD_SA_NOT_FOUND:
      return childSpi(notify) ?? ok({ kind: 'childSaNotFound', protocol: notify.protocol, spi: notify.spi });
    case NotifyType.AUTH_LIFETIME:
      return sized(notify, 4) ?? ok({ kind: 'authLifetime', seconds: bigEndian(data, 0, 4) });
    case NotifyType.ADDITIONAL_KEY_EXCHANGE:
      return ok({ kind: 'additionalKeyExchange', link: data });
    default: {
      const { notifyType, protocol, spi } = notify;
      return ok({ kind: 'other', notifyType, protocol, spi, data });
    }
  }
}

/** Reads a Notify of type INVALID_KE_PAYLOAD. */
export function decodeInvalidKePayload(notify: NotifyPayload): Result<DataOf<'invalidKePayload'>, Malformed> {
  return sized(notify, 2) ?? ok({ kind: 'invalidKePayload', group: bigEndian(notify.data, 0, 2) });
}

/** Reads a Notify of type COOKIE. */
export function decodeCookie(notify: NotifyPayload): Result<DataOf<'cookie'>, Malformed> {
  return sized(notify, 1, MAX_COOKIE_BYTES) ?? ok({ kind: 'cookie', cookie: notify.data });
}

/** Reads a Notify of type REKEY_SA. */
export function decodeRekeySa(notify: NotifyPayload): Result<DataOf<'rekeySa'>, Malformed> {
  return childSpi(notify) ?? ok({ kind: 'rekeySa', protocol: notify.protocol, spi: notify.spi });
}

/** The payload that says this. */
export function notifyOf(data: NotifyData): NotifyPayload {
  switch (data.kind) {
    case 'invalidKePayload':
      return notify(NotifyType.INVALID_KE_PAYLOAD, bytesOf(data.group, 2));
    case 'unsupportedCriticalPayload':
      return notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, bytesOf(data.payloadType, 1));
    case 'invalidMessageId':
      return notify(NotifyType.INVALID_MESSAGE_ID, bytesOf(data.messageId, 4));
    case 'cookie':
      return notify(NotifyType.COOKIE, data.cookie);
    case 'cookie2':
      return notify(NotifyType.COOKIE2, data.cookie);
    case 'natDetectionSourceIp':
      return notify(NotifyType.NAT_DETECTION_SOURCE_IP, data.hash);
    case 'natDetectionDestinationIp':
      return notify(NotifyType.NAT_DETECTION_DESTINATION_IP, data.hash);
    case 'signatureHashAlgorithms':
      return notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, hashAlgorithmBytes(data.algorithms));
    case 'setWindowSize':
      return notify(NotifyType.SET_WINDOW_SIZE, bytesOf(data.windowSize, 4));
    case 'rekeySa':
      return payload(data.protocol, data.spi, NotifyType.REKEY_SA, NO_BYTES);
    case 'childSaNotFound':
      return payload(data.protocol, data.spi, NotifyType.CHILD_SA_NOT_FOUND, NO_BYTES);
    case 'authLifetime':
      return notify(NotifyType.AUTH_LIFETIME, bytesOf(data.seconds, 4));
    case 'additionalKeyExchange':
      return notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, data.link);
    case 'other':
      return payload(data.protocol, data.spi, data.notifyType, data.data);
  }
}

/** A Notify that concerns the message or IKE SA it stands in: no protocol and no SPI (RFC 7296 §3.10). */
export function notify(notifyType: number, data: Uint8Array = NO_BYTES): NotifyPayload {
  return payload(Protocol.NONE, NO_BYTES, notifyType, data);
}

type DataOf<Kind extends NotifyData['kind']> = Extract<NotifyData, { readonly kind: Kind }>;

function payload(protocol: number, spi: Uint8Array, notifyType: number, data: Uint8Array): NotifyPayload {
  return { kind: 'notify', protocol, spi, notifyType, data };
}

function sized(notify: NotifyPayload, least: number, most = least): Result<never, Malformed> | undefined {
  const { length } = notify.data;
  if (length >= least && length <= most) return undefined;
  const range = least === most ? `${least}` : `${least} to ${most}`;
  return err(malformed(0, 'Notification Data', `type ${notify.notifyType} has ${range} bytes of data, not ${length}`));
}

function childSpi(notify: NotifyPayload): Result<never, Malformed> | undefined {
  const { notifyType, protocol, spi } = notify;
  if (protocol !== Protocol.AH && protocol !== Protocol.ESP) {
    return err(malformed(0, 'Notify Protocol ID', `${protocol} has no Child SA that type ${notifyType} could name`));
  }
  if (spi.length === CHILD_SPI_BYTES) return undefined;
  return err(
    malformed(0, 'Notify SPI', `type ${notifyType} names an SPI of ${CHILD_SPI_BYTES} bytes, not ${spi.length}`),
  );
}

function hashAlgorithms(data: Uint8Array): Result<NotifyData, Malformed> {
  if (data.length % 2 !== 0) {
    return err(malformed(0, 'Notification Data', `${data.length} bytes are no list of 16-bit hash algorithms`));
  }
  const algorithms: number[] = [];
  for (let i = 0; i < data.length; i += 2) algorithms.push(bigEndian(data, i, 2));
  return ok({ kind: 'signatureHashAlgorithms', algorithms });
}

function hashAlgorithmBytes(algorithms: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * algorithms.length);
  algorithms.forEach((algorithm, i) => {
    bytes[2 * i] = algorithm >>> 8;
    bytes[2 * i + 1] = algorithm;
  });
  return bytes;
}

function windowSize(size: number): Result<NotifyData, Malformed> {
  return size === 0
    ? err(malformed(0, 'Notification Data', 'a window of 0 requests'))
    : ok({ kind: 'setWindowSize', windowSize: size });
}

function bigEndian(bytes: Uint8Array, start: number, count: number): number {
  let value = 0;
  for (let i = start; i < start + count; i++) value = value * 256 + (bytes[i] as number);
  return value;
}

function bytesOf(value: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; i++) bytes[i] = value >>> (8 * (count - 1 - i));
  return bytes;
}

const SHA1_BYTES = 20;
const CHILD_SPI_BYTES = 4;
const NO_BYTES = new Uint8Array(0);

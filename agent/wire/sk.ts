import type { DirectionKeys, MessageProtection } from '../crypto/types.ts';
import { err, ok, type Result } from '../result.ts';
import { HEADER_BYTES, type HeaderFields, patchHeaderLength, writeHeader } from './header.ts';
import { MAX_FRAGMENTS } from './limits.ts';
import { type Malformed, malformed } from './malformed.ts';
import { firstTypeOf, type PayloadChain, writeChain } from './message.ts';
import type { ProtectedPayload } from './payloads/encrypted.ts';
import type { Payload } from './payloads/payload.ts';
import { PayloadType } from './registry.ts';
import { Writer } from './writer.ts';

/**
 * Where IVs come from, one for each message and fragment: unpredictable bytes where the protection asks for them, else
 * a counter that never repeats under one key. A `Random` is one.
 */
export interface IvSource {
  /** Overwrites all of `target`, which has the IV's length. */
  fill(target: Uint8Array): void;
}

/** What one protected message is made of. */
export interface ProtectedMessage {
  readonly header: HeaderFields;
  readonly payloads: readonly Payload[];
  readonly protection: MessageProtection;
  /** Keys of the sender's direction. */
  readonly keys: DirectionKeys;
  readonly iv: IvSource;
}

/** The ICV is wrong, or the payload has no room for IV and ICV: nothing of the message may be believed. */
export interface IntegrityFailure {
  readonly kind: 'integrity';
}

/** The bytes of a message whose payloads all stand in one SK payload (RFC 7296 §3.14). */
export function encodeProtected(message: ProtectedMessage): Uint8Array {
  writeWhole(message);
  return seal(message, SK_IV_OFFSET);
}

/**
 * The datagrams of a message to a peer that announced fragmentation: one with SK where it fits into `maxBytes`, else
 * as many with SKF as it takes (RFC 7383 §2.5). `maxBytes` is what a datagram may carry, its non-ESP marker not
 * counted; a limit that makes more than MAX_FRAGMENTS of a message is a bug of the caller.
 */
export function encodeFragments(message: ProtectedMessage, maxBytes: number): readonly Uint8Array[] {
  const { protection, payloads } = message;
  const plaintextAt = SK_IV_OFFSET + protection.ivBytes;
  writeWhole(message);
  const whole = plaintextAt + paddedBytes(scratch.length - plaintextAt, protection) + protection.icvBytes;
  if (whole <= maxBytes) return [seal(message, SK_IV_OFFSET)];
  const content = scratch.finish(plaintextAt);
  const room = maxBytes - SKF_IV_OFFSET - protection.ivBytes - protection.icvBytes;
  const perFragment = room - (room % protection.blockBytes) - PAD_LENGTH_BYTES;
  const total = Math.ceil(content.length / perFragment);
  if (perFragment < 1 || total > MAX_FRAGMENTS) {
    throw new Error(`a message of ${content.length} bytes cannot be sent in datagrams of ${maxBytes}`);
  }
  const datagrams: Uint8Array[] = [];
  for (let number = 1; number <= total; number++) {
    const first = number === 1 ? firstTypeOf(payloads) : PayloadType.NONE;
    writeStart(message, PayloadType.SKF, first);
    scratch.u16(number);
    scratch.u16(total);
    scratch.zeros(protection.ivBytes);
    scratch.bytes(content.subarray((number - 1) * perFragment, number * perFragment));
    datagrams.push(seal(message, SKF_IV_OFFSET));
  }
  return datagrams;
}

/**
 * Checks the ICV of SK or SKF, decrypts and takes the padding off. `bytes` is the whole message from which `payload`
 * was decoded. Of SKF the result is one fragment: the payloads are the bytes of all fragments in order, and the type of
 * the first stands in fragment 1.
 */
export function openProtected(
  bytes: Uint8Array,
  payload: ProtectedPayload,
  protection: MessageProtection,
  keys: DirectionKeys,
): Result<PayloadChain, Malformed | IntegrityFailure> {
  const plaintext = protection.open(keys, bytes, payload.ivOffset);
  if (plaintext === undefined) return err(INTEGRITY_FAILURE);
  const padLength = plaintext[plaintext.length - 1];
  if (padLength === undefined) return err(malformed(0, 'Pad Length', 'is missing, nothing was encrypted'));
  const contentLength = plaintext.length - PAD_LENGTH_BYTES - padLength;
  if (contentLength < 0) {
    const reason = `${padLength} bytes of padding in ${plaintext.length} bytes of plaintext`;
    return err(malformed(plaintext.length - PAD_LENGTH_BYTES, 'Pad Length', reason));
  }
  return ok({ first: payload.innerFirst, bytes: plaintext.subarray(0, contentLength) });
}

/** Writes a message up to the end of its payloads in the clear, all of them in SK. */
function writeWhole(message: ProtectedMessage): void {
  writeStart(message, PayloadType.SK, firstTypeOf(message.payloads));
  scratch.zeros(message.protection.ivBytes);
  writeChain(scratch, message.payloads);
}

/** Writes the IKE header and the generic header of SK or SKF. */
function writeStart(message: ProtectedMessage, type: number, innerFirst: number): void {
  scratch.clear();
  writeHeader(scratch, message.header, type);
  scratch.u8(innerFirst);
  scratch.u8(0);
  scratch.reserve16();
}

/** Appends padding and room for the ICV to what was written, fills in lengths and IV, encrypts. */
function seal(message: ProtectedMessage, ivOffset: number): Uint8Array {
  const { protection, keys, iv } = message;
  const contentBytes = scratch.length - ivOffset - protection.ivBytes;
  const padLength = paddedBytes(contentBytes, protection) - contentBytes - PAD_LENGTH_BYTES;
  scratch.zeros(padLength);
  scratch.u8(padLength);
  scratch.zeros(protection.icvBytes);
  scratch.patch16(PAYLOAD_LENGTH_OFFSET, scratch.length - HEADER_BYTES);
  patchHeaderLength(scratch);
  const sealed = scratch.finish();
  iv.fill(sealed.subarray(ivOffset, ivOffset + protection.ivBytes));
  protection.seal(keys, sealed, ivOffset);
  return sealed;
}

/** Bytes of content with Pad Length and the least padding that fills the last block. */
function paddedBytes(contentBytes: number, protection: MessageProtection): number {
  const unpadded = contentBytes + PAD_LENGTH_BYTES;
  const surplus = unpadded % protection.blockBytes;
  return surplus === 0 ? unpadded : unpadded - surplus + protection.blockBytes;
}

const PAYLOAD_LENGTH_OFFSET = HEADER_BYTES + 2;
const SK_IV_OFFSET = HEADER_BYTES + 4;
const SKF_IV_OFFSET = SK_IV_OFFSET + 4;
const PAD_LENGTH_BYTES = 1;
const INTEGRITY_FAILURE: IntegrityFailure = { kind: 'integrity' };
/** Reused for every message: it is not held across `seal`, and what leaves it is a copy of the written part. */
const scratch = new Writer(4096);

import { MAX_FRAGMENTS } from '../limits.ts';
import type { Reader } from '../reader.ts';

/**
 * Encrypted and Authenticated payload, SK (RFC 7296 §3.14), before it is opened. Always the last payload.
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                     Initialization Vector                     ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                    Encrypted IKE Payloads                     ~
 *     +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |               |             Padding (0-255 octets)            |
 *     +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
 *     |                                               |  Pad Length   |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                    Integrity Checksum Data                    ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface SkPayload {
  readonly kind: 'sk';
  /** Type of the first payload inside: not to be believed before the ICV is checked. */
  readonly innerFirst: number;
  /** Where the IV starts, in bytes from the start of the message. */
  readonly ivOffset: number;
}

/**
 * Encrypted and Authenticated Fragment payload, SKF (RFC 7383 §2.5), before it is opened. Always the last payload.
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |        Fragment Number        |        Total Fragments        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                     Initialization Vector                     ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                      Encrypted content                        ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                 Padding, Pad Length, Checksum                 ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface SkfPayload {
  readonly kind: 'skf';
  /** Type of the first payload of the whole message; meaningful in fragment 1 only, 0 in the others. */
  readonly innerFirst: number;
  /** Where the IV starts, in bytes from the start of the message. */
  readonly ivOffset: number;
  /** 1 to `totalFragments`. */
  readonly fragmentNumber: number;
  /** 1 to MAX_FRAGMENTS. */
  readonly totalFragments: number;
}

/** Either form in which a message carries its protected payloads. */
export type ProtectedPayload = SkPayload | SkfPayload;

/** Reads what is to be known of SK before it is opened. */
export function decodeSk(reader: Reader, innerFirst: number): SkPayload {
  return { kind: 'sk', innerFirst, ivOffset: reader.offset };
}

/** Reads what is to be known of SKF before it is opened. */
export function decodeSkf(reader: Reader, innerFirst: number): SkfPayload | undefined {
  const at = reader.offset;
  const fragmentNumber = reader.u16('Fragment Number');
  const totalFragments = reader.u16('Total Fragments');
  if (reader.failed) return undefined;
  if (totalFragments > MAX_FRAGMENTS) {
    return reader.fail(at + 2, 'Total Fragments', `${totalFragments} is more than the ${MAX_FRAGMENTS} allowed`);
  }
  if (fragmentNumber === 0 || fragmentNumber > totalFragments) {
    return reader.fail(at, 'Fragment Number', `${fragmentNumber} is not one of 1 to ${totalFragments}`);
  }
  return { kind: 'skf', innerFirst, ivOffset: reader.offset, fragmentNumber, totalFragments };
}

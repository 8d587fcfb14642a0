import { hexValue } from '../crypto/bytes.ts';
import { err, ok, type Result } from '../result.ts';
import { MAX_MESSAGE_BYTES } from './limits.ts';
import { type Malformed, malformed } from './malformed.ts';
import { setUint32, uint32At } from './uint32.ts';
import type { Writer } from './writer.ts';

declare const ikeSpiBrand: unique symbol;

/** The SPI of an IKE SA (RFC 7296 §3.1): its 8 bytes as 16 lowercase hexadecimal digits. Made only here. */
export type IkeSpi = string & { readonly [ikeSpiBrand]: true };

/** What stands in place of the responder's SPI before the responder has chosen one. */
export const ZERO_SPI = '0000000000000000' as IkeSpi;

/** The SPI with these bytes; a length other than 8 is the caller's bug. */
export function spiFromBytes(bytes: Uint8Array): IkeSpi {
  return spiFromHalves(uint32At(bytes, 0), uint32At(bytes, 4));
}

/** The 8 bytes of an SPI. */
export function spiBytes(spi: IkeSpi): Uint8Array {
  const bytes = new Uint8Array(8);
  setSpi(bytes, 0, spi);
  return bytes;
}

/** SPIi | SPIr: 16 bytes. */
export function spiPairBytes(initiatorSpi: IkeSpi, responderSpi: IkeSpi): Uint8Array {
  const bytes = new Uint8Array(SPI_PAIR_BYTES);
  setSpiPair(bytes, initiatorSpi, responderSpi);
  return bytes;
}

/** Writes SPIi | SPIr to the beginning of `target`; gives the offset behind them. */
export function setSpiPair(target: Uint8Array, initiatorSpi: IkeSpi, responderSpi: IkeSpi): number {
  setSpi(target, 0, initiatorSpi);
  setSpi(target, 8, responderSpi);
  return SPI_PAIR_BYTES;
}

/** Flags of the IKE header; bits that IKEv2 does not define are ignored. */
interface HeaderFlags {
  /** I: the sender is the original initiator of this IKE SA. */
  readonly initiator: boolean;
  /** R: this message answers the request with the same message ID. */
  readonly response: boolean;
  /** V: the sender can speak a higher major version. Ignored by receivers, never set by us. */
  readonly higherVersion: boolean;
}

/**
 * The IKE header (RFC 7296 §3.1).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                       IKE SA Initiator's SPI                  |
 *     |                                                               |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                       IKE SA Responder's SPI                  |
 *     |                                                               |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                          Message ID                           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                            Length                             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface Header {
  /** Never zero. */
  readonly initiatorSpi: IkeSpi;
  readonly responderSpi: IkeSpi;
  /** Type of the first payload; 0 for none. */
  readonly nextPayload: number;
  readonly majorVersion: number;
  readonly minorVersion: number;
  readonly exchangeType: number;
  readonly flags: HeaderFlags;
  /** 0 to 2^32 - 1. */
  readonly messageId: number;
  /** Bytes of the whole message, this header included. */
  readonly length: number;
}

/** What the sender of a message chooses; version, first payload and length follow from the rest. A `Header` is one. */
export interface HeaderFields {
  readonly initiatorSpi: IkeSpi;
  readonly responderSpi: IkeSpi;
  readonly exchangeType: number;
  readonly flags: Pick<HeaderFlags, 'initiator' | 'response'>;
  readonly messageId: number;
}

/** Bytes of the IKE header. */
export const HEADER_BYTES = 28;

/** The major version that this codec speaks. */
export const MAJOR_VERSION = 2;

/**
 * Reads the header of a datagram whose non-ESP marker is already gone. Any version is accepted, so that a request of a
 * higher one can be answered with INVALID_MAJOR_VERSION. The length field must be that of the datagram.
 */
export function decodeHeader(bytes: Uint8Array): Result<Header, Malformed> {
  if (bytes.length < HEADER_BYTES) {
    return err(malformed(0, 'IKE header', `needs ${HEADER_BYTES} bytes, the datagram has ${bytes.length}`));
  }
  const header = readHeader(bytes);
  if (header.initiatorSpi === ZERO_SPI) return err(malformed(0, "IKE SA Initiator's SPI", 'is zero'));
  if (header.length > bytes.length) {
    return err(
      malformed(LENGTH_OFFSET, 'Length', `${header.length} is more than the datagram's ${bytes.length} bytes`),
    );
  }
  if (header.length < bytes.length) {
    return err(
      malformed(LENGTH_OFFSET, 'Length', `${header.length} is less than the datagram's ${bytes.length} bytes`),
    );
  }
  return ok(header);
}

/** Reads the 28 bytes as they are; the caller has made sure that they are there. */
function readHeader(bytes: Uint8Array): Header {
  const version = bytes[17] ?? 0;
  const flags = bytes[19] ?? 0;
  return {
    initiatorSpi: spiFromHalves(uint32At(bytes, 0), uint32At(bytes, 4)),
    responderSpi: spiFromHalves(uint32At(bytes, 8), uint32At(bytes, 12)),
    nextPayload: bytes[16] ?? 0,
    majorVersion: version >>> 4,
    minorVersion: version & 15,
    exchangeType: bytes[18] ?? 0,
    flags: {
      initiator: (flags & FLAG_INITIATOR) !== 0,
      response: (flags & FLAG_RESPONSE) !== 0,
      higherVersion: (flags & FLAG_HIGHER_VERSION) !== 0,
    },
    messageId: uint32At(bytes, 20),
    length: uint32At(bytes, LENGTH_OFFSET),
  };
}

/** Writes a header whose length is patched in by `patchHeaderLength` when the message is complete. */
export function writeHeader(writer: Writer, fields: HeaderFields, nextPayload: number): void {
  writeSpi(writer, fields.initiatorSpi);
  writeSpi(writer, fields.responderSpi);
  writer.u8(nextPayload);
  writer.u8(MAJOR_VERSION << 4);
  writer.u8(fields.exchangeType);
  writer.u8((fields.flags.initiator ? FLAG_INITIATOR : 0) | (fields.flags.response ? FLAG_RESPONSE : 0));
  writer.u32(fields.messageId);
  writer.u32(0);
}

/**
 * Sets the length field of the message that starts at the writer's beginning to all that was written. A message that no
 * datagram can carry is a bug of the caller, who bounds what is sent.
 */
export function patchHeaderLength(writer: Writer): void {
  if (writer.length > MAX_MESSAGE_BYTES) throw new Error(`a message of ${writer.length} bytes fits no UDP datagram`);
  writer.patch32(LENGTH_OFFSET, writer.length);
}

function setSpi(target: Uint8Array, at: number, spi: IkeSpi): void {
  setUint32(target, at, halfOf(spi, 0));
  setUint32(target, at + 4, halfOf(spi, 8));
}

function writeSpi(writer: Writer, spi: IkeSpi): void {
  writer.u32(halfOf(spi, 0));
  writer.u32(halfOf(spi, 8));
}

/** The number that eight digits from `from` on stand for. */
function halfOf(spi: IkeSpi, from: number): number {
  let half = 0;
  for (let index = from; index < from + 8; index++) half = (half << 4) | hexValue(spi.charCodeAt(index));
  return half >>> 0;
}

// One call makes one flat string: a concatenation would be flattened again at each use as the key of a Map.
function spiFromHalves(high: number, low: number): IkeSpi {
  return String.fromCharCode(
    hexDigit(high >>> 28),
    hexDigit((high >>> 24) & 15),
    hexDigit((high >>> 20) & 15),
    hexDigit((high >>> 16) & 15),
    hexDigit((high >>> 12) & 15),
    hexDigit((high >>> 8) & 15),
    hexDigit((high >>> 4) & 15),
    hexDigit(high & 15),
    hexDigit(low >>> 28),
    hexDigit((low >>> 24) & 15),
    hexDigit((low >>> 20) & 15),
    hexDigit((low >>> 16) & 15),
    hexDigit((low >>> 12) & 15),
    hexDigit((low >>> 8) & 15),
    hexDigit((low >>> 4) & 15),
    hexDigit(low & 15),
  ) as IkeSpi;
}

function hexDigit(value: number): number {
  return value < 10 ? value + 0x30 : value + 0x57;
}

const SPI_PAIR_BYTES = 16;
const LENGTH_OFFSET = 24;
const FLAG_INITIATOR = 0x08;
const FLAG_HIGHER_VERSION = 0x10;
const FLAG_RESPONSE = 0x20;

import type { Reader } from '../reader.ts';
import { TsType } from '../registry.ts';
import type { Writer } from '../writer.ts';

/**
 * Traffic Selector payloads, TSi and TSr (RFC 7296 §3.13).
 *
 *                          1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Next Payload  |C|  RESERVED   |         Payload Length        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Number of TSs |                 RESERVED                      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                       <Traffic Selectors>                     ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface TsPayload<Kind extends 'tsi' | 'tsr' = 'tsi' | 'tsr'> {
  readonly kind: Kind;
  /** Address ranges, at most 255 together with `others`; a payload without any selector is malformed. */
  readonly selectors: readonly TrafficSelector[];
  /** Selectors of types that are not taken apart, such as TS_SECLABEL; written behind the address ranges. */
  readonly others: readonly OpaqueSelector[];
}

/**
 * Traffic selector of type TS_IPV4_ADDR_RANGE or TS_IPV6_ADDR_RANGE (RFC 7296 §3.13.1).
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |   TS Type     |IP Protocol ID |       Selector Length         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |           Start Port          |           End Port            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                       Starting Address                        ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                        Ending Address                         ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface TrafficSelector {
  readonly tsType: 7 | 8;
  /** IP protocol, 0 for any. */
  readonly protocol: number;
  /** Ports, or type << 8 | code for ICMP; 65535 and 0 in this order mean OPAQUE. Otherwise start ≤ end. */
  readonly startPort: number;
  readonly endPort: number;
  /** First and last address, both included, 4 or 16 bytes as `tsType` says, first ≤ last. */
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** A selector that is kept as it came. */
interface OpaqueSelector {
  readonly tsType: number;
  /** The octet behind the type, whatever this type calls it. */
  readonly protocol: number;
  /** What follows Selector Length. */
  readonly data: Uint8Array;
}

/** Reads the body of a TS payload. */
export function decodeTs<Kind extends 'tsi' | 'tsr'>(reader: Reader, kind: Kind): TsPayload<Kind> | undefined {
  const at = reader.offset;
  const count = reader.u8('Number of TSs');
  reader.skip(3, 'TS RESERVED');
  if (!reader.failed && count === 0) return reader.fail(at, 'Number of TSs', 'is 0');
  const selectors: TrafficSelector[] = [];
  const others: OpaqueSelector[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    const start = reader.offset;
    const tsType = reader.u8('TS Type');
    const protocol = reader.u8('TS IP Protocol ID');
    const body = reader.part(reader.u16('Selector Length') - SELECTOR_HEADER_BYTES, 'Selector Length');
    if (tsType === TsType.TS_IPV4_ADDR_RANGE || tsType === TsType.TS_IPV6_ADDR_RANGE) {
      const selector = decodeRange(body, start, tsType, protocol);
      if (selector !== undefined) selectors.push(selector);
    } else {
      others.push({ tsType, protocol, data: body.rest() });
    }
  }
  if (reader.remaining > 0) {
    return reader.fail(at, 'Number of TSs', `is ${count}, but ${reader.remaining} bytes follow that many selectors`);
  }
  return reader.failed ? undefined : { kind, selectors, others };
}

function decodeRange(reader: Reader, at: number, tsType: 7 | 8, protocol: number): TrafficSelector | undefined {
  const addressBytes = tsType === TsType.TS_IPV4_ADDR_RANGE ? 4 : 16;
  if (!reader.failed && reader.remaining !== PORTS_BYTES + 2 * addressBytes) {
    const found = SELECTOR_HEADER_BYTES + reader.remaining;
    const needed = SELECTOR_HEADER_BYTES + PORTS_BYTES + 2 * addressBytes;
    return reader.fail(at + 2, 'Selector Length', `is ${found}, a selector of type ${tsType} has ${needed}`);
  }
  const startPort = reader.u16('Start Port');
  const endPort = reader.u16('End Port');
  // A single address is kept once: SAs live long, and most are between hosts.
  const single = reader.repeats(addressBytes);
  const start = reader.bytes(addressBytes, 'Starting Address');
  const end = single ? start : reader.bytes(addressBytes, 'Ending Address');
  if (reader.failed) return undefined;
  if (startPort > endPort && !(startPort === OPAQUE_START && endPort === OPAQUE_END)) {
    return reader.fail(at + 4, 'Start Port', `${startPort} is above the end port ${endPort}`);
  }
  if (compare(start, end) > 0) return reader.fail(at + 8, 'Starting Address', 'is above the ending address');
  return { tsType, protocol, startPort, endPort, start, end };
}

function compare(left: Uint8Array, right: Uint8Array): number {
  for (let i = 0; i < left.length; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Writes the body of a TS payload. */
export function encodeTs(writer: Writer, payload: TsPayload): void {
  writer.u8(payload.selectors.length + payload.others.length);
  writer.u24(0);
  for (const selector of payload.selectors) {
    writer.u8(selector.tsType);
    writer.u8(selector.protocol);
    writer.u16(SELECTOR_HEADER_BYTES + PORTS_BYTES + selector.start.length + selector.end.length);
    writer.u16(selector.startPort);
    writer.u16(selector.endPort);
    writer.bytes(selector.start);
    writer.bytes(selector.end);
  }
  for (const selector of payload.others) {
    writer.u8(selector.tsType);
    writer.u8(selector.protocol);
    writer.u16(SELECTOR_HEADER_BYTES + selector.data.length);
    writer.bytes(selector.data);
  }
}

const SELECTOR_HEADER_BYTES = 4;
const PORTS_BYTES = 4;
const OPAQUE_START = 65_535;
const OPAQUE_END = 0;

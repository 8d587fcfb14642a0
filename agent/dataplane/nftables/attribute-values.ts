import { type Attribute, encodeWithAttributes } from '../netlink/attributes.ts';
import { INET } from './registry.ts';

/* nf_tables has its numbers in the order of the network, unlike all other netlink (but what a set's keys are compared with). */

/** A text with a zero behind it. */
export function textAttribute(type: number, text: string): Attribute {
  return { type, value: new TextEncoder().encode(`${text}\0`) };
}

export function uint32Attribute(type: number, value: number): Attribute {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value | 0);
  return { type, value: bytes };
}

/** NLA_F_NESTED: attributes within one. */
export function nestedAttribute(type: number, attributes: readonly Attribute[]): Attribute {
  return { type: NLA_F_NESTED | type, value: encodeWithAttributes(new Uint8Array(0), attributes) };
}

/** The body of a message: struct nfgenmsg (family 0, version 1, resource 2) and attributes. */
export function netfilterBody(attributes: readonly Attribute[], family = INET, resource = 0): Uint8Array {
  return encodeWithAttributes(Uint8Array.of(family, 0, resource >>> 8, resource & 0xff), attributes);
}

/** Of a u32; undefined where there are fewer bytes. */
export function uint32Value(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length < 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
}

/** struct nfgenmsg. */
export const NETFILTER_HEAD_BYTES = 4;
const NLA_F_NESTED = 0x8000;

import { hostView } from './host-order.ts';

/** One attribute (struct nlattr of linux/netlink.h). */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** `head` and the attributes behind it, each on a boundary of four bytes. */
export function encodeWithAttributes(head: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  let length = aligned(head.length);
  for (const { value } of attributes) length += aligned(HEADER_BYTES + value.length);
  const bytes = new Uint8Array(length);
  const view = hostView(bytes);
  bytes.set(head);
  let offset = aligned(head.length);
  for (const { type, value } of attributes) {
    view.setUint16(offset, HEADER_BYTES + value.length);
    view.setUint16(offset + 2, type);
    bytes.set(value, offset + HEADER_BYTES);
    offset += aligned(HEADER_BYTES + value.length);
  }
  return bytes;
}

/** The attributes in `bytes` by type, as views; the last of a type counts. Stops at one whose length cannot be right. */
export function decodeAttributes(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  return new Map(decodeAttributeList(bytes).map(({ type, value }) => [type, value]));
}

/** The same in their order, where several of a type count. */
export function decodeAttributeList(bytes: Uint8Array): readonly Attribute[] {
  const attributes: Attribute[] = [];
  const view = hostView(bytes);
  let offset = 0;
  while (offset + HEADER_BYTES <= bytes.length) {
    const length = view.getUint16(offset);
    if (length < HEADER_BYTES || offset + length > bytes.length) break;
    const type = view.getUint16(offset + 2) & TYPE_MASK;
    attributes.push({ type, value: bytes.subarray(offset + HEADER_BYTES, offset + length) });
    offset += aligned(length);
  }
  return attributes;
}

/** The text up to the first zero byte. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}

/** The next multiple of four. */
export function aligned(length: number): number {
  return (length + 3) & ~3;
}

const HEADER_BYTES = 4;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

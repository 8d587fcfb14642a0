import { aligned, cString, decodeAttributes } from './attributes.ts';
import { hostUint32, hostView } from './host-order.ts';

/** One netlink message (struct nlmsghdr of linux/netlink.h) and what follows it. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly port: number;
  /** A view of the datagram, good until the next one is received. */
  readonly body: Uint8Array;
}

/** NLM_F_* of linux/netlink.h. */
export const messageFlags = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  /** NLM_F_DUMP_INTR: what is dumped changed meanwhile. */
  dumpInterrupted: 0x10,
  /** NLM_F_CAPPED: an acknowledgement repeats only the header of the request. */
  capped: 0x100,
  /** NLM_F_ACK_TLVS: attributes follow an acknowledgement. */
  extendedAck: 0x200,
  dump: 0x300,
  /** NLM_F_CREATE, of a request that makes something. */
  create: 0x400,
  /** NLM_F_APPEND: behind those that are there. */
  append: 0x800,
} as const;

/** The types below NLMSG_MIN_TYPE, which every netlink family shares. */
export const controlTypes = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

/** What an acknowledgement says. */
export interface Acknowledgement {
  /** 0 for success. */
  readonly errno: number;
  /** NLMSGERR_ATTR_MSG, empty where there is none. */
  readonly reason: string;
  /** NLMSGERR_ATTR_OFFS: where in the request the fault is, in bytes from its header. */
  readonly offset: number | undefined;
}

/** A request with its header; `body` is copied. XFRM tells others that it came from `port`, which nobody fills in for us. */
export function encodeMessage(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
  port: number = 0,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  const view = hostView(bytes);
  view.setUint32(0, bytes.length);
  view.setUint16(4, type);
  view.setUint16(6, flags);
  view.setUint32(8, sequence);
  view.setUint32(12, port);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

/** The messages of a datagram. Stops at the first whose length cannot be right. */
export function decodeMessages(datagram: Uint8Array): readonly NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = hostView(datagram);
  let offset = 0;
  while (offset + HEADER_BYTES <= datagram.length) {
    const length = view.getUint32(offset);
    if (length < HEADER_BYTES || offset + length > datagram.length) break;
    messages.push({
      type: view.getUint16(offset + 4),
      flags: view.getUint16(offset + 6),
      sequence: view.getUint32(offset + 8),
      port: view.getUint32(offset + 12),
      body: datagram.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += aligned(length);
  }
  return messages;
}

/** The content of an `error` message, or of a `done` message that ends a dump; undefined if it is too short. */
export function decodeAcknowledgement(message: NetlinkMessage): Acknowledgement | undefined {
  const { body, flags, type } = message;
  if (body.length < ERROR_BYTES) return undefined;
  const errno = -hostView(body).getInt32(0);
  if ((flags & messageFlags.extendedAck) === 0) return { errno, reason: '', offset: undefined };
  let start = ERROR_BYTES;
  if (type === controlTypes.error) {
    if (body.length < ERROR_BYTES + HEADER_BYTES) return undefined;
    const requestBytes = (flags & messageFlags.capped) !== 0 ? HEADER_BYTES : hostView(body).getUint32(ERROR_BYTES);
    start += aligned(requestBytes);
  }
  const attributes = decodeAttributes(body.subarray(Math.min(start, body.length)));
  const text = attributes.get(NLMSGERR_ATTR_MSG);
  const offset = attributes.get(NLMSGERR_ATTR_OFFS);
  return {
    errno,
    reason: text === undefined ? '' : cString(text),
    offset: offset === undefined ? undefined : hostUint32(offset),
  };
}

const HEADER_BYTES = 16;
const ERROR_BYTES = 4;
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

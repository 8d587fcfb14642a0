import { decodeHeader, HEADER_BYTES, type Header } from '../wire/header.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { encodeMessage } from '../wire/message.ts';
import type { NotifyPayload } from '../wire/payloads/notify.ts';
import { ExchangeType, NotifyType, PayloadType } from '../wire/registry.ts';
import { corruptedBytes, type Shipment } from './network.ts';
import type { RandomStream } from './random-stream.ts';

/**
 * A datagram that somebody who sees the traffic, but has no keys, may send: made of one that was under way, with its
 * SPIs and addresses; noise where an ESP packet was.
 */
export function forge(random: RandomStream, recorded: Shipment): Shipment {
  const { cargo } = recorded;
  if (cargo.kind === 'packet') {
    const { source, destination } = cargo.packet;
    const path = { localAddress: source, localPort: 500, remoteAddress: destination, remotePort: 500 };
    const bytes = new Uint8Array(random.below(4 * HEADER_BYTES));
    random.fill(bytes);
    return { ...recorded, cargo: { kind: 'datagram', path, bytes } };
  }
  const header = decodeHeader(cargo.bytes);
  const bytes = header.ok ? forgedBytes(random, header.value, cargo.bytes) : corruptedBytes(random, cargo.bytes);
  return { ...recorded, cargo: { ...cargo, bytes } };
}

/** Something of a sender once more, from an address that is nobody's; undefined for what tells nothing of a path. */
export function impersonate(random: RandomStream, recorded: Shipment): Shipment | undefined {
  const { cargo } = recorded;
  const port = random.between(1_024, 65_535);
  if (cargo.kind === 'datagram') {
    const path = { ...cargo.path, localAddress: NOBODY, localPort: port };
    return { ...recorded, cargo: { ...cargo, path } };
  }
  const { packet } = cargo;
  if (packet.kind === 'plain' || packet.udp === undefined) return undefined;
  const moved = { ...packet, source: NOBODY, udp: { ...packet.udp, sourcePort: port } };
  return { ...recorded, cargo: { ...cargo, packet: moved } };
}

function forgedBytes(random: RandomStream, header: Header, bytes: Uint8Array): Uint8Array {
  switch (random.below(5)) {
    case 0:
      return changedHeader(random, bytes);
    case 1:
      return plainNotify(random, header);
    case 2:
      return otherInitiator(random, bytes);
    case 3:
      return fragment(random, header, bytes);
    default:
      return corruptedBytes(random, bytes);
  }
}

/** Whether something is the first message from one node to another. */
export function isInitRequest({ from, to, cargo }: Shipment, node: number, target: number): boolean {
  if (from !== node || to !== target || cargo.kind !== 'datagram') return false;
  // There are many: most are seen to be none without being read.
  if (cargo.bytes[EXCHANGE_OFFSET] !== ExchangeType.IKE_SA_INIT) return false;
  const header = decodeHeader(cargo.bytes);
  return header.ok && !header.value.flags.response;
}

/** A request of an initiator that does not exist, which nothing tells from one that does: another SPI and port. */
export function strangersRequest(random: RandomStream, recorded: Shipment): Shipment {
  const { cargo } = recorded;
  if (cargo.kind !== 'datagram') return recorded;
  const localPort = random.chance(0.5) ? cargo.path.localPort : random.between(1_024, 65_535);
  return {
    ...recorded,
    cargo: { ...cargo, path: { ...cargo.path, localPort }, bytes: otherInitiator(random, cargo.bytes) },
  };
}

/** A fragment of a message (RFC 7383 §2.5) with the right SPIs, its contents recorded or noise. */
function fragment(random: RandomStream, header: Header, bytes: Uint8Array): Uint8Array {
  const changed = header.nextPayload === PayloadType.SKF ? bytes.slice() : new Uint8Array(random.between(40, 400));
  if (header.nextPayload !== PayloadType.SKF) {
    random.fill(changed);
    changed.set(bytes.subarray(0, HEADER_BYTES));
    changed[NEXT_PAYLOAD_OFFSET] = PayloadType.SKF;
    changed[MESSAGE_ID_OFFSET] = random.below(8);
    new DataView(changed.buffer).setUint32(LENGTH_OFFSET, changed.length);
    new DataView(changed.buffer).setUint16(HEADER_BYTES + 2, changed.length - HEADER_BYTES);
  }
  const total = random.between(1, 12);
  new DataView(changed.buffer).setUint16(FRAGMENT_NUMBER_OFFSET, random.between(1, total));
  new DataView(changed.buffer).setUint16(FRAGMENT_NUMBER_OFFSET + 2, total);
  return changed;
}

/** Another exchange, flag or message ID in a header that is otherwise good. */
function changedHeader(random: RandomStream, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const [offset, limit] = random.pick(FIELDS);
  changed[offset] = random.below(limit);
  return changed;
}

/** A message in plaintext that claims something about an IKE SA. */
function plainNotify(random: RandomStream, header: Header): Uint8Array {
  const data = new Uint8Array(random.pick([0, 2, 16] as const));
  random.fill(data);
  const notify: NotifyPayload = {
    kind: 'notify',
    protocol: 0,
    spi: new Uint8Array(0),
    notifyType: random.pick(CLAIMS),
    data,
  };
  const { initiatorSpi, responderSpi } = header;
  const exchangeType = random.pick([
    ExchangeType.IKE_SA_INIT,
    ExchangeType.IKE_AUTH,
    ExchangeType.INFORMATIONAL,
  ] as const);
  const flags = { initiator: random.chance(0.5), response: random.chance(0.7) };
  const messageId = exchangeType === ExchangeType.IKE_SA_INIT ? 0 : random.below(8);
  return encodeMessage({ initiatorSpi, responderSpi, exchangeType, flags, messageId }, [notify]);
}

/** The same message from an initiator with another SPI: a stranger's IKE_SA_INIT, or one for an unknown IKE SA. */
function otherInitiator(random: RandomStream, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  random.fill(changed.subarray(0, SPI_BYTES));
  return changed;
}

const CLAIMS: readonly [number, ...number[]] = [
  NotifyType.INVALID_KE_PAYLOAD,
  NotifyType.NO_PROPOSAL_CHOSEN,
  NotifyType.COOKIE,
  NotifyType.INVALID_IKE_SPI,
  NotifyType.INVALID_SYNTAX,
  NotifyType.AUTHENTICATION_FAILED,
  NotifyType.INITIAL_CONTACT,
];
const SPI_BYTES = 8;
const NOBODY = '198.51.100.66' as IpAddress;
const NEXT_PAYLOAD_OFFSET = 16;
/** RFC 7296 §3.1. */
const EXCHANGE_OFFSET = 18;
/** The last byte. */
const MESSAGE_ID_OFFSET = 23;
const LENGTH_OFFSET = 24;
const FRAGMENT_NUMBER_OFFSET = HEADER_BYTES + 4;
/** Where the fields of the header stand (RFC 7296 §3.1), and below which number their values are drawn. */
const FIELDS: readonly [readonly [number, number], ...(readonly [number, number])[]] = [
  // Next payload, version, exchange type, flags, the last byte of the message ID.
  [16, 64],
  [17, 0x40],
  [18, 40],
  [19, 256],
  [23, 8],
];

import { decodeHeader, HEADER_BYTES, type Header } from '../wire/header.ts';
import { encodeMessage } from '../wire/message.ts';
import type { NotifyPayload } from '../wire/payloads/notify.ts';
import { ExchangeType, NotifyType } from '../wire/registry.ts';
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

function forgedBytes(random: RandomStream, header: Header, bytes: Uint8Array): Uint8Array {
  switch (random.below(4)) {
    case 0:
      return changedHeader(random, bytes);
    case 1:
      return plainNotify(random, header);
    case 2:
      return otherInitiator(random, bytes);
    default:
      return corruptedBytes(random, bytes);
  }
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
/** Where the fields of the header stand (RFC 7296 §3.1), and below which number their values are drawn. */
const FIELDS: readonly [readonly [number, number], ...(readonly [number, number])[]] = [
  // Next payload, version, exchange type, flags, the last byte of the message ID.
  [16, 64],
  [17, 0x40],
  [18, 40],
  [19, 256],
  [23, 8],
];

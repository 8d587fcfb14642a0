import { type IkeSpi, spiFromBytes, spiPairBytes } from './header.ts';
import type { NotifyPayload } from './payloads/notify.ts';
import { NotifyType, Protocol } from './registry.ts';

/** SPIi and SPIr of an IKE SA. */
export interface IkeSpiPair {
  readonly initiatorSpi: IkeSpi;
  readonly responderSpi: IkeSpi;
}

/** What an agent says of itself in IKE_AUTH. */
export interface InstanceNotify {
  /** 16 bytes: as long as they are the same, the sender's kernel has forgotten nothing. */
  readonly bootId: Uint8Array;
  /** 8 bytes, drawn when the agent starts: as long as they are the same, the agent has forgotten nothing. */
  readonly instance: Uint8Array;
  /** IKE SAs whose place this one takes. */
  readonly supersedes: readonly IkeSpiPair[];
}

/**
 * The private notify AGENT_INSTANCE; its type means this only between peers that have shown our Vendor ID.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |  Version = 1  |                                               |
 *     +-+-+-+-+-+-+-+-+          Boot ID (16 bytes)                   +
 *     ~                                                               ~
 *     |               |                                               |
 *     +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~                     Instance (8 bytes)                        ~
 *     |               |                                               |
 *     +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     ~         SPIi and SPIr (16 bytes) of each superseded IKE SA    ~
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export function encodeInstanceNotify({ bootId, instance, supersedes }: InstanceNotify): NotifyPayload {
  const named = supersedes.slice(0, MAX_SUPERSEDED);
  const data = new Uint8Array(FIXED_BYTES + named.length * SPI_PAIR_BYTES);
  data[0] = VERSION;
  data.set(bootId, BOOT_ID_OFFSET);
  data.set(instance, INSTANCE_OFFSET);
  for (const [index, { initiatorSpi, responderSpi }] of named.entries()) {
    data.set(spiPairBytes(initiatorSpi, responderSpi), FIXED_BYTES + index * SPI_PAIR_BYTES);
  }
  const { AGENT_INSTANCE: notifyType } = NotifyType;
  return { kind: 'notify', protocol: Protocol.NONE, spi: new Uint8Array(0), notifyType, data };
}

/** Reads the notify; undefined where it is of another form, which later versions may bring and nothing depends on. */
export function decodeInstanceNotify({ data }: NotifyPayload): InstanceNotify | undefined {
  const superseded = (data.length - FIXED_BYTES) / SPI_PAIR_BYTES;
  if (data[0] !== VERSION || !Number.isInteger(superseded)) return undefined;
  if (superseded < 0 || superseded > MAX_SUPERSEDED) return undefined;
  return {
    bootId: data.slice(BOOT_ID_OFFSET, INSTANCE_OFFSET),
    instance: data.slice(INSTANCE_OFFSET, FIXED_BYTES),
    supersedes: Array.from({ length: superseded }, (_, index) => spiPairAt(data, FIXED_BYTES + index * SPI_PAIR_BYTES)),
  };
}

function spiPairAt(data: Uint8Array, offset: number): IkeSpiPair {
  return {
    initiatorSpi: spiFromBytes(data.subarray(offset, offset + 8)),
    responderSpi: spiFromBytes(data.subarray(offset + 8, offset + SPI_PAIR_BYTES)),
  };
}

const VERSION = 1;
const BOOT_ID_OFFSET = 1;
const INSTANCE_OFFSET = 17;
const FIXED_BYTES = 25;
const SPI_PAIR_BYTES = 16;
/** One IKE SA takes the place of one; crossing replacements leave a second. The rest is for later. */
const MAX_SUPERSEDED = 4;

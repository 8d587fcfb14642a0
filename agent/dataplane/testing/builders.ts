import { SecretBytes } from '../../crypto/secret.ts';
import type { Clock } from '../../ports.ts';
import { type IpAddress, ipFamily, parseCidr, parseZonedAddress } from '../../wire/ip-address.ts';
import type { PlainPacket } from '../memory/packet.ts';
import { ownIndex, ownReqid } from '../ownership.ts';
import type { PolicyDirection, PolicySpec, PolicyTemplate, PortMatch, Prefix, SaSpec, Selector } from '../types.ts';

/** The address that `text` writes; a test that misspells one fails. */
export function ip(text: string): IpAddress {
  const address = parseZonedAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
}

/** `10.0.0.0/24`, or a host without the slash. */
export function prefix(text: string): Prefix {
  if (!text.includes('/')) {
    const address = ip(text);
    return { address, length: ipFamily(address) === 4 ? 32 : 128 };
  }
  const cidr = parseCidr(text);
  if (!cidr.ok) throw new Error(cidr.error);
  return { address: cidr.value.address, length: cidr.value.prefixLength };
}

export const ANY_PORT: PortMatch = { value: 0, mask: 0 };

/** A selector between two networks, of any protocol unless one is given. */
export function selector(source: string, destination: string, more: Partial<Selector> = {}): Selector {
  return {
    source: prefix(source),
    destination: prefix(destination),
    protocol: 0,
    sourcePort: ANY_PORT,
    destinationPort: ANY_PORT,
    ...more,
  };
}

/** A transport template of our first reqid that leaves the SPI open. */
export function template(more: Partial<PolicyTemplate> = {}): PolicyTemplate {
  return { mode: 'transport', reqid: ownReqid(1), spi: 0, level: 'required', ...more };
}

/** An allow policy; its index follows from `sequence`. */
export function policy(
  direction: PolicyDirection,
  policySelector: Selector,
  more: Partial<PolicySpec> = {},
  sequence = 1,
): PolicySpec {
  return {
    direction,
    selector: policySelector,
    priority: 1000,
    index: ownIndex(sequence, direction),
    action: 'allow',
    ...more,
  };
}

/** A transport SA with AES-GCM-128 and a key that follows from its SPI. */
export function sa(source: string, destination: string, spi: number, more: Partial<SaSpec> = {}): SaSpec {
  return {
    id: { destination: ip(destination), spi },
    source: ip(source),
    direction: 'out',
    mode: 'transport',
    reqid: ownReqid(1),
    algorithms: { encryption: 20, keyBits: 128, integrity: 0 },
    encryptionKey: new SecretBytes(keyBytes(20, spi)),
    integrityKey: new SecretBytes(new Uint8Array(0)),
    esn: false,
    replayWindow: 64,
    lifetime: {},
    ...more,
  };
}

/** Key material that follows from a number. */
export function keyBytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (Math.imul(seed + i, 0x9e3779b1) >>> 24) & 0xff);
}

/** A UDP packet. */
export function udpPacket(source: string, destination: string, more: Partial<PlainPacket> = {}): PlainPacket {
  return {
    kind: 'plain',
    source: ip(source),
    destination: ip(destination),
    protocol: 17,
    sourcePort: 4000,
    destinationPort: 5000,
    payloadBytes: 100,
    ...more,
  };
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #ms = 0;
  #jumpedMs = 0;

  /** Milliseconds since the epoch when the clock was made. */
  static readonly START_MS = 1_800_000_000_000;

  advance(ms: number): void {
    this.#ms += ms;
  }

  /** Somebody sets the clock on the wall. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  wallMs(): number {
    return ManualClock.START_MS + this.#ms + this.#jumpedMs;
  }
}

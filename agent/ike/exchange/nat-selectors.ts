import type { IpsecMode } from '../../dataplane/types.ts';
import { type IpAddress, ipAddressBytes } from '../../wire/ip-address.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import { compareBytes } from '../negotiation/byte-order.ts';
import type { NattedPath } from '../path/natd.ts';

/** The traffic selectors of both sides. */
export interface Selectors {
  readonly local: readonly TrafficSelector[];
  readonly remote: readonly TrafficSelector[];
}

/**
 * What a peer's traffic selectors are on this side of a NAT (RFC 7296 §2.23.1). In transport mode packets bear here what
 * the NAT made of the addresses that the peer names, which is what the IKE SA uses. In tunnel mode no NAT sees them.
 */
export function selectorsHere(mode: IpsecMode, { path, nat }: NattedPath, { local, remote }: Selectors): Selectors {
  if (mode === 'tunnel') return { local, remote };
  return {
    local: nat.local ? withAddress(local, path.localAddress) : local,
    remote: nat.remote ? withAddress(remote, path.remoteAddress) : remote,
  };
}

/** The same selectors of another host. Those of more than one host, or of another family, stay as they are. */
export function withAddress(selectors: readonly TrafficSelector[], address: IpAddress): readonly TrafficSelector[] {
  const bytes = ipAddressBytes(address);
  const host = selectors[0]?.start;
  if (host?.length !== bytes.length) return selectors;
  const single = selectors.every(({ start, end }) => compareBytes(start, host) === 0 && compareBytes(end, host) === 0);
  return single ? selectors.map((selector) => ({ ...selector, start: bytes, end: bytes })) : selectors;
}

import { interfaceName } from '../../native/libc.ts';
import { hostView } from '../netlink/host-order.ts';
import type { Selector } from '../types.ts';
import { addressAt, familyOf, networkView, putAddress } from './address.ts';

/**
 * struct xfrm_selector:
 *
 *     daddr 0, saddr 16, dport 32 (network order), dport_mask 34, sport 36, sport_mask 38, family 40 (u16),
 *     prefixlen_d 42, prefixlen_s 43, proto 44, ifindex 48, user 52
 */
export const SELECTOR_BYTES = 56;

/** Writes a selector; `interfaceIndex` is that of the interface that it names, 0 for any. */
export function putSelector(target: Uint8Array, offset: number, selector: Selector, interfaceIndex: number): void {
  const { source, destination, protocol, sourcePort, destinationPort } = selector;
  const network = networkView(target);
  putAddress(target, offset, destination.address);
  putAddress(target, offset + 16, source.address);
  network.setUint16(offset + 32, destinationPort.value);
  network.setUint16(offset + 34, destinationPort.mask);
  network.setUint16(offset + 36, sourcePort.value);
  network.setUint16(offset + 38, sourcePort.mask);
  const host = hostView(target);
  host.setUint16(offset + 40, familyOf(source.address));
  target[offset + 42] = destination.length;
  target[offset + 43] = source.length;
  target[offset + 44] = protocol;
  host.setUint32(offset + 48, interfaceIndex);
}

/** Reads a selector; undefined if its family is neither IPv4 nor IPv6. */
export function selectorAt(bytes: Uint8Array, offset: number): Selector | undefined {
  const network = networkView(bytes);
  const host = hostView(bytes);
  const family = host.getUint16(offset + 40);
  const interfaceIndex = host.getUint32(offset + 48);
  const destination = addressAt(bytes, offset, family);
  const source = addressAt(bytes, offset + 16, family);
  if (destination === undefined || source === undefined) return undefined;
  return {
    source: { address: source, length: bytes[offset + 43] as number },
    destination: { address: destination, length: bytes[offset + 42] as number },
    protocol: bytes[offset + 44] as number,
    sourcePort: { value: network.getUint16(offset + 36), mask: network.getUint16(offset + 38) },
    destinationPort: { value: network.getUint16(offset + 32), mask: network.getUint16(offset + 34) },
    ...(interfaceIndex === 0 ? {} : { interface: interfaceName(interfaceIndex) ?? String(interfaceIndex) }),
  };
}

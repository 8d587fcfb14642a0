import { ipAddressBytes, ipFamily } from '../wire/ip-address.ts';
import type { PortMatch, Prefix, Selector } from './types.ts';

/** Whether all packets that one selector is for are also those of another one. */
export function liesWithin(narrow: Selector, wide: Selector): boolean {
  return (
    isPrefixWithin(narrow.source, wide.source) &&
    isPrefixWithin(narrow.destination, wide.destination) &&
    (wide.protocol === 0 || narrow.protocol === wide.protocol) &&
    isPortWithin(narrow.sourcePort, wide.sourcePort) &&
    isPortWithin(narrow.destinationPort, wide.destinationPort)
  );
}

function isPrefixWithin(narrow: Prefix, wide: Prefix): boolean {
  if (narrow.length < wide.length || ipFamily(narrow.address) !== ipFamily(wide.address)) return false;
  const other = ipAddressBytes(wide.address);
  return ipAddressBytes(narrow.address).every((byte, index) => {
    const bits = Math.min(8, Math.max(0, wide.length - 8 * index));
    return ((byte ^ (other[index] ?? 0)) & (0xff00 >> bits) & 0xff) === 0;
  });
}

function isPortWithin(narrow: PortMatch, wide: PortMatch): boolean {
  return (narrow.mask & wide.mask) === wide.mask && (narrow.value & wide.mask) === wide.value;
}

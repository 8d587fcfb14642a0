import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import { parseHostAddress } from '../runtime/config/scalars.ts';
import { type IpAddress, zoneOf } from '../wire/ip-address.ts';

/** The first address of a peering that the host does not have; undefined where it has all. */
export function absentAddressOf(
  { addresses }: Pick<NodePeering, 'addresses'>,
  absent: ReadonlySet<IpAddress>,
): IpAddress | undefined {
  return addresses
    .map(parseHostAddress)
    .flatMap((each) => (each.ok ? [each.value] : []))
    .find((address) => absent.has(address));
}

/** What is the matter with such an address and what to do about it; a sentence. */
export function absentAddressText(address: IpAddress): string {
  return (
    `${address} is not an address of this host, so that no tunnel from it comes up: ` +
    `add it to ${zoneOf(address) ?? 'an interface'}, or correct the status of the Node`
  );
}

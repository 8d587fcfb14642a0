import { err, ok, type Result } from '../result.ts';
import { type IpAddress, zoneOf } from '../wire/ip-address.ts';
import type { SocketFailure } from './transport-udp.ts';

/** What listens at addresses, at all that it is asked for or at none of them. */
export interface Listener {
  listen(addresses: readonly IpAddress[]): Result<void, SocketFailure>;
}

/** Listens at addresses. Where the host may lack some, those are in the way of no others; which it lacks. */
export function listenAt(
  listener: Listener,
  addresses: readonly IpAddress[],
  { mayLackAddresses = false }: { readonly mayLackAddresses?: boolean | undefined },
): Result<ReadonlySet<IpAddress>, SocketFailure> {
  const absent = new Set<IpAddress>();
  for (;;) {
    const listening = listener.listen(addresses.filter((address) => !absent.has(address)));
    if (listening.ok) return ok(absent);
    const { address, errno } = listening.error;
    if (!mayLackAddresses || !MEANS_ABSENT.has(errno) || absent.has(address)) return err(listening.error);
    absent.add(address);
  }
}

/** Whether an address is of one link, by the name of its interface. */
export function hasLinkLocal(addresses: readonly IpAddress[]): boolean {
  return addresses.some((address) => zoneOf(address) !== undefined);
}

/** Why a socket could not be had and what to do about it. */
export function socketFailureText({ address, port, errno, message }: SocketFailure): string {
  switch (errno) {
    case 'EADDRINUSE':
      return (
        `UDP port ${port} of ${address} is taken by another program: stop it (another agent, strongSwan, libreswan; ` +
        `"ss -ulpn sport = :${port}" shows which)`
      );
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this host: add it to ${zoneOf(address) ?? 'an interface'}, or correct node.addresses`;
    case 'ENODEV':
      return `there is no interface ${zoneOf(address)}, on whose link ${address} is: make it, or correct node.addresses`;
    case 'EACCES':
    case 'EPERM':
      return `UDP port ${port} of ${address} may not be opened: run as root, or grant CAP_NET_BIND_SERVICE and CAP_NET_ADMIN`;
    case 'ENOPROTOOPT':
      return 'this kernel cannot take ESP out of UDP: use one with CONFIG_XFRM and CONFIG_INET_ESP';
    default:
      return `UDP port ${port} of ${address} cannot be opened: ${message} (${errno})`;
  }
}

/** The address is on no interface, or the interface that it names is not there. */
const MEANS_ABSENT: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'ENODEV']);

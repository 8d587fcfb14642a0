import { type IpAddress, ipAddressFromBytes } from '../../wire/ip-address.ts';

/** A local address and port at which a socket is. */
export interface UdpPlace {
  readonly address: IpAddress;
  readonly port: number;
}

/**
 * The sockets of a table such as /proc/net/udp: addresses stand there in words of 32 bits, each in the order of a host that
 * is little-endian, as those are that the agent runs on.
 */
export function udpPlaces(table: string): readonly UdpPlace[] {
  return [...table.matchAll(/^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) /gm)].map(
    ([, words = '', port = '']) => {
      const bytes = Uint8Array.from({ length: words.length / 2 }, (_, index) => {
        const place = index - (index % 4) + (3 - (index % 4));
        return Number.parseInt(words.slice(2 * place, 2 * place + 2), 16);
      });
      return { address: ipAddressFromBytes(bytes), port: Number.parseInt(port, 16) };
    },
  );
}

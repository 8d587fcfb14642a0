import { err, ok, type Result } from '../result.ts';
import {
  bindSocket,
  closeDescriptor,
  type FileDescriptor,
  openSocket,
  type SystemError,
  setSocketOption,
} from './libc.ts';
import { addressFamilies, encodeSocketAddress, type SocketAddress } from './socket-address.ts';

/** How a UDP socket of IKE is to be. */
export interface UdpSocketOptions {
  /** Where it is bound; a definite address makes the kernel send from it. Port 0: any free one. */
  readonly local: SocketAddress;
  /** The kernel takes ESP out of UDP on this socket (RFC 3948); what has the non-ESP marker is still received. */
  readonly espInUdp: boolean;
  /** Lets a second socket with this option bind the same address and port, as while an agent replaces another. */
  readonly reusePort?: boolean;
}

/**
 * A bound, non-blocking UDP socket. Datagrams longer than the path allows are fragmented by the kernel instead of
 * refused: an IKE message has to arrive before anybody can agree on smaller ones. Whoever takes the descriptor closes
 * it; `dgram`'s `bind({ fd })` does with the socket it makes of it.
 */
export function openUdpSocket(options: UdpSocketOptions): Result<FileDescriptor, SystemError> {
  const inet6 = options.local.address.length === 16;
  const opened = openSocket(inet6 ? addressFamilies.inet6 : addressFamilies.inet, SOCK_DGRAM, 0);
  if (!opened.ok) return opened;
  const fd = opened.value;
  const settings: readonly (readonly [level: number, option: number, value: number])[] = [
    ...(inet6 ? [[IPPROTO_IPV6, IPV6_V6ONLY, 1] as const] : []),
    inet6 ? [IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT] : [IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT],
    ...(options.reusePort === true ? [[SOL_SOCKET, SO_REUSEPORT, 1] as const] : []),
    ...(options.espInUdp ? [[SOL_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP] as const] : []),
  ];
  for (const [level, option, value] of settings) {
    const set = setSocketOption(fd, level, option, value);
    if (!set.ok) return closed(fd, set.error);
  }
  const bound = bindSocket(fd, encodeSocketAddress(options.local));
  return bound.ok ? ok(fd) : closed(fd, bound.error);
}

function closed(fd: FileDescriptor, error: SystemError): Result<never, SystemError> {
  closeDescriptor(fd);
  return err(error);
}

// linux/in.h, linux/in6.h, linux/udp.h, asm-generic/socket.h
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const PMTUDISC_DONT = 0;
const SOL_UDP = 17;
const UDP_ENCAP = 100;
const UDP_ENCAP_ESPINUDP = 2;

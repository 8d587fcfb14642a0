import { err, ok, type Result } from '../result.ts';
import {
  bindSocket,
  closeDescriptor,
  type FileDescriptor,
  openSocket,
  type SystemError,
  setSocketOption,
  socketName,
  socketOption,
} from './libc.ts';
import { addressFamilies, encodeSocketAddress, type SocketAddress } from './socket-address.ts';

/** How a UDP socket of IKE is to be. */
export interface UdpSocketOptions {
  /** Where it is bound; a definite address makes the kernel send from it. Port 0: any free one. */
  readonly local: SocketAddress;
  /** The kernel takes ESP out of UDP on this socket (RFC 3948); what has the non-ESP marker is still received. */
  readonly espInUdp: boolean;
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
  const alone = inet6 ? setSocketOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) : ok(undefined);
  const set = alone.ok ? configure(fd, options) : alone;
  const bound = set.ok ? bindSocket(fd, encodeSocketAddress(options.local)) : set;
  return bound.ok ? ok(fd) : closed(fd, bound.error);
}

/**
 * Makes a socket that another process has opened what a new one would be; one that is not bound as it is to be, or not
 * in the network namespace of this process, is refused and closed.
 */
export function adoptUdpSocket(fd: FileDescriptor, options: UdpSocketOptions): Result<FileDescriptor, SystemError> {
  const protocol = socketOption(fd, SOL_SOCKET, SO_PROTOCOL, 4);
  const name = socketName(fd);
  const wanted = encodeSocketAddress(options.local);
  const isRight =
    protocol.ok && name.ok && protocol.value[0] === IPPROTO_UDP && areEqual(name.value, wanted) && isAtHome(fd);
  if (!isRight)
    return closed(fd, { kind: 'systemError', call: 'getsockname', errno: 'EBADFD', message: 'another socket' });
  const set = configure(fd, options);
  return set.ok ? ok(fd) : closed(fd, set.error);
}

/**
 * Whether datagrams are cut up where they are longer than the path allows. With `never` they have DF, and what the kernel
 * believes of the path makes no difference: the interface's MTU is the limit.
 */
export function setFragmentation(
  fd: FileDescriptor,
  family: 4 | 6,
  wanted: 'whereNeeded' | 'never',
): Result<void, SystemError> {
  const [level, option] = family === 6 ? [IPPROTO_IPV6, IPV6_MTU_DISCOVER] : [IPPROTO_IP, IP_MTU_DISCOVER];
  return setSocketOption(fd, level, option, wanted === 'never' ? PMTUDISC_PROBE : PMTUDISC_DONT);
}

function configure(fd: FileDescriptor, { local, espInUdp }: UdpSocketOptions): Result<void, SystemError> {
  const set = setFragmentation(fd, local.address.length === 16 ? 6 : 4, 'whereNeeded');
  return set.ok && espInUdp ? setSocketOption(fd, SOL_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP) : set;
}

function isAtHome(fd: FileDescriptor): boolean {
  const own = openSocket(addressFamilies.inet, SOCK_DGRAM, 0);
  if (!own.ok) return false;
  const [here, there] = [own.value, fd].map((each) => socketOption(each, SOL_SOCKET, SO_NETNS_COOKIE, 8));
  closeDescriptor(own.value);
  return here?.ok === true && there?.ok === true && areEqual(here.value, there.value);
}

function areEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function closed(fd: FileDescriptor, error: SystemError): Result<never, SystemError> {
  closeDescriptor(fd);
  return err(error);
}

// linux/in.h, linux/in6.h, linux/udp.h, asm-generic/socket.h
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_PROTOCOL = 38;
/** Since Linux 5.14. */
const SO_NETNS_COOKIE = 71;
const IPPROTO_UDP = 17;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const PMTUDISC_DONT = 0;
const PMTUDISC_PROBE = 3;
const SOL_UDP = 17;
const UDP_ENCAP = 100;
const UDP_ENCAP_ESPINUDP = 2;

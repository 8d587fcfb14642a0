import { err, ok, type Result } from '../result.ts';
import {
  attachFilter,
  bindSocket,
  closeDescriptor,
  type FileDescriptor,
  openSocket,
  receiveFrom,
  type SystemError,
  sendTo,
  setSocketOption,
  socketOption,
} from './libc.ts';
import { addressFamilies, encodeSocketAddress } from './socket-address.ts';

/** Which packets a capture takes. */
export interface CaptureOptions {
  /** 4 or 6. */
  readonly ipVersion: 4 | 6;
  /** A classic BPF program whose offset 0 is the IP header. */
  readonly filter: Uint8Array;
  /** Bytes of packets, and of the kernel's own records of them, that may wait to be read; more are lost. */
  readonly bufferBytes: number;
}

/**
 * Opens a socket that gets copies of IP packets as they arrive, before anything of this host looks at them, whatever
 * becomes of them there. Needs CAP_NET_RAW. Whoever takes the descriptor closes it.
 */
export function openCapture(options: CaptureOptions): Result<FileDescriptor, SystemError> {
  return openPacketSocket(options, options.ipVersion === 4 ? ETH_P_IP : ETH_P_IPV6);
}

function openPacketSocket(
  options: Pick<CaptureOptions, 'filter' | 'bufferBytes'>,
  protocol: number,
): Result<FileDescriptor, SystemError> {
  // Protocol 0 takes nothing until the filter is in place.
  const opened = openSocket(AF_PACKET, SOCK_DGRAM, 0);
  if (!opened.ok) return opened;
  const fd = opened.value;
  const attached = attachFilter(fd, options.filter);
  if (!attached.ok) return closed(fd, attached.error);
  const forced = setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.bufferBytes);
  if (!forced.ok) setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, options.bufferBytes);
  const bound = bindSocket(fd, linkAddress(protocol));
  return bound.ok ? ok(fd) : closed(fd, bound.error);
}

/**
 * Opens a socket that gets copies of packets of whatever protocol as they are handed to interfaces, for as far as its filter
 * says. Needs CAP_NET_RAW. Whoever takes the descriptor closes it.
 */
export function openEveryPacketCapture(
  options: Pick<CaptureOptions, 'filter' | 'bufferBytes'>,
): Result<FileDescriptor, SystemError> {
  return openPacketSocket(options, ETH_P_ALL);
}

/** How many packets a capture had no room for since this was asked last; undefined where the kernel does not say. */
export function missedByCapture(fd: FileDescriptor): number | undefined {
  const statistics = socketOption(fd, SOL_PACKET, PACKET_STATISTICS, TPACKET_STATS_BYTES);
  return statistics.ok ? new DataView(statistics.value.buffer).getUint32(4, true) : undefined;
}

/** The packets that wait in a capture, each from its IP header on. */
export function readCapture(fd: FileDescriptor, most: number): readonly Uint8Array[] {
  const packets: Uint8Array[] = [];
  while (packets.length < most) {
    const received = receiveFrom(fd, buffer);
    if (!received.ok || received.value === undefined) break;
    packets.push(buffer.slice(0, received.value.length));
  }
  return packets;
}

/**
 * Opens a socket that sends whole IP packets, from any source. One for an address of this host arrives there as if it had
 * come by the loopback interface. Needs CAP_NET_RAW.
 */
export function openInjection(ipVersion: 4 | 6): Result<FileDescriptor, SystemError> {
  return openSocket(ipVersion === 4 ? addressFamilies.inet : addressFamilies.inet6, SOCK_RAW, IPPROTO_RAW);
}

/** Sends a whole IP packet to the destination that it names. */
export function inject(fd: FileDescriptor, packet: Uint8Array): Result<void, SystemError> {
  const address = packet.slice(...((packet[0] ?? 0) >> 4 === 4 ? IPV4_DESTINATION : IPV6_DESTINATION));
  return sendTo(fd, packet, encodeSocketAddress({ address, port: 0 }));
}

/** struct sockaddr_ll, of any interface. */
function linkAddress(protocol: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_LL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol);
  return bytes;
}

function closed(fd: FileDescriptor, error: SystemError): Result<never, SystemError> {
  closeDescriptor(fd);
  return err(error);
}

// linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h, linux/in.h
const AF_PACKET = 17;
const SOCKADDR_LL_BYTES = 20;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const ETH_P_ALL = 0x0003;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
/** struct tpacket_stats: packets, drops. */
const TPACKET_STATS_BYTES = 8;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const IPPROTO_RAW = 255;
/** Where the headers have the destination. */
const IPV4_DESTINATION = [16, 20] as const;
const IPV6_DESTINATION = [24, 40] as const;
/** The longest IP packet without a jumbo payload. */
const buffer = new Uint8Array(65_576);

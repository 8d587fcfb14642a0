import type { Path } from '../ike/types.ts';
import {
  closeDescriptor,
  type FileDescriptor,
  interfaceIndex,
  type ReadWatch,
  receiveFrom,
  type SystemError,
  sendTo,
  setSocketOption,
  socketName,
  watchReadable,
} from '../native/libc.ts';
import { decodeSocketAddress, encodeSocketAddress, type SocketAddress } from '../native/socket-address.ts';
import { openUdpSocket } from '../native/udp-socket.ts';
import type { Transport } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { type IpAddress, inZone, ipAddressBytes, ipAddressFromBytes, zoneOf } from '../wire/ip-address.ts';

/** Why a datagram went no further than the socket. */
export type TransportDrop =
  /** The single octet 0xFF that keeps a NAT's mapping alive (RFC 3948 §2.3). */
  | 'keepalive'
  /** Shorter than an IKE header. */
  | 'short'
  /** Longer than any IKE message that we would read. */
  | 'oversized'
  /** On port 4500 without the non-ESP marker: ESP that the kernel has no use for. */
  | 'notIke'
  /** The kernel would not say who sent it. */
  | 'unknownSender';

/** Hears of what the sockets dropped and could not send. */
export interface TransportObserver {
  dropped(reason: TransportDrop): void;
  sendFailed(path: Path, failure: SendFailure): void;
}

/** Why a datagram could not be sent. */
export interface SendFailure {
  /** `EPERM`, `ENETUNREACH`, … */
  readonly errno: string;
  readonly message: string;
}

/** The UDP ports of IKE: 500 and 4500 wherever peers are to find us; 0 takes any free port. */
export interface IkePorts {
  readonly ike: number;
  readonly natTraversal: number;
}

/** Where every IKE daemon listens. */
export const IKE_PORTS: IkePorts = { ike: 500, natTraversal: 4500 };

/** A socket that could not be had. */
export interface SocketFailure {
  readonly kind: 'socketFailure';
  readonly address: IpAddress;
  readonly port: number;
  readonly errno: string;
  readonly message: string;
}

/** An open socket and what is received on it. */
export interface BoundSocket {
  readonly fd: FileDescriptor;
  readonly address: IpAddress;
  readonly port: number;
  /** Index of the interface that the address names, 0 where it names none. */
  readonly scopeId: number;
  /** Datagrams of IKE begin with the non-ESP marker here (RFC 7296 §2.23, RFC 3948 §2.2); all else is ESP. */
  readonly encapsulated: boolean;
}

/**
 * IKE over UDP: one socket for each local address and port, so that an answer leaves from where the question came to.
 */
export class UdpTransport implements Transport {
  readonly #sockets = new Map<string, { readonly socket: BoundSocket; readonly watch: ReadWatch }>();
  readonly #ports: IkePorts;
  readonly #observer: TransportObserver;
  #receiver: (path: Path, bytes: Uint8Array) => void = () => {};

  constructor(ports: IkePorts, observer: TransportObserver) {
    this.#ports = ports;
    this.#observer = observer;
  }

  /** What it listens on. */
  get sockets(): readonly BoundSocket[] {
    return Array.from(this.#sockets.values(), ({ socket }) => socket);
  }

  /** Where it listens. */
  get addresses(): readonly IpAddress[] {
    return [...new Set(this.sockets.map((socket) => socket.address))];
  }

  /** Addresses on whose interface no socket is any more: it has been removed, or made anew. */
  get stale(): readonly IpAddress[] {
    return this.addresses.filter((address) => {
      const zone = zoneOf(address);
      const sockets = this.sockets.filter((socket) => socket.address === address);
      return zone !== undefined && sockets.some(({ scopeId }) => scopeId !== interfaceIndex(zone));
    });
  }

  /** Opens two sockets for each address that has none; on failure none of them stays open. */
  listen(addresses: readonly IpAddress[]): Result<void, SocketFailure> {
    const sockets: BoundSocket[] = [];
    const listening = new Set(this.addresses);
    for (const address of addresses.filter((one) => !listening.has(one))) {
      for (const encapsulated of [false, true]) {
        const port = encapsulated ? this.#ports.natTraversal : this.#ports.ike;
        const opened = openSocket(address, port, encapsulated);
        if (!opened.ok) {
          for (const { fd } of sockets) closeDescriptor(fd);
          const { errno, message } = opened.error;
          return err({ kind: 'socketFailure', address, port, errno, message });
        }
        sockets.push(opened.value);
      }
    }
    this.add(sockets);
    return ok(undefined);
  }

  /** Takes over sockets that somebody else has opened; they are closed with the others. */
  add(sockets: readonly BoundSocket[]): void {
    for (const socket of sockets) {
      const watch = watchReadable(socket.fd, () => this.#receive(socket));
      this.#sockets.set(socketKey(socket.address, socket.port), { socket, watch });
    }
  }

  /** Closes the sockets of all other addresses. */
  retain(addresses: readonly IpAddress[]): void {
    for (const [key, { socket, watch }] of this.#sockets) {
      if (addresses.includes(socket.address)) continue;
      this.#sockets.delete(key);
      watch.close();
      closeDescriptor(socket.fd);
    }
  }

  send(path: Path, bytes: Uint8Array): void {
    this.#send(path, ({ encapsulated }) => (encapsulated ? marked(bytes) : bytes));
  }

  sendKeepalive(path: Path): void {
    this.#send(path, () => KEEPALIVE_DATAGRAM);
  }

  onDatagram(receiver: (path: Path, bytes: Uint8Array) => void): void {
    this.#receiver = receiver;
  }

  close(): void {
    this.retain([]);
  }

  #send(path: Path, datagram: (socket: BoundSocket) => Uint8Array): void {
    const socket = this.#sockets.get(socketKey(path.localAddress, path.localPort))?.socket;
    const outcome = socket === undefined ? err(noSocket(path)) : sendFrom(socket, path, datagram(socket));
    // A lost datagram is nothing new to IKE: it repeats its requests.
    if (!outcome.ok) this.#observer.sendFailed(path, outcome.error);
  }

  /** Takes in a bounded number of datagrams; the socket stays readable, so that the rest comes in the next turn. */
  #receive(socket: BoundSocket): void {
    for (let count = 0; count < MAX_DATAGRAMS_PER_TURN; count += 1) {
      // Whoever takes in a datagram may close the socket.
      if (!this.#sockets.has(socketKey(socket.address, socket.port))) return;
      const received = receiveFrom(socket.fd, receiveBuffer);
      // An error belongs to a datagram sent earlier (ICMP): it was reported by being read.
      if (!received.ok) continue;
      if (received.value === undefined) return;
      this.#datagram(socket, received.value.length, received.value.sender);
    }
  }

  #datagram(socket: BoundSocket, length: number, sockaddr: Uint8Array): void {
    const start = socket.encapsulated ? NON_ESP_MARKER_BYTES : 0;
    const reason = dropReason(socket, length);
    const sender = decodeSocketAddress(sockaddr);
    if (reason !== undefined) {
      this.#observer.dropped(reason);
    } else if (sender === undefined) {
      this.#observer.dropped('unknownSender');
    } else {
      const path: Path = {
        localAddress: socket.address,
        localPort: socket.port,
        remoteAddress: inZone(ipAddressFromBytes(sender.address), zoneOf(socket.address)),
        remotePort: sender.port,
      };
      this.#receiver(path, receiveBuffer.slice(start, length));
    }
  }
}

function openSocket(address: IpAddress, port: number, encapsulated: boolean): Result<BoundSocket, SystemError> {
  const local = socketAddress(address, port);
  if (local === undefined) return err(noInterface(address));
  const opened = openUdpSocket({ local, espInUdp: encapsulated });
  if (!opened.ok) return opened;
  const fd = opened.value;
  // Less than asked for is what the host allows, and enough but for a storm.
  setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  const name = socketName(fd);
  const bound = name.ok ? decodeSocketAddress(name.value)?.port : undefined;
  return ok({ fd, address, port: bound ?? port, scopeId: local.scopeId ?? 0, encapsulated });
}

/** Undefined where there is no interface of the name that the address has behind it. */
function socketAddress(address: IpAddress, port: number): SocketAddress | undefined {
  const zone = zoneOf(address);
  const scopeId = zone === undefined ? 0 : interfaceIndex(zone);
  return scopeId === undefined ? undefined : { address: ipAddressBytes(address), port, scopeId };
}

/** A link-local peer is on the link of the address that it is sent to from: nothing is looked up for each datagram. */
function sendFrom(socket: BoundSocket, { remoteAddress, remotePort }: Path, bytes: Uint8Array) {
  const scopeId = zoneOf(remoteAddress) === undefined ? 0 : socket.scopeId;
  const address = encodeSocketAddress({ address: ipAddressBytes(remoteAddress), port: remotePort, scopeId });
  return sendTo(socket.fd, bytes, address);
}

/** Judges the datagram that is in the receive buffer. */
function dropReason(socket: BoundSocket, length: number): TransportDrop | undefined {
  if (length === 1 && receiveBuffer[0] === KEEPALIVE) return 'keepalive';
  if (length > receiveBuffer.length) return 'oversized';
  if (!socket.encapsulated) return length < LEAST_IKE_BYTES ? 'short' : undefined;
  if (length < NON_ESP_MARKER_BYTES + LEAST_IKE_BYTES) return 'short';
  const marker = receiveBuffer.subarray(0, NON_ESP_MARKER_BYTES);
  return marker.every((byte) => byte === 0) ? undefined : 'notIke';
}

function marked(bytes: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(NON_ESP_MARKER_BYTES + bytes.length);
  datagram.set(bytes, NON_ESP_MARKER_BYTES);
  return datagram;
}

function socketKey(address: IpAddress, port: number): string {
  return `${address} ${port}`;
}

function noInterface(address: IpAddress): SystemError {
  return { kind: 'systemError', call: 'if_nametoindex', errno: 'ENODEV', message: `no interface ${zoneOf(address)}` };
}

function noSocket(path: Path): SendFailure {
  const message = `no socket at ${path.localAddress} port ${path.localPort}`;
  return { errno: 'EADDRNOTAVAIL', message };
}

const NON_ESP_MARKER_BYTES = 4;
const LEAST_IKE_BYTES = 28;
const KEEPALIVE = 0xff;
const KEEPALIVE_DATAGRAM = Uint8Array.of(KEEPALIVE);
/** As libuv does for its own sockets: a flood on one must leave room for the timers and for the other sockets. */
const MAX_DATAGRAMS_PER_TURN = 32;
/** Twice the longest chain of RSA certificates in one unfragmented IKE_AUTH. */
const MAX_DATAGRAM_BYTES = 32_768;
/** A thousand peers that begin at once, some 500 bytes each, while one turn of the loop is busy. */
const RECEIVE_BUFFER_BYTES = 1_048_576;
/** One for all sockets: it is read only until the next datagram is received. */
const receiveBuffer = new Uint8Array(MAX_DATAGRAM_BYTES);
// asm-generic/socket.h
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;

import type { Path } from '../ike/types.ts';
import { closeDescriptor, interfaceIndex, type ReadWatch, receiveFrom, sendTo, watchReadable } from '../native/libc.ts';
import { decodeSocketAddress, encodeSocketAddress } from '../native/socket-address.ts';
import { setFragmentation } from '../native/udp-socket.ts';
import type { Transport } from '../ports.ts';
import { err, ok, type Result } from '../result.ts';
import { type IpAddress, inZone, ipAddressBytes, ipAddressFromBytes, ipFamily, zoneOf } from '../wire/ip-address.ts';
import { type BoundSocket, type HolderState, heldName, openIkeSocket, type SocketHolder } from './udp-ike-socket.ts';

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

/**
 * IKE over UDP: one socket for each local address and port, so that an answer leaves from where the question came to.
 */
export class UdpTransport implements Transport {
  readonly #sockets = new Map<string, WatchedSocket>();
  readonly #ports: IkePorts;
  readonly #observer: TransportObserver;
  readonly #holder: SocketHolder | undefined;
  #receiver: (path: Path, bytes: Uint8Array) => void = () => {};

  /** With a holder, the sockets of ESP in UDP are those that it has, and are left to it at the end. */
  constructor(ports: IkePorts, observer: TransportObserver, holder?: SocketHolder) {
    this.#ports = ports;
    this.#observer = observer;
    this.#holder = holder;
  }

  /** Who keeps the sockets of ESP in UDP beside this process; undefined where nobody was asked. */
  get holder(): HolderState | undefined {
    return this.#holder?.state;
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
    this.#holder?.start();
    const sockets: BoundSocket[] = [];
    const listening = new Set(this.addresses);
    for (const address of addresses.filter((one) => !listening.has(one))) {
      for (const encapsulated of [false, true]) {
        const port = encapsulated ? this.#ports.natTraversal : this.#ports.ike;
        const opened = openIkeSocket(address, port, encapsulated, this.#holder);
        if (!opened.ok) {
          for (const { fd } of sockets) closeDescriptor(fd);
          const { errno, message } = opened.error;
          return err({ kind: 'socketFailure', address, port, errno, message });
        }
        sockets.push(opened.value);
      }
    }
    for (const socket of sockets) {
      const watch = watchReadable(socket.fd, () => this.#receive(socket));
      this.#sockets.set(socketKey(socket.address, socket.port), { socket, watch });
    }
    if (sockets.length > 0) this.#tellHolder();
    return ok(undefined);
  }

  /** Closes the sockets of all other addresses, wherever they are held. */
  retain(addresses: readonly IpAddress[]): void {
    const others = [...this.#sockets].filter(([, { socket }]) => !addresses.includes(socket.address));
    for (const [key] of others) this.#sockets.delete(key);
    if (others.length > 0) this.#tellHolder();
    for (const [, each] of others) closeSocket(each);
  }

  send(path: Path, bytes: Uint8Array, doNotFragment = false): void {
    this.#send(path, ({ encapsulated }) => (encapsulated ? marked(bytes) : bytes), doNotFragment);
  }

  sendKeepalive(path: Path): void {
    const socket = this.#send(path, () => KEEPALIVE_DATAGRAM);
    if (socket?.encapsulated === true) this.#holder?.keepalive(heldName(socket), remoteSocketAddress(socket, path));
  }

  onDatagram(receiver: (path: Path, bytes: Uint8Array) => void): void {
    this.#receiver = receiver;
  }

  /** Lets go of the sockets; a holder keeps those of ESP in UDP. */
  close(): void {
    this.#holder?.close();
    for (const each of this.#sockets.values()) closeSocket(each);
    this.#sockets.clear();
  }

  #tellHolder(): void {
    const encapsulated = this.sockets.filter((socket) => socket.encapsulated);
    this.#holder?.hold(new Map(encapsulated.map((socket) => [heldName(socket), socket.fd])));
  }

  /** The socket that it was sent from. */
  #send(path: Path, datagram: (socket: BoundSocket) => Uint8Array, doNotFragment = false): BoundSocket | undefined {
    const socket = this.#sockets.get(socketKey(path.localAddress, path.localPort))?.socket;
    const send = doNotFragment ? sendWhole : sendFrom;
    const outcome = socket === undefined ? err(noSocket(path)) : send(socket, path, datagram(socket));
    // A lost datagram is nothing new to IKE: it repeats its requests.
    if (!outcome.ok) this.#observer.sendFailed(path, outcome.error);
    return socket;
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

interface WatchedSocket {
  readonly socket: BoundSocket;
  readonly watch: ReadWatch;
}

function closeSocket({ socket, watch }: WatchedSocket): void {
  watch.close();
  closeDescriptor(socket.fd);
}

function sendFrom(socket: BoundSocket, path: Path, bytes: Uint8Array) {
  return sendTo(socket.fd, bytes, remoteSocketAddress(socket, path));
}

/** The setting is the socket's, for whatever it sends; nothing else is sent meanwhile. */
function sendWhole(socket: BoundSocket, path: Path, bytes: Uint8Array) {
  const set = setFragmentation(socket.fd, ipFamily(socket.address), 'never');
  if (!set.ok) return set;
  const outcome = sendFrom(socket, path, bytes);
  setFragmentation(socket.fd, ipFamily(socket.address), 'whereNeeded');
  return outcome;
}

/** A link-local peer is on the link of the address that it is sent to from: nothing is looked up for each datagram. */
function remoteSocketAddress({ scopeId }: BoundSocket, { remoteAddress, remotePort }: Path): Uint8Array {
  const address = ipAddressBytes(remoteAddress);
  return encodeSocketAddress({ address, port: remotePort, scopeId: zoneOf(remoteAddress) === undefined ? 0 : scopeId });
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
/** One for all sockets: it is read only until the next datagram is received. */
const receiveBuffer = new Uint8Array(MAX_DATAGRAM_BYTES);

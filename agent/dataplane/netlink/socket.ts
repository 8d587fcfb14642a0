import {
  bindSocket,
  closeDescriptor,
  type FileDescriptor,
  openSocket,
  type ReadWatch,
  receiveFrom,
  type SystemError,
  sendTo,
  setSocketOption,
  socketName,
  watchReadable,
} from '../../native/libc.ts';
import { err, ok, type Result } from '../../result.ts';
import { hostView } from './host-order.ts';

/** A netlink socket, as far as the layers above it see it; tests bring their own. */
export interface NetlinkSocket {
  /** Number of this socket in the kernel: messages for it carry it. */
  readonly port: number;
  /** Sends one datagram to the kernel. */
  send(datagram: Uint8Array): Result<void, SystemError>;
  /** Receives one datagram from the kernel into `buffer` and tells its length; undefined when there is none. */
  receive(buffer: Uint8Array): Result<number | undefined, SystemError>;
  /** Calls back from the event loop while there is something to receive. */
  watch(onReadable: () => void): void;
  close(): void;
}

/** Opens a socket of a netlink family (such as NETLINK_XFRM) and joins multicast groups, numbered from 1 to 32. */
export function openNetlinkSocket(family: number, groups: readonly number[]): Result<NetlinkSocket, SystemError> {
  const opened = openSocket(AF_NETLINK, SOCK_RAW, family);
  if (!opened.ok) return opened;
  const port = prepare(opened.value, groups);
  if (!port.ok) {
    closeDescriptor(opened.value);
    return port;
  }
  return ok(new KernelSocket(opened.value, port.value));
}

/** Bytes that a socket may hold before events are lost; what charon asks for, some ten thousand events. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;

/** Twice what clamps for 20,000 Child SAs take; nothing lies there once a call has returned. */
const SEND_BUFFER_BYTES = 4 * 1024 * 1024;

class KernelSocket implements NetlinkSocket {
  readonly port: number;
  readonly #fd: FileDescriptor;
  #watch: ReadWatch | undefined;
  #closed = false;

  constructor(fd: FileDescriptor, port: number) {
    this.#fd = fd;
    this.port = port;
  }

  send(datagram: Uint8Array): Result<void, SystemError> {
    return sendTo(this.#fd, datagram);
  }

  receive(buffer: Uint8Array): Result<number | undefined, SystemError> {
    for (let strays = 0; strays < MAX_STRAYS; strays++) {
      const received = receiveFrom(this.#fd, buffer);
      if (!received.ok || received.value === undefined) return received.ok ? ok(undefined) : received;
      const { sender, length } = received.value;
      // Other processes may send to a netlink socket, too; only port 0 is the kernel.
      if (sender.length >= SOCKADDR_NL_BYTES && hostView(sender).getUint32(4) === 0) return ok(length);
    }
    return ok(undefined);
  }

  watch(onReadable: () => void): void {
    this.#watch = watchReadable(this.#fd, onReadable);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch?.close();
    closeDescriptor(this.#fd);
  }
}

function prepare(fd: FileDescriptor, groups: readonly number[]): Result<number, SystemError> {
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) {
    const set = setSocketOption(fd, SOL_NETLINK, option, 1);
    if (!set.ok) return set;
  }
  // Without CAP_NET_ADMIN the size stays what the system allows: then events are lost earlier, and dumped again.
  const forced = setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
  if (!forced.ok) setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  // What is sent must fit whole, and a batch may be long.
  setSocketOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
  const address = new Uint8Array(SOCKADDR_NL_BYTES);
  const view = hostView(address);
  view.setUint16(0, AF_NETLINK);
  view.setUint32(8, groups.reduce((mask, group) => mask | (1 << (group - 1)), 0) >>> 0);
  const bound = bindSocket(fd, address);
  if (!bound.ok) return bound;
  const name = socketName(fd);
  if (!name.ok) return err(name.error);
  return ok(hostView(name.value).getUint32(4));
}

// linux/netlink.h, asm-generic/socket.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOCKADDR_NL_BYTES = 12;
/** Datagrams of other senders that one receive skips, so that they cannot keep it busy. */
const MAX_STRAYS = 64;

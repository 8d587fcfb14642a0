import { type FileDescriptor, interfaceIndex, type SystemError, setSocketOption, socketName } from '../native/libc.ts';
import { decodeSocketAddress, type SocketAddress } from '../native/socket-address.ts';
import { adoptUdpSocket, openUdpSocket, type UdpSocketOptions } from '../native/udp-socket.ts';
import { err, ok, type Result } from '../result.ts';
import { type IpAddress, ipAddressBytes, zoneOf } from '../wire/ip-address.ts';

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

/** Whether somebody else keeps sockets open, too. */
export type HolderState =
  | { readonly kind: 'holding'; readonly path: string; readonly sinceMs: number }
  | { readonly kind: 'absent'; readonly path: string; readonly reason: string };

/** Another process, which keeps sockets open when this one ends: the kernel takes ESP out of UDP only while there is one. */
export interface SocketHolder {
  /** Undefined before it was first looked for. */
  readonly state: HolderState | undefined;
  /** Looks for it, now and whenever it is not there. */
  start(): void;
  /** A socket that it has of this name; the caller's own. */
  take(name: string): FileDescriptor | undefined;
  /** Has exactly these sockets held; whoever closes one of them says so before. */
  hold(sockets: ReadonlyMap<string, FileDescriptor>): void;
  /** A NAT keepalive was sent from one of them to `to`, a struct sockaddr. */
  keepalive(name: string, to: Uint8Array): void;
  /** Lets it alone; it keeps what it has. */
  close(): void;
}

/** By which a holder knows a socket. */
export function heldName({ address, port, scopeId }: Pick<BoundSocket, 'address' | 'port' | 'scopeId'>): string {
  return `${address} port ${port}${scopeId === 0 ? '' : ` interface ${scopeId}`}`;
}

/** A socket of IKE; of those for ESP in UDP one that a holder has, if there is. */
export function openIkeSocket(
  address: IpAddress,
  port: number,
  encapsulated: boolean,
  holder: SocketHolder | undefined,
): Result<BoundSocket, SystemError> {
  const local = socketAddress(address, port);
  if (local === undefined) return err(noInterface(address));
  const { scopeId = 0 } = local;
  const options = { local, espInUdp: encapsulated };
  const held = encapsulated ? holder?.take(heldName({ address, port, scopeId })) : undefined;
  const opened = held === undefined ? openUdpSocket(options) : takeOver(held, options);
  if (!opened.ok) return opened;
  const fd = opened.value;
  // Less than asked for is what the host allows, and enough but for a storm.
  setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  const name = socketName(fd);
  const bound = name.ok ? decodeSocketAddress(name.value)?.port : undefined;
  return ok({ fd, address, port: bound ?? port, scopeId, encapsulated });
}

/** One that is not what its name says, as of another network namespace, is of no use. */
function takeOver(held: FileDescriptor, options: UdpSocketOptions): Result<FileDescriptor, SystemError> {
  const adopted = adoptUdpSocket(held, options);
  return adopted.ok ? adopted : openUdpSocket(options);
}

/** Undefined where there is no interface of the name that the address has behind it. */
function socketAddress(address: IpAddress, port: number): SocketAddress | undefined {
  const zone = zoneOf(address);
  const scopeId = zone === undefined ? 0 : interfaceIndex(zone);
  return scopeId === undefined ? undefined : { address: ipAddressBytes(address), port, scopeId };
}

function noInterface(address: IpAddress): SystemError {
  return { kind: 'systemError', call: 'if_nametoindex', errno: 'ENODEV', message: `no interface ${zoneOf(address)}` };
}

/** A thousand peers that begin at once, some 500 bytes each, while one turn of the loop is busy. */
const RECEIVE_BUFFER_BYTES = 1_048_576;
// asm-generic/socket.h
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;

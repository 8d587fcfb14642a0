import { err, ok, type Result } from '../result.ts';
import {
  acceptSocket,
  bindSocket,
  closeDescriptor,
  connectSocket,
  type FileDescriptor,
  listenSocket,
  openSocket,
  receiveMessage,
  type SystemError,
  sendMessage,
  socketOption,
} from './libc.ts';

/** What came in one message of a Unix socket. */
export interface UnixMessage {
  /** A copy. */
  readonly bytes: Uint8Array;
  /** The receiver's own; whoever takes the message closes it. */
  readonly descriptor: FileDescriptor | undefined;
  /** The message, or what came with it, was more than may be received: the rest of it is lost. */
  readonly isCutOff: boolean;
}

/** A socket of this file system that takes connections, each of which carries whole messages; nobody may be there yet. */
export function listenUnix(path: string, backlog: number): Result<FileDescriptor, SystemError> {
  const opened = openSocket(AF_UNIX, SOCK_SEQPACKET, 0);
  if (!opened.ok) return opened;
  const bound = bindSocket(opened.value, unixAddress(path));
  const listening = bound.ok ? listenSocket(opened.value, backlog) : bound;
  return listening.ok ? opened : closed(opened.value, listening.error);
}

/** Takes a connection, and tells which user made it. */
export function acceptUnix(
  listener: FileDescriptor,
): Result<{ readonly fd: FileDescriptor; readonly uid: number }, SystemError> {
  const accepted = acceptSocket(listener);
  if (!accepted.ok) return accepted;
  const credentials = socketOption(accepted.value, SOL_SOCKET, SO_PEERCRED, UCRED_BYTES);
  if (!credentials.ok) return closed(accepted.value, credentials.error);
  return ok({ fd: accepted.value, uid: new Uint32Array(credentials.value.buffer)[1] ?? NOBODY });
}

/** A connection to whoever listens at `path`. */
export function connectUnix(path: string): Result<FileDescriptor, SystemError> {
  const opened = openSocket(AF_UNIX, SOCK_SEQPACKET, 0);
  if (!opened.ok) return opened;
  const connected = connectSocket(opened.value, unixAddress(path));
  return connected.ok ? opened : closed(opened.value, connected.error);
}

/** Sends one message, and with it a descriptor, which stays open here. */
export function sendUnix(
  fd: FileDescriptor,
  bytes: Uint8Array,
  descriptor?: FileDescriptor,
): Result<void, SystemError> {
  return sendMessage(fd, bytes, descriptor === undefined ? undefined : rights(descriptor));
}

/**
 * Receives one message of at most as many bytes as `buffer` has; one of no bytes means that the other end has gone, and
 * undefined that nothing has come.
 */
export function receiveUnix(fd: FileDescriptor, buffer: Uint8Array): Result<UnixMessage | undefined, SystemError> {
  const control = new Uint8Array(RIGHTS_BYTES);
  const received = receiveMessage(fd, buffer, control);
  if (!received.ok || received.value === undefined) return received.ok ? ok(undefined) : received;
  const { length, flags } = received.value;
  const [, level, type, descriptor] = new Int32Array(control.buffer, LENGTH_OFFSET);
  const hasDescriptor = level === SOL_SOCKET && type === SCM_RIGHTS;
  return ok({
    bytes: buffer.slice(0, length),
    descriptor: hasDescriptor ? descriptor : undefined,
    isCutOff: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
  });
}

/** Of sun_path in struct sockaddr_un, without its final zero. */
export const MAX_UNIX_PATH_BYTES = 107;

/** struct sockaddr_un; a path that is too long has been refused before. */
function unixAddress(path: string): Uint8Array {
  const bytes = new Uint8Array(2 + MAX_UNIX_PATH_BYTES + 1);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(new TextEncoder().encode(path).subarray(0, MAX_UNIX_PATH_BYTES), 2);
  return bytes;
}

/** struct cmsghdr with one descriptor. */
function rights(descriptor: FileDescriptor): Uint8Array {
  return new Uint8Array(Int32Array.of(RIGHTS_BYTES, 0, SOL_SOCKET, SCM_RIGHTS, descriptor).buffer);
}

function closed(fd: FileDescriptor, error: SystemError): Result<never, SystemError> {
  closeDescriptor(fd);
  return err(error);
}

// linux/socket.h, linux/net.h, asm-generic/socket.h
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid, gid. */
const UCRED_BYTES = 12;
const NOBODY = 0xffff_ffff;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x08;
const MSG_TRUNC = 0x20;
/**
 * CMSG_LEN of one descriptor, without the padding to 24: the kernel would fill that with a second one, if two are sent.
 */
const RIGHTS_BYTES = 20;
/** The upper half of cmsg_len, a size_t. */
const LENGTH_OFFSET = 4;

import { constants } from 'node:os';

import koffi from 'koffi';

import { err, ok, type Result } from '../result.ts';

/** A file descriptor of this process. */
export type FileDescriptor = number;

/** A call of the C library that failed. */
export interface SystemError {
  readonly kind: 'systemError';
  /** `bind`, `sendto`, … */
  readonly call: string;
  /** `EADDRINUSE`, `EPERM`, …; `E` and the number where the name is not known. */
  readonly errno: string;
  /** The C library's text for it. */
  readonly message: string;
}

/** What was received and from whom. */
export interface Received {
  /** Bytes of the datagram; more than the buffer holds if it was cut off. */
  readonly length: number;
  /** struct sockaddr of the sender, a copy. */
  readonly sender: Uint8Array;
}

/** Calls back while a descriptor can be read; must be closed before the descriptor is. */
export interface ReadWatch {
  close(): void;
}

/** A new socket with close-on-exec and non-blocking set. */
export function openSocket(family: number, type: number, protocol: number): Result<FileDescriptor, SystemError> {
  return checked('socket', calls.socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

/** Gives a socket its address, a struct sockaddr. */
export function bindSocket(fd: FileDescriptor, address: Uint8Array): Result<void, SystemError> {
  return done(checked('bind', calls.bind(fd, address, address.length)));
}

/** Connects a socket to an address, a struct sockaddr. */
export function connectSocket(fd: FileDescriptor, address: Uint8Array): Result<void, SystemError> {
  return done(checked('connect', calls.connect(fd, address, address.length)));
}

/** Has a bound socket take connections, so many of which may wait. */
export function listenSocket(fd: FileDescriptor, backlog: number): Result<void, SystemError> {
  return done(checked('listen', calls.listen(fd, backlog)));
}

/** Takes a connection, non-blocking and with close-on-exec set. */
export function acceptSocket(fd: FileDescriptor): Result<FileDescriptor, SystemError> {
  return checked('accept4', calls.accept4(fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

/** The address of a socket as a struct sockaddr. */
export function socketName(fd: FileDescriptor): Result<Uint8Array, SystemError> {
  const address = new Uint8Array(SOCKADDR_BYTES);
  const length = [address.length];
  const outcome = checked('getsockname', calls.getsockname(fd, address, length));
  return outcome.ok ? ok(address.slice(0, length[0])) : outcome;
}

/** Sets a socket option; a number is passed as a C int. */
export function setSocketOption(
  fd: FileDescriptor,
  level: number,
  option: number,
  value: number | Uint8Array,
): Result<void, SystemError> {
  const bytes = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value;
  return done(checked('setsockopt', calls.setsockopt(fd, level, option, bytes, bytes.length)));
}

/** Reads a socket option of so many bytes. */
export function socketOption(
  fd: FileDescriptor,
  level: number,
  option: number,
  bytes: number,
): Result<Uint8Array, SystemError> {
  const value = new Uint8Array(bytes);
  const outcome = checked('getsockopt', calls.getsockopt(fd, level, option, value, [bytes]));
  return outcome.ok ? ok(value) : outcome;
}

/** Has a socket take only what a classic BPF program lets through: `instructions` are struct sock_filter, 8 bytes each. */
export function attachFilter(fd: FileDescriptor, instructions: Uint8Array): Result<void, SystemError> {
  const program = { length: instructions.length / SOCK_FILTER_BYTES, instructions };
  return done(checked('setsockopt', calls.attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, SOCK_FPROG_BYTES)));
}

/** Sends one datagram, to `address` (a struct sockaddr) or where the socket is connected to. */
export function sendTo(fd: FileDescriptor, bytes: Uint8Array, address?: Uint8Array): Result<void, SystemError> {
  return done(checked('sendto', calls.sendto(fd, bytes, bytes.length, 0, address ?? null, address?.length ?? 0)));
}

/** Receives one datagram into `buffer`; undefined when there is none. */
export function receiveFrom(fd: FileDescriptor, buffer: Uint8Array): Result<Received | undefined, SystemError> {
  const senderLength = [senderScratch.length];
  const length = calls.recvfrom(fd, buffer, buffer.length, MSG_TRUNC, senderScratch, senderLength);
  if (length < 0) {
    const number = koffi.errno();
    return number === constants.errno.EAGAIN ? ok(undefined) : err(systemError('recvfrom', number));
  }
  return ok({ length, sender: senderScratch.slice(0, senderLength[0]) });
}

/** Sends one message with ancillary data, whole struct cmsghdr, on a connected socket, without a signal if nobody reads. */
export function sendMessage(fd: FileDescriptor, bytes: Uint8Array, control?: Uint8Array): Result<void, SystemError> {
  return done(checked('sendmsg', calls.sendmsg(fd, messageHeader(bytes, control), MSG_NOSIGNAL)));
}

/**
 * Receives one message, its ancillary data into `control`, and says what MSG_ flags it has; undefined when there is
 * none. Descriptors among the ancillary data have close-on-exec set and are the caller's.
 */
export function receiveMessage(
  fd: FileDescriptor,
  buffer: Uint8Array,
  control: Uint8Array,
): Result<{ readonly length: number; readonly flags: number } | undefined, SystemError> {
  const header = messageHeader(buffer, control);
  const length = calls.recvmsg(fd, header, MSG_CMSG_CLOEXEC);
  if (length >= 0) return ok({ length, flags: header.flags });
  const number = koffi.errno();
  return number === constants.errno.EAGAIN ? ok(undefined) : err(systemError('recvmsg', number));
}

/**
 * Has this thread wait until a descriptor can be read, has ended or failed; false when it has not for so long, or a signal
 * came. Non-blocking sockets that are watched can be waited for in no other way.
 */
export function waitReadable(fd: FileDescriptor, mostMs: number): boolean {
  // struct pollfd: fd, events, revents.
  const awaited = new Uint8Array(8);
  const view = new DataView(awaited.buffer);
  view.setInt32(0, fd, true);
  view.setInt16(4, POLLIN, true);
  return calls.poll(awaited, 1, mostMs) > 0;
}

/**
 * Locks a file or folder for whoever has the descriptor, until it is closed or its process ends; undefined where somebody else
 * has locked it. Nothing is written for it.
 */
export function lockPath(path: string): Result<FileDescriptor | undefined, SystemError> {
  const opened = checked('open', calls.open(path, O_RDONLY | O_CLOEXEC));
  if (!opened.ok || calls.flock(opened.value, LOCK_EX | LOCK_NB) === 0) return opened;
  const number = koffi.errno();
  closeDescriptor(opened.value);
  return number === constants.errno.EAGAIN ? ok(undefined) : err(systemError('flock', number));
}

/** Closes a descriptor. */
export function closeDescriptor(fd: FileDescriptor): void {
  calls.close(fd);
}

/**
 * Calls `onReadable` from the event loop whenever `fd` can be read or has an error to tell, and keeps the process alive
 * until closed. The descriptor must not be watched twice.
 */
export function watchReadable(fd: FileDescriptor, onReadable: () => void): ReadWatch {
  let closed = false;
  const callback = (status: number): void => {
    onReadable();
    // libuv gives a descriptor up once it has reported an error, such as that a netlink socket has overflowed.
    if (status < 0 && !closed) handle.start(READABLE, called);
  };
  // The package's types leave out the status, which comes first.
  const called = callback as unknown as () => void;
  const handle = koffi.node.poll(fd, READABLE, called);
  return {
    close: () => {
      closed = true;
      handle.close();
    },
  };
}

/**
 * Runs `work` with this thread in the network namespace that `path` names (such as /run/netns/n1) and comes back.
 * Sockets made meanwhile stay in that namespace. `work` must be synchronous.
 */
export function inNetworkNamespace<T>(path: string, work: () => T): Result<T, SystemError> {
  const home = checked('open', calls.open('/proc/thread-self/ns/net', O_RDONLY | O_CLOEXEC));
  if (!home.ok) return home;
  const target = checked('open', calls.open(path, O_RDONLY | O_CLOEXEC));
  if (!target.ok) {
    closeDescriptor(home.value);
    return target;
  }
  try {
    const entered = checked('setns', calls.setns(target.value, CLONE_NEWNET));
    if (!entered.ok) return entered;
    try {
      return ok(work());
    } finally {
      returnTo(home.value);
    }
  } finally {
    closeDescriptor(target.value);
    closeDescriptor(home.value);
  }
}

/** The index of a network interface of this thread's namespace; undefined where there is none of that name. */
export function interfaceIndex(name: string): number | undefined {
  const index = calls.if_nametoindex(name);
  return index === 0 ? undefined : index;
}

/** The name of a network interface of this thread's namespace; undefined where there is none of that index. */
export function interfaceName(index: number): string | undefined {
  const name = new Uint8Array(IF_NAMESIZE);
  if (calls.if_indextoname(index, name) === null) return undefined;
  return new TextDecoder('latin1').decode(name.subarray(0, name.indexOf(0)));
}

/** `ESRCH` for 3; `E` and the number where there is no name. */
export function errnoName(number: number): string {
  return names.get(number) ?? `E${number}`;
}

/** The C library's text for an errno. */
function errnoText(number: number): string {
  return calls.strerror(number);
}

/** Going on in the wrong namespace would be worse than ending. */
function returnTo(namespace: FileDescriptor): void {
  if (calls.setns(namespace, CLONE_NEWNET) !== 0) throw new Error('cannot return to the own network namespace');
}

function checked(call: string, outcome: number): Result<number, SystemError> {
  return outcome < 0 ? err(systemError(call, koffi.errno())) : ok(outcome);
}

function done(outcome: Result<number, SystemError>): Result<void, SystemError> {
  return outcome.ok ? ok(undefined) : outcome;
}

function systemError(call: string, number: number): SystemError {
  return { kind: 'systemError', call, errno: errnoName(number), message: errnoText(number) };
}

// Every number below is the same on x86-64 and arm64, the two architectures that the agent runs on.
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_TRUNC = 0x20;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const POLLIN = 1;
const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const LOCK_EX = 2;
const LOCK_NB = 4;
const CLONE_NEWNET = 0x40000000;
const IF_NAMESIZE = 16;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SOCK_FILTER_BYTES = 8;
/** sizeof(struct sock_fprog), its padding included. */
const SOCK_FPROG_BYTES = 16;

const READABLE = { readable: true } as const;
/** sizeof(struct sockaddr_storage): room for every address family. */
const SOCKADDR_BYTES = 128;

const senderScratch = new Uint8Array(SOCKADDR_BYTES);

/** The prototypes; a wrong one crashes the process, so each stands as in the manual page. */
interface Calls {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: number[]): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number;
  attachFilter(fd: number, level: number, option: number, program: SocketFilter, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: null, length: null, flags: number): number;
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number[]): number;
  sendmsg(fd: number, message: MessageHeader, flags: number): number;
  recvmsg(fd: number, message: MessageHeader, flags: number): number;
  sendto(fd: number, bytes: Uint8Array, n: number, flags: number, address: Uint8Array | null, length: number): number;
  recvfrom(fd: number, bytes: Uint8Array, n: number, flags: number, address: Uint8Array, length: number[]): number;
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): number;
  close(fd: number): number;
  open(path: string, flags: number): number;
  flock(fd: number, operation: number): number;
  setns(fd: number, type: number): number;
  strerror(number: number): string;
  if_nametoindex(name: string): number;
  if_indextoname(index: number, name: Uint8Array): unknown;
}

/** struct sock_fprog. */
interface SocketFilter {
  readonly length: number;
  readonly instructions: Uint8Array;
}

/** struct msghdr, of a connected socket and one buffer. */
interface MessageHeader {
  readonly name: null;
  readonly nameLength: 0;
  readonly vectors: readonly [{ readonly base: Uint8Array; readonly length: number }];
  readonly vectorCount: 1;
  readonly control: Uint8Array | null;
  readonly controlLength: number;
  readonly flags: number;
}

function messageHeader(base: Uint8Array, control?: Uint8Array): MessageHeader {
  return {
    name: null,
    nameLength: 0,
    vectors: [{ base, length: base.length }],
    vectorCount: 1,
    control: control ?? null,
    controlLength: control?.length ?? 0,
    flags: 0,
  };
}

const calls = loadCalls();
const names: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number as number, name]),
);

function loadCalls(): Calls {
  // The process has the C library loaded already; null means whatever it has, glibc or musl.
  const library = koffi.load(null);
  const program = koffi.struct({ length: 'uint16_t', instructions: 'const void *' });
  const attachFilter = library.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(program), 'uint32_t']);
  const vector = koffi.struct({ base: 'void *', length: 'size_t' });
  // As glibc has it; where musl has 32 bits and padding, the padding is 0 in both.
  const message = koffi.struct({
    name: 'void *',
    nameLength: 'uint32_t',
    vectors: koffi.pointer(vector),
    vectorCount: 'size_t',
    control: 'void *',
    controlLength: 'size_t',
    flags: 'int',
  });
  const sendmsg = library.func('sendmsg', 'intptr_t', ['int', koffi.pointer(message), 'int']);
  const recvmsg = library.func('recvmsg', 'intptr_t', ['int', koffi.inout(koffi.pointer(message)), 'int']);
  const prototypes: { readonly [K in Exclude<keyof Calls, 'attachFilter' | 'sendmsg' | 'recvmsg'>]: string } = {
    socket: 'int socket(int domain, int type, int protocol)',
    bind: 'int bind(int fd, const void *address, uint32_t length)',
    getsockname: 'int getsockname(int fd, void *address, _Inout_ uint32_t *length)',
    setsockopt: 'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
    connect: 'int connect(int fd, const void *address, uint32_t length)',
    listen: 'int listen(int fd, int backlog)',
    accept4: 'int accept4(int fd, void *address, void *length, int flags)',
    getsockopt: 'int getsockopt(int fd, int level, int option, void *value, _Inout_ uint32_t *length)',
    sendto: 'intptr_t sendto(int fd, const void *bytes, size_t n, int flags, const void *address, uint32_t length)',
    recvfrom: 'intptr_t recvfrom(int fd, void *bytes, size_t n, int flags, void *address, _Inout_ uint32_t *length)',
    poll: 'int poll(void *fds, unsigned long count, int timeout)',
    close: 'int close(int fd)',
    open: 'int open(const char *path, int flags, ...)',
    flock: 'int flock(int fd, int operation)',
    setns: 'int setns(int fd, int type)',
    strerror: 'const char *strerror(int number)',
    if_nametoindex: 'uint32_t if_nametoindex(const char *name)',
    if_indextoname: 'void *if_indextoname(uint32_t index, void *name)',
  };
  const entries = Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)] as const);
  return { ...Object.fromEntries(entries), attachFilter, sendmsg, recvmsg } as unknown as Calls;
}

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { closeDescriptor, sendMessage, socketName, waitReadable, watchReadable } from './libc.ts';
import { decodeSocketAddress } from './socket-address.ts';
import { openUdpSocket } from './udp-socket.ts';
import { acceptUnix, connectUnix, listenUnix, receiveUnix, sendUnix } from './unix-socket.ts';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-unix-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

let names = 0;

/** Both ends of a connection. */
function connection(): { readonly client: number; readonly server: number; close(): void } {
  names += 1;
  const path = join(folder, `s${names}`);
  const listener = value(listenUnix(path, 1));
  const client = value(connectUnix(path));
  const { fd: server, uid } = value(acceptUnix(listener));
  expect(uid).toBe(process.getuid?.());
  return { client, server, close: () => [listener, client, server].forEach(closeDescriptor) };
}

function value<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (result.ok) return result.value;
  throw new Error(JSON.stringify(result.error));
}

function udpSocket(): number {
  return value(openUdpSocket({ local: { address: Uint8Array.of(127, 0, 0, 1), port: 0 }, espInUdp: false }));
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

const buffer = new Uint8Array(64);
const hello = new TextEncoder().encode('hello');

describe('Unix sockets', () => {
  it('carry whole messages, and a descriptor that is the same socket at the other end', () => {
    const { client, server, close } = connection();
    const socket = udpSocket();
    expect(sendUnix(client, hello, socket).ok).toBe(true);
    expect(sendUnix(client, hello).ok).toBe(true);
    const first = value(receiveUnix(server, buffer));
    expect(first).toMatchObject({ bytes: hello, isCutOff: false });
    const received = first?.descriptor ?? -1;
    expect(received).not.toBe(socket);
    const [name, same] = [socket, received].map((fd) => decodeSocketAddress(value(socketName(fd))));
    expect(same).toEqual(name);
    expect(value(receiveUnix(server, buffer))).toEqual({ bytes: hello, descriptor: undefined, isCutOff: false });
    expect(value(receiveUnix(server, buffer))).toBeUndefined();
    [socket, received].forEach(closeDescriptor);
    close();
  });

  it('let in one descriptor of several, and say so', () => {
    const { client, server, close } = connection();
    const socket = udpSocket();
    const before = openDescriptors();
    // struct cmsghdr with three descriptors: SOL_SOCKET, SCM_RIGHTS.
    const three = new Uint8Array(Int32Array.of(28, 0, 1, 1, socket, socket, socket).buffer);
    expect(sendMessage(client, hello, three).ok).toBe(true);
    const message = value(receiveUnix(server, buffer));
    expect(message).toMatchObject({ bytes: hello, isCutOff: true });
    expect(openDescriptors()).toBe(before + 1);
    [socket, message?.descriptor ?? -1].forEach(closeDescriptor);
    close();
  });

  it('say that a message was longer than may be', () => {
    const { client, server, close } = connection();
    expect(sendUnix(client, new Uint8Array(65).fill(7)).ok).toBe(true);
    expect(value(receiveUnix(server, buffer))).toMatchObject({ bytes: new Uint8Array(64).fill(7), isCutOff: true });
    close();
  });

  it('are waited for no longer than was said, while they are watched, and tell the end of the other side', () => {
    const { client, server, close } = connection();
    const watch = watchReadable(client, () => {});
    const before = performance.now();
    expect(waitReadable(client, 200)).toBe(false);
    expect(performance.now() - before).toBeGreaterThan(150);
    watch.close();
    expect(sendUnix(server, hello).ok).toBe(true);
    expect(waitReadable(client, 60_000)).toBe(true);
    expect(value(receiveUnix(client, buffer))?.bytes).toEqual(hello);
    closeDescriptor(server);
    expect(value(receiveUnix(client, buffer))?.bytes).toHaveLength(0);
    expect(sendUnix(client, hello)).toMatchObject({ ok: false, error: { errno: 'EPIPE' } });
    close();
  });

  it('say that nobody is there', () => {
    expect(connectUnix(join(folder, 'none'))).toMatchObject({ ok: false, error: { errno: 'ENOENT' } });
  });
});

import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';

import {
  closeDescriptor,
  interfaceIndex,
  interfaceName,
  receiveFrom,
  sendTo,
  socketName,
  watchReadable,
} from './libc.ts';
import { decodeSocketAddress, encodeSocketAddress, type SocketAddress } from './socket-address.ts';
import { openUdpSocket } from './udp-socket.ts';

const loopback = Uint8Array.of(127, 0, 0, 1);
const loopback6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

function bound(address: Uint8Array, espInUdp = false): { fd: number; local: SocketAddress } {
  const opened = openUdpSocket({ local: { address, port: 0 }, espInUdp });
  if (!opened.ok) throw new Error(opened.error.message);
  const name = socketName(opened.value);
  const local = name.ok ? decodeSocketAddress(name.value) : undefined;
  if (local === undefined) throw new Error('no socket name');
  return { fd: opened.value, local };
}

describe('UDP sockets', () => {
  for (const [family, address] of [
    ['IPv4', loopback],
    ['IPv6', loopback6],
  ] as const) {
    it(`send and receive over ${family}, and say from whom`, async () => {
      const receiver = bound(address);
      const sender = bound(address);
      const buffer = new Uint8Array(100);
      const arrived = new Promise<void>((resolve) => {
        const watch = watchReadable(receiver.fd, () => {
          watch.close();
          resolve();
        });
      });
      expect(sendTo(sender.fd, Uint8Array.of(1, 2, 3), encodeSocketAddress(receiver.local)).ok).toBe(true);
      await arrived;
      const received = receiveFrom(receiver.fd, buffer);
      if (!received.ok || received.value === undefined) throw new Error('nothing received');
      expect(buffer.subarray(0, received.value.length)).toEqual(Uint8Array.of(1, 2, 3));
      expect(decodeSocketAddress(received.value.sender)).toEqual(sender.local);
      expect(receiveFrom(receiver.fd, buffer)).toEqual({ ok: true, value: undefined });
      closeDescriptor(receiver.fd);
      closeDescriptor(sender.fd);
    });
  }

  it('are bound to link-local addresses on one link, of which sendto and recvfrom speak by the index of the interface', () => {
    const address = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    const encoded = encodeSocketAddress({ address, port: 500, scopeId: 7 });
    // struct sockaddr_in6 (linux/in6.h): family, port, flowinfo, address, scope_id at 24.
    expect(Buffer.from(encoded.subarray(20)).toString('hex')).toBe('0000000107000000');
    expect(decodeSocketAddress(encoded)).toEqual({ address, port: 500, scopeId: 7 });
    expect(openUdpSocket({ local: { address, port: 0 }, espInUdp: false })).toMatchObject({
      error: { call: 'bind', errno: 'EINVAL' },
    });
    expect([interfaceIndex('lo'), interfaceName(1), interfaceIndex('nowhere'), interfaceName(0x7fff_fff0)]).toEqual([
      1,
      'lo',
      undefined,
      undefined,
    ]);
  });

  it('can be handed to dgram, ESP-in-UDP included', async () => {
    const { fd, local } = bound(loopback, true);
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind({ fd }, resolve));
    const message = new Promise<Uint8Array>((resolve) => socket.once('message', resolve));
    // Four zero bytes are the non-ESP marker: without it the kernel would take the datagram for ESP.
    socket.send(Uint8Array.of(0, 0, 0, 0, 7), local.port, '127.0.0.1');
    expect([...(await message)]).toEqual([0, 0, 0, 0, 7]);
    await new Promise<void>((resolve) => socket.close(resolve));
  });

  it('say which call failed and why', () => {
    const { fd, local } = bound(loopback);
    const second = openUdpSocket({ local, espInUdp: false });
    expect(second).toMatchObject({ ok: false, error: { call: 'bind', errno: 'EADDRINUSE' } });
    closeDescriptor(fd);
  });
});

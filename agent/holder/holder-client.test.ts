import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { closeDescriptor } from '../native/libc.ts';
import { openUdpSocket } from '../native/udp-socket.ts';
import { UdpTransport } from '../runtime/transport-udp.ts';
import type { HolderState } from '../runtime/udp-ike-socket.ts';
import { type IpAddress, ipAddressBytes } from '../wire/ip-address.ts';
import { HolderClient } from './holder-client.ts';
import { HolderConnection } from './holder-connection.ts';
import { HolderProgram, until } from './testing/holder-program.ts';

const V4 = '127.0.0.1' as IpAddress;
const V6 = '::1' as IpAddress;
const REQUEST = Uint8Array.from({ length: 60 }, (_, index) => (index < 4 ? 0 : index));

let folder = '';
let number = 0;
let path = '';
const ends: (() => unknown)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ikemesh-client-'));
});

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

afterAll(() => rmSync(folder, { recursive: true }));

async function holderAt(): Promise<HolderProgram> {
  const holder = await HolderProgram.at(path);
  ends.push(() => holder.end());
  return holder;
}

/** The sockets of an agent; `look` is what it does every two seconds while it has no holder. */
function agent(ports: { readonly ike: number; readonly natTraversal: number }) {
  const states: HolderState[] = [];
  const received: Uint8Array[] = [];
  let look = (): void => {};
  const timers = {
    after: (_delayMs: number, callback: () => void) => {
      look = callback;
      return () => {};
    },
  };
  const client = new HolderClient({ path, timers, monotonicMs: () => 0, onChange: (state) => states.push(state) });
  const transport = new UdpTransport(ports, { dropped: () => {}, sendFailed: () => {} }, client);
  transport.onDatagram((_path, bytes) => received.push(bytes));
  ends.push(() => transport.close());
  const kinds = (): readonly string[] => states.map(({ kind }) => kind);
  return { transport, states, kinds, received, look: () => look() };
}

async function freePorts(): Promise<{ readonly ike: number; readonly natTraversal: number }> {
  number += 1;
  path = join(folder, `${number}.sock`);
  const sockets = [createSocket('udp6'), createSocket('udp6')];
  for (const socket of sockets) {
    socket.bind(0);
    await once(socket, 'listening');
  }
  const [ike = 0, natTraversal = 0] = sockets.map((socket) => socket.address().port);
  for (const socket of sockets) socket.close();
  return { ike, natTraversal };
}

async function send(port: number): Promise<void> {
  const client = createSocket('udp4');
  await new Promise((resolve) => client.send(REQUEST, port, V4, resolve));
  client.close();
}

async function isFree(port: number): Promise<boolean> {
  const opened = openUdpSocket({ local: { address: ipAddressBytes(V4), port }, espInUdp: false });
  if (opened.ok) closeDescriptor(opened.value);
  return opened.ok;
}

function heldNames(): readonly string[] {
  const opened = HolderConnection.open(path);
  const listed = opened.ok ? opened.value.request({ request: 'list' }) : undefined;
  if (opened.ok) opened.value.close();
  return listed?.ok === true ? listed.value.names : [];
}

describe('an agent with a holder', () => {
  it('finds the sockets of ESP in UDP again that it had before, and what came meanwhile; those of port 500 end', async () => {
    const ports = await freePorts();
    await holderAt();
    const first = agent(ports);
    expect(first.transport.listen([V4, V6]).ok).toBe(true);
    expect(first.kinds()).toEqual(['holding']);
    first.transport.close();
    expect([await isFree(ports.ike), await isFree(ports.natTraversal)]).toEqual([true, false]);
    await send(ports.natTraversal);
    const next = agent(ports);
    expect(next.transport.listen([V4, V6]).ok).toBe(true);
    await until('what has come is read', () => next.received.length === 1);
    expect(next.received[0]).toEqual(REQUEST.subarray(4));
    expect(heldNames()).toEqual([V4, V6].map((address) => `${address} port ${ports.natTraversal}`));
  });

  it('has nothing held at addresses where it does not listen, of an earlier configuration either', async () => {
    const ports = await freePorts();
    await holderAt();
    const first = agent(ports);
    first.transport.listen([V4, V6]);
    first.transport.close();
    const next = agent(ports);
    next.transport.listen([V6]);
    expect(heldNames()).toEqual([`${V6} port ${ports.natTraversal}`]);
    next.transport.retain([]);
    expect(heldNames()).toEqual([]);
    expect(await isFree(ports.natTraversal)).toBe(true);
  });

  it('says nothing of holders where it cannot start, but what keeps it from that', async () => {
    const ports = await freePorts();
    const taken = openUdpSocket({ local: { address: ipAddressBytes(V4), port: ports.ike }, espInUdp: false });
    const one = agent(ports);
    expect(one.transport.listen([V4]).ok).toBe(false);
    expect(one.kinds()).toEqual([]);
    if (taken.ok) closeDescriptor(taken.value);
    expect(one.transport.listen([V4]).ok).toBe(true);
    expect(one.kinds()).toEqual(['absent']);
    one.transport.close();
  });

  it('gives its sockets to the next one when it has died, and tells each once', async () => {
    const ports = await freePorts();
    const holder = await holderAt();
    const one = agent(ports);
    one.transport.listen([V4]);
    await holder.end();
    await until('the end is noticed', () => one.transport.holder?.kind === 'absent');
    one.look();
    one.look();
    await send(ports.natTraversal);
    await until('it receives all the same', () => one.received.length === 1);
    await holderAt();
    one.look();
    expect(one.kinds()).toEqual(['holding', 'absent', 'holding']);
    one.transport.close();
    expect(await isFree(ports.natTraversal)).toBe(false);
  });

  it('works without one, says so once, and gives it its sockets when it comes', async () => {
    const ports = await freePorts();
    const one = agent(ports);
    expect(one.transport.listen([V4]).ok).toBe(true);
    one.look();
    one.look();
    expect(one.states).toEqual([{ kind: 'absent', path, reason: 'nobody is there' }]);
    await holderAt();
    one.look();
    expect(one.transport.holder).toEqual({ kind: 'holding', path, sinceMs: 0 });
    expect(heldNames()).toEqual([`${V4} port ${ports.natTraversal}`]);
  });

  it('takes no socket that is not what its name says', async () => {
    const ports = await freePorts();
    const holder = await holderAt();
    const opened = openUdpSocket({ local: { address: ipAddressBytes(V4), port: 0 }, espInUdp: false });
    const connected = HolderConnection.open(path);
    if (!opened.ok || !connected.ok) throw new Error('no socket');
    connected.value.request({ request: 'hold', name: `${V4} port ${ports.natTraversal}` }, opened.value);
    connected.value.close();
    closeDescriptor(opened.value);
    const one = agent(ports);
    expect(one.transport.listen([V4]).ok).toBe(true);
    await send(ports.natTraversal);
    await until('it receives at its own', () => one.received.length === 1);
    one.transport.close();
    const next = agent(ports);
    expect(next.transport.listen([V4]).ok).toBe(true);
    expect(holder.said).not.toContain('refused');
  });

  it('tells the holder of the keepalives that it has sent, in a form that it takes', async () => {
    const ports = await freePorts();
    await holderAt();
    const one = agent(ports);
    one.transport.listen([V4]);
    const at = { localAddress: V4, localPort: ports.natTraversal, remoteAddress: V4, remotePort: 9 };
    one.transport.sendKeepalive(at);
    expect(one.kinds()).toEqual(['holding']);
  });

  it('is not kept waiting by something else that has its place', async () => {
    await freePorts();
    path = import.meta.filename;
    const one = agent({ ike: 0, natTraversal: 0 });
    expect(one.transport.listen([V4]).ok).toBe(true);
    expect(one.states).toEqual([{ kind: 'absent', path, reason: expect.any(String) }]);
  });
});

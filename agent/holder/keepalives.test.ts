import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';

import { encodeSocketAddress } from '../native/socket-address.ts';
import { openUdpSocket } from '../native/udp-socket.ts';
import { HeldSockets } from './held-sockets.ts';
import { Keepalives } from './keepalives.ts';
import { MAX_KEEPALIVES } from './limits.ts';

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const NAME = '127.0.0.1 port 0';
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A held socket, and a peer that counts what it gets. */
async function bench() {
  const sockets = new HeldSockets();
  const opened = openUdpSocket({ local: { address: LOOPBACK, port: 0 }, espInUdp: false });
  if (!opened.ok) throw new Error(opened.error.message);
  sockets.hold(NAME, opened.value);
  const peer = createSocket('udp4');
  peer.bind(0, '127.0.0.1');
  await once(peer, 'listening');
  const received: number[][] = [];
  peer.on('message', (message) => received.push([...message]));
  ends.push(() => {
    sockets.retain([]);
    peer.close();
  });
  const to = encodeSocketAddress({ address: LOOPBACK, port: peer.address().port });
  const keepalives = new Keepalives(sockets);
  return {
    sockets,
    keepalives,
    to,
    /** Looks every five seconds from one moment to another, and counts what the peer has got then. */
    async from(startMs: number, endMs: number, isAgentThere: boolean): Promise<number> {
      const before = received.length;
      for (let now = startMs; now <= endMs; now += 5_000) keepalives.send(now, isAgentThere);
      await delay(20);
      expect(received.every((bytes) => bytes.length === 1 && bytes[0] === 0xff)).toBe(true);
      return received.length - before;
    },
  };
}

describe('NAT keepalives of a holder', () => {
  it('go on every 20 s when the agent is gone, and not before one is overdue', async () => {
    const it = await bench();
    it.keepalives.note(0, NAME, it.to);
    expect(await it.from(0, 15_000, false)).toBe(0);
    expect(await it.from(20_000, 120_000, false)).toBe(6);
  });

  it('are left to an agent that sends them', async () => {
    const it = await bench();
    for (let now = 0; now < 600_000; now += 18_000) {
      it.keepalives.note(now, NAME, it.to);
      expect(await it.from(now + 5_000, now + 15_000, true)).toBe(0);
    }
  });

  it('end for a peer of which the agent says nothing any more', async () => {
    const it = await bench();
    it.keepalives.note(0, NAME, it.to);
    await it.from(0, 95_000, true);
    expect(it.keepalives.count).toBe(0);
  });

  it('go on for a while after an agent has come, which has yet to find its peers', async () => {
    const it = await bench();
    it.keepalives.note(0, NAME, it.to);
    await it.from(0, 600_000, false);
    it.keepalives.agentCame(600_000);
    expect(await it.from(605_000, 685_000, true)).toBe(4);
    expect(await it.from(695_000, 800_000, true)).toBe(0);
  });

  it('end when no SA can be left', async () => {
    const it = await bench();
    it.keepalives.note(0, NAME, it.to);
    expect(await it.from(3_590_000, 3_590_000, false)).toBe(1);
    expect(await it.from(3_605_000, 4_000_000, false)).toBe(0);
  });

  it('end with their socket', async () => {
    const it = await bench();
    it.keepalives.note(0, NAME, it.to);
    it.sockets.retain([]);
    expect(await it.from(60_000, 120_000, false)).toBe(0);
    expect(it.keepalives.count).toBe(0);
  });

  it('are for a bounded number of peers: those that were told of first go', async () => {
    const it = await bench();
    it.keepalives.note(0, NAME, it.to);
    for (let port = 1; port <= MAX_KEEPALIVES; port += 1) {
      it.keepalives.note(port, NAME, encodeSocketAddress({ address: LOOPBACK, port }));
    }
    expect(it.keepalives.count).toBe(MAX_KEEPALIVES);
    it.keepalives.note(1, NAME, encodeSocketAddress({ address: LOOPBACK, port: MAX_KEEPALIVES }));
    expect(it.keepalives.count).toBe(MAX_KEEPALIVES);
    expect(await it.from(10_000, 10_000, false)).toBe(0);
  });
});

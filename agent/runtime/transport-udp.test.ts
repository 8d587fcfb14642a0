import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import type { Path } from '../ike/types.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import { type SendFailure, type TransportDrop, UdpTransport } from './transport-udp.ts';
import type { BoundSocket } from './udp-ike-socket.ts';

const V4 = '127.0.0.1' as IpAddress;
const V6 = '::1' as IpAddress;
const MARKER = Uint8Array.of(0, 0, 0, 0);
const NOBODY = { dropped: () => {}, sendFailed: () => {} };
const REQUEST = Uint8Array.from({ length: 60 }, (_, index) => index + 1);

/** A transport on free loopback ports and plain UDP clients that talk to it. */
class Bench {
  readonly received: { readonly path: Path; readonly bytes: Uint8Array }[] = [];
  readonly drops = new Map<TransportDrop, number>();
  readonly failures: SendFailure[] = [];
  readonly sockets: readonly BoundSocket[];
  readonly transport: UdpTransport;
  readonly #clients: Socket[] = [];

  constructor(addresses: readonly IpAddress[] = [V4]) {
    const observer = {
      dropped: (reason: TransportDrop) => void this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1),
      sendFailed: (_path: Path, error: SendFailure) => void this.failures.push(error),
    };
    this.transport = new UdpTransport({ ike: 0, natTraversal: 0 }, observer);
    const listening = this.transport.listen(addresses);
    if (!listening.ok) throw new Error(JSON.stringify(listening.error));
    this.sockets = this.transport.sockets;
    this.transport.onDatagram((path, bytes) => this.received.push({ path, bytes }));
  }

  socket(encapsulated: boolean, address = V4): BoundSocket {
    const found = this.sockets.find((one) => one.encapsulated === encapsulated && one.address === address);
    if (found === undefined) throw new Error('no such socket');
    return found;
  }

  async client(address: IpAddress): Promise<Socket> {
    const client = createSocket(address === V6 ? 'udp6' : 'udp4');
    client.bind(0, address);
    await once(client, 'listening');
    this.#clients.push(client);
    return client;
  }

  /** Sends from `client` and waits until everything sent so far was read: as many turns as that takes. */
  async send(client: Socket, to: BoundSocket, ...datagrams: readonly Uint8Array[]): Promise<void> {
    const before = this.#taken();
    for (const bytes of datagrams) {
      await new Promise((resolve) => client.send(bytes, to.port, to.address, resolve));
    }
    for (let turn = 0; turn < 10_000 && this.#taken() < before + datagrams.length; turn += 1) await setImmediate();
  }

  close(): void {
    this.transport.close();
    for (const client of this.#clients) client.close();
  }

  #taken(): number {
    return this.received.length + [...this.drops.values()].reduce((sum, count) => sum + count, 0);
  }
}

const benches: Bench[] = [];

function bench(addresses?: readonly IpAddress[]): Bench {
  const made = new Bench(addresses);
  benches.push(made);
  return made;
}

afterEach(() => {
  for (const made of benches.splice(0)) made.close();
});

describe.each([
  ['IPv4', V4],
  ['IPv6', V6],
])('IKE over UDP, %s', (_family, address) => {
  it('receives a message on the plain port as it is, with the path it took', async () => {
    const it = bench([address]);
    const client = await it.client(address);
    await it.send(client, it.socket(false, address), REQUEST);
    expect(it.received).toEqual([
      {
        path: {
          localAddress: address,
          localPort: it.socket(false, address).port,
          remoteAddress: address,
          remotePort: client.address().port,
        },
        bytes: REQUEST,
      },
    ]);
  });

  it('takes the non-ESP marker off on the port of NAT traversal', async () => {
    const it = bench([address]);
    const client = await it.client(address);
    await it.send(client, it.socket(true, address), Buffer.concat([MARKER, REQUEST]));
    expect(it.received.map(({ bytes }) => bytes)).toEqual([REQUEST]);
    expect(it.received[0]?.path.localPort).toBe(it.socket(true, address).port);
  });

  it.each([
    [false, REQUEST],
    [true, Buffer.concat([MARKER, REQUEST])],
  ])('answers from the address and port that were asked, marker: %s', async (encapsulated, wire) => {
    const it = bench([address]);
    const client = await it.client(address);
    await it.send(client, it.socket(encapsulated, address), wire);
    const answer = once(client, 'message');
    const path = it.received[0]?.path as Path;
    it.transport.send(path, REQUEST);
    const [bytes, sender] = (await answer) as [Buffer, { address: string; port: number }];
    expect(Uint8Array.from(bytes)).toEqual(Uint8Array.from(wire));
    expect([sender.address, sender.port]).toEqual([address, it.socket(encapsulated, address).port]);
  });
});

describe('IKE over UDP', () => {
  it('answers from the right one of several addresses', async () => {
    const it = bench([V4, '127.0.0.2' as IpAddress]);
    const client = await it.client('0.0.0.0' as IpAddress);
    await it.send(client, it.socket(false, '127.0.0.2' as IpAddress), REQUEST);
    const answer = once(client, 'message');
    it.transport.send(it.received[0]?.path as Path, REQUEST);
    const [, sender] = (await answer) as [Buffer, { address: string }];
    expect(sender.address).toBe('127.0.0.2');
  });

  it('sends a NAT keepalive as its one octet, without a marker', async () => {
    const it = bench();
    const client = await it.client(V4);
    await it.send(client, it.socket(true), Buffer.concat([MARKER, REQUEST]));
    const keepalive = once(client, 'message');
    it.transport.sendKeepalive(it.received[0]?.path as Path);
    const [bytes, sender] = (await keepalive) as [Buffer, { port: number }];
    expect([...bytes]).toEqual([0xff]);
    expect(sender.port).toBe(it.socket(true).port);
  });

  it('drops what is no IKE message and counts it by reason', async () => {
    const it = bench();
    const client = await it.client(V4);
    const [plain, encapsulated] = [it.socket(false), it.socket(true)];
    await it.send(client, plain, new Uint8Array(0), new Uint8Array(27), Uint8Array.of(0xff), new Uint8Array(40_000));
    // A kernel with ESP keeps to itself what it takes for ESP or a keepalive, so these need no second sender.
    await it.send(client, encapsulated, MARKER, Buffer.concat([MARKER, new Uint8Array(27)]));
    expect(it.received).toEqual([]);
    expect(Object.fromEntries(it.drops)).toEqual({ short: 4, keepalive: 1, oversized: 1 });
  });

  it('gives each message bytes of its own', async () => {
    const it = bench();
    const client = await it.client(V4);
    await it.send(
      client,
      it.socket(false),
      REQUEST,
      REQUEST.map((byte) => byte ^ 0xff),
    );
    expect(it.received[0]?.bytes).toEqual(REQUEST);
  });

  it('reports a datagram that cannot be sent instead of throwing', () => {
    const it = bench();
    const path = { localAddress: V4, localPort: 1, remoteAddress: V4, remotePort: 500 };
    it.transport.send(path, REQUEST);
    it.transport.send({ ...path, localPort: it.socket(false).port }, new Uint8Array(70_000));
    expect(it.failures.map(({ errno }) => errno)).toEqual(['EADDRNOTAVAIL', 'EMSGSIZE']);
  });

  it('says which port of which address is taken, and leaves nothing open', () => {
    const it = bench();
    const second = '127.0.0.2' as IpAddress;
    const ports = { ike: it.socket(false).port, natTraversal: it.socket(true).port };
    const transport = new UdpTransport(ports, NOBODY);
    expect(transport.listen([second, V4])).toMatchObject({
      ok: false,
      error: { kind: 'socketFailure', address: V4, port: ports.ike, errno: 'EADDRINUSE' },
    });
    expect(transport.addresses).toEqual([]);
    const next = new UdpTransport(ports, NOBODY);
    expect(next.listen([second])).toEqual({ ok: true, value: undefined });
    next.close();
  });

  it('says which address this host does not have', () => {
    const transport = new UdpTransport({ ike: 0, natTraversal: 0 }, NOBODY);
    expect(transport.listen(['192.0.2.1' as IpAddress])).toMatchObject({
      ok: false,
      error: { address: '192.0.2.1', errno: 'EADDRNOTAVAIL' },
    });
  });

  it('begins and ceases to listen at an address while others go on', async () => {
    const it = bench();
    const second = '127.0.0.2' as IpAddress;
    expect(it.transport.listen([V4, second]).ok).toBe(true);
    expect(it.transport.addresses).toEqual([V4, second]);
    it.transport.retain([V4]);
    expect(it.transport.addresses).toEqual([V4]);
    const client = await it.client(V4);
    await it.send(client, it.socket(false), REQUEST);
    expect(it.received).toHaveLength(1);
  });

  it('passes on or counts each of many random datagrams, whatever it holds', async () => {
    const it = bench();
    const client = await it.client(V4);
    const datagrams = fc.sample(fc.uint8Array({ maxLength: 1_400 }), { numRuns: 400, seed: 7 });
    const long = datagrams.filter((bytes) => bytes.length >= 28);
    for (let start = 0; start < datagrams.length; start += 50) {
      await it.send(client, it.socket(false), ...datagrams.slice(start, start + 50));
    }
    expect(it.received).toHaveLength(long.length);
    expect(it.drops.get('short')).toBe(datagrams.length - long.length);
  });
});

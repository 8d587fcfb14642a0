import { describe, expect, it } from 'vitest';

import { fromKernel, type Reception, ScriptedSocket, together } from '../testing/scripted-socket.ts';
import { encodeWithAttributes } from './attributes.ts';
import { NetlinkConnection } from './connection.ts';
import { EventReader } from './event-reader.ts';
import { hostUint32Bytes, hostView } from './host-order.ts';
import { controlTypes, decodeMessages, encodeMessage, messageFlags, type NetlinkMessage } from './message.ts';

const OBJECT = 16;
const first = (message: NetlinkMessage) => message.body[0];

/** An acknowledgement with the header of the request, and attributes behind it. */
function ack(request: NetlinkMessage, port: number, errno: number, reason?: string, offset?: number): Uint8Array {
  const head = new Uint8Array(20);
  hostView(head).setUint32(0, -errno >>> 0);
  hostView(head).setUint32(4, 16);
  const attributes = [
    ...(reason === undefined ? [] : [{ type: 1, value: new TextEncoder().encode(`${reason}\0`) }]),
    ...(offset === undefined ? [] : [{ type: 2, value: hostUint32Bytes(offset) }]),
  ];
  const flags = messageFlags.capped | (attributes.length === 0 ? 0 : messageFlags.extendedAck);
  return fromKernel(controlTypes.error, flags, request.sequence, port, encodeWithAttributes(head, attributes));
}

function object(request: NetlinkMessage, port: number, value: number, flags = 0): Uint8Array {
  return fromKernel(OBJECT, messageFlags.multi | flags, request.sequence, port, Uint8Array.of(value, 0, 0, 0));
}

function done(request: NetlinkMessage, port: number, flags = 0): Uint8Array {
  return fromKernel(controlTypes.done, messageFlags.multi | flags, request.sequence, port, new Uint8Array(4));
}

function connect(answer: (request: NetlinkMessage, port: number) => readonly Reception[]) {
  const socket = new ScriptedSocket(answer);
  const connection = new NetlinkConnection(socket, (errno) => (errno === 17 ? 'EEXIST' : `E${errno}`));
  return { socket, connection };
}

describe('a netlink request', () => {
  it('succeeds when it is acknowledged, and its bytes are wiped', () => {
    const { connection, socket } = connect((request, port) => [ack(request, port, 0)]);
    const body = Uint8Array.of(1, 2, 3, 4);
    expect(connection.request(25, body)).toEqual({ ok: true, value: undefined });
    expect(socket.requests[0]).toMatchObject({ type: 25, flags: messageFlags.request | messageFlags.ack });
    expect(body).toEqual(new Uint8Array(4));
  });

  it('fails with the name of the error, the kernel’s words and the place that they point at', () => {
    const { connection } = connect((request, port) => [ack(request, port, 17, 'It exists', 40)]);
    expect(connection.request(25, new Uint8Array(0))).toEqual({
      ok: false,
      error: { errno: 'EEXIST', reason: 'It exists at byte 40 of the request' },
    });
  });

  it('understands an acknowledgement that repeats the whole request', () => {
    const { connection } = connect((request, port) => {
      const head = new Uint8Array(20 + 8);
      hostView(head).setUint32(0, -17 >>> 0);
      hostView(head).setUint32(4, 16 + 8);
      const body = encodeWithAttributes(head, [{ type: 1, value: new TextEncoder().encode('no\0') }]);
      return [fromKernel(controlTypes.error, messageFlags.extendedAck, request.sequence, port, body)];
    });
    expect(connection.request(25, new Uint8Array(8))).toMatchObject({ error: { errno: 'EEXIST', reason: 'no' } });
  });

  it('reads the answer that comes in a datagram of its own before the acknowledgement', () => {
    const { connection } = connect((request, port) => [object(request, port, 7), ack(request, port, 0)]);
    expect(connection.query(18, new Uint8Array(0), first)).toEqual({ ok: true, value: 7 });
  });

  it('is not confused by what belongs to an earlier request or to another socket', () => {
    const { connection } = connect((request, port) => [
      ack({ ...request, sequence: request.sequence - 1 }, port, 17),
      ack(request, port + 1, 17),
      object({ ...request, sequence: 99 }, port, 1),
      object(request, port, 7),
      ack(request, port, 0),
    ]);
    expect(connection.query(18, new Uint8Array(0), first)).toEqual({ ok: true, value: 7 });
  });

  it('fails, and does not wait, when no answer is there', () => {
    const { connection } = connect(() => []);
    expect(connection.request(25, new Uint8Array(0))).toMatchObject({ ok: false, error: { errno: 'EBADMSG' } });
  });

  it('passes on the failure of the socket, and works again afterwards', () => {
    let attempt = 0;
    const { connection } = connect((request, port) => {
      attempt += 1;
      return attempt === 1 ? [{ errno: 'ENOBUFS' }, ack(request, port, 0)] : [ack(request, port, 0)];
    });
    expect(connection.request(25, new Uint8Array(0))).toMatchObject({ error: { errno: 'ENOBUFS' } });
    expect(connection.request(25, new Uint8Array(0)).ok).toBe(true);
  });
});

describe('a netlink dump', () => {
  it('collects the objects of all datagrams until it is done', () => {
    const { connection, socket } = connect((request, port) => [
      together(object(request, port, 1), object(request, port, 2)),
      object(request, port, 3),
      done(request, port),
    ]);
    expect(connection.dump(18, new Uint8Array(0), first)).toEqual({ ok: true, value: [1, 2, 3] });
    expect(socket.requests[0]?.flags).toBe(messageFlags.request | messageFlags.dump);
  });

  it('is repeated when a change interrupted it, with nothing left of the first', () => {
    let attempt = 0;
    const { connection } = connect((request, port) => {
      attempt += 1;
      const flags = attempt < 3 ? messageFlags.dumpInterrupted : 0;
      return [object(request, port, attempt, flags), done(request, port, flags)];
    });
    expect(connection.dump(18, new Uint8Array(0), first)).toEqual({ ok: true, value: [3] });
  });

  it('gives up when it is interrupted again and again', () => {
    const { connection, socket } = connect((request, port) => [
      object(request, port, 1, messageFlags.dumpInterrupted),
      done(request, port),
    ]);
    expect(connection.dump(18, new Uint8Array(0), first)).toMatchObject({ error: { errno: 'EINTR' } });
    expect(socket.requests).toHaveLength(5);
  });

  it('holds no more objects than its limit, and says so', () => {
    const { connection } = connect((request, port) => {
      const full = together(...Array.from({ length: 1024 }, () => object(request, port, 1)));
      return [...Array.from({ length: 65 }, () => full), done(request, port)];
    });
    expect(connection.dump(18, new Uint8Array(0), first)).toMatchObject({ error: { errno: 'E2BIG' } });
  });

  it('fails with the error that ends it', () => {
    const { connection } = connect((request, port) => {
      const body = new Uint8Array(4);
      hostView(body).setUint32(0, -17 >>> 0);
      return [fromKernel(controlTypes.done, messageFlags.multi, request.sequence, port, body)];
    });
    expect(connection.dump(18, new Uint8Array(0), first)).toMatchObject({ error: { errno: 'EEXIST' } });
  });
});

describe('netlink messages', () => {
  it('are read up to the first whose length cannot be right', () => {
    const good = encodeMessage(16, 0, 1, Uint8Array.of(1, 2, 3, 4));
    const bad = encodeMessage(16, 0, 2, Uint8Array.of(5, 6, 7, 8));
    for (const length of [0, 15, 21, 0xffffffff]) {
      hostView(bad).setUint32(0, length);
      expect(decodeMessages(together(good, bad))).toHaveLength(1);
    }
    for (let cut = 0; cut < good.length; cut++) expect(decodeMessages(good.subarray(0, cut))).toEqual([]);
  });
});

describe('the reader of events', () => {
  const event = fromKernel(24, 0, 0, 0, Uint8Array.of(1, 0, 0, 0));

  function read() {
    const socket = new ScriptedSocket();
    const seen: string[] = [];
    const reader = new EventReader(socket, {
      message: (message) => seen.push(`message ${message.type}`),
      overflow: () => seen.push('overflow'),
    });
    return { socket, seen, reader };
  }

  it('hands on each message of a datagram, and stops when there is no more', () => {
    const { socket, seen } = read();
    socket.queue.push(together(event, event), event);
    socket.becomeReadable();
    expect(seen).toEqual(['message 24', 'message 24', 'message 24']);
  });

  it('reads a limited number at a turn, and the rest at the next', () => {
    const { socket, seen } = read();
    for (let i = 0; i < 300; i++) socket.queue.push(event);
    socket.becomeReadable();
    expect(seen).toHaveLength(256);
    socket.becomeReadable();
    expect(seen).toHaveLength(300);
  });

  it('tells once that events were lost, and reads on', () => {
    const { socket, seen } = read();
    socket.queue.push({ errno: 'ENOBUFS' }, event);
    socket.becomeReadable();
    expect(seen).toEqual(['message 24', 'overflow']);
  });

  it('is silent once closed, even in the middle of a turn', () => {
    const socket = new ScriptedSocket();
    let count = 0;
    const reader = new EventReader(socket, {
      message: () => {
        count += 1;
        reader.close();
      },
      overflow: () => {},
    });
    socket.queue.push(event, event, { errno: 'ENOBUFS' });
    socket.becomeReadable();
    expect(count).toBe(1);
    expect(socket.closed).toBe(true);
  });
});

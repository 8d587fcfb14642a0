import { describe, expect, it, vi } from 'vitest';

import { decodeAttributes, encodeWithAttributes } from '../netlink/attributes.ts';
import { NetlinkConnection } from '../netlink/connection.ts';
import { hostView } from '../netlink/host-order.ts';
import { controlTypes, messageFlags, type NetlinkMessage } from '../netlink/message.ts';
import { ownReqid } from '../ownership.ts';
import { policy, sa, selector, template } from '../testing/builders.ts';
import { fromKernel, type Reception, ScriptedSocket } from '../testing/scripted-socket.ts';
import type { DataplaneEvent, SaSpec } from '../types.ts';
import { XfrmDataplane } from './driver.ts';
import { encodePolicy, encodePolicyKey, POLICY_INFO_BYTES } from './policy-codec.ts';
import { probeKernel } from './probe.ts';
import { XfrmAttribute, XfrmMessage, XfrmNotice } from './registry.ts';
import { decodeSa, encodeNewSa, encodeSaId, SA_INFO_BYTES, type SaFeatures } from './sa-codec.ts';

const FEATURES = { direction: true, natKeepalive: true, ipv6: true };
const hostToHost = selector('10.0.0.1', '10.0.0.2');

function acknowledge(request: NetlinkMessage, port: number, errno = 0): Uint8Array {
  const body = new Uint8Array(20);
  hostView(body).setUint32(0, -errno >>> 0);
  return fromKernel(controlTypes.error, messageFlags.capped, request.sequence, port, body);
}

function newSaBody(spec: SaSpec, known: Partial<SaFeatures> = {}): Uint8Array {
  const body = encodeNewSa(spec, { direction: true, natKeepalive: true, ...known });
  if (!body.ok) throw new Error(body.error.reason);
  return body.value;
}

function openWith(answer: (request: NetlinkMessage, port: number) => readonly Reception[]) {
  const requests = new ScriptedSocket(answer);
  const events = new ScriptedSocket();
  const names: Readonly<Record<number, string>> = { 1: 'EPERM', 2: 'ENOENT', 3: 'ESRCH', 22: 'EINVAL' };
  const connection = new NetlinkConnection(requests, (errno) => names[errno] ?? `E${errno}`);
  const dataplane = new XfrmDataplane(connection, events, FEATURES);
  const received: DataplaneEvent[] = [];
  return { requests, events, connection, dataplane, received };
}

function expireMessage(reqid: number): Uint8Array {
  const body = new Uint8Array(232);
  body.set(newSaBody(sa('10.0.0.1', '10.0.0.2', 0x1001, { reqid })).subarray(0, SA_INFO_BYTES));
  return fromKernel(XfrmMessage.expire, 0, 0, 0, body);
}

describe('the driver', () => {
  it('looks before it replaces, and never sends an update where a foreign policy stands', () => {
    const foreign = encodePolicy({ ...policy('out', hostToHost), index: 9 }, 0);
    const { dataplane, requests } = openWith((request, port) => [
      ...(request.type === XfrmMessage.getPolicy
        ? [fromKernel(XfrmMessage.newPolicy, 0, request.sequence, port, foreign)]
        : []),
      acknowledge(request, port),
    ]);
    const outcome = dataplane.execute({ kind: 'putPolicy', policy: policy('out', hostToHost) });
    expect(outcome).toMatchObject({ ok: false, error: { errno: 'CONFLICT' } });
    expect(requests.requests.map((request) => request.type)).toEqual([XfrmMessage.getPolicy]);
  });

  it('refuses a policy of an interface that is not there, instead of one for all interfaces', () => {
    const { dataplane, requests } = openWith((request, port) => [acknowledge(request, port)]);
    const nowhere = policy('out', { ...hostToHost, interface: 'nowhere' });
    const outcome = dataplane.execute({ kind: 'putPolicy', policy: nowhere });
    expect(outcome).toMatchObject({ ok: false, error: { errno: 'ENODEV' } });
    expect(outcome.ok ? '' : outcome.error.message).toContain('there is no interface nowhere');
    expect(requests.requests).toEqual([]);
  });

  it('reads back the index of a new policy, and takes the policy away if it is another', () => {
    let created = false;
    const { dataplane, requests } = openWith((request, port) => {
      if (request.type === XfrmMessage.updatePolicy) created = true;
      if (request.type !== XfrmMessage.getPolicy) return [acknowledge(request, port)];
      if (!created) return [acknowledge(request, port, 2)];
      const body = encodePolicy({ ...policy('out', hostToHost), index: 17 }, 0);
      return [fromKernel(XfrmMessage.newPolicy, 0, request.sequence, port, body), acknowledge(request, port)];
    });
    const outcome = dataplane.execute({ kind: 'putPolicy', policy: policy('out', hostToHost) });
    expect(outcome).toMatchObject({ ok: false, error: { errno: 'EEXIST' } });
    expect(requests.requests.at(-1)?.type).toBe(XfrmMessage.deletePolicy);
  });

  it('says what is missing when the kernel refuses', () => {
    const { dataplane } = openWith((request, port) => [acknowledge(request, port, 1)]);
    const outcome = dataplane.execute({ kind: 'addSa', sa: sa('10.0.0.1', '10.0.0.2', 0x1001) });
    expect(outcome).toMatchObject({
      error: { command: 'addSa', object: 'SA 10.0.0.2 spi 00001001', errno: 'EPERM' },
    });
    expect(outcome.ok ? '' : outcome.error.message).toContain('CAP_NET_ADMIN');
  });

  it('hands on events about what is ours, and no others', () => {
    const { dataplane, events, received } = openWith(() => []);
    dataplane.onEvent((event) => received.push(event));
    events.queue.push(expireMessage(7), expireMessage(ownReqid(3)));
    events.becomeReadable();
    expect(received).toMatchObject([{ kind: 'expire', reqid: ownReqid(3), hard: false }]);
    dataplane.close();
    events.queue.push(expireMessage(ownReqid(3)));
    events.becomeReadable();
    expect(received).toHaveLength(1);
  });

  it('names itself in its requests, by which the kernel tells whose change it was', () => {
    const { dataplane, requests } = openWith((request, port) => [acknowledge(request, port)]);
    dataplane.execute({ kind: 'addSa', sa: sa('10.0.0.1', '10.0.0.2', 0x1001) });
    expect(requests.requests.map(({ port }) => port)).toEqual([requests.port]);
  });

  it('tells of an SA of ours that somebody else has deleted, and not of what it deletes itself', () => {
    const { dataplane, events, received } = openWith(() => []);
    dataplane.onEvent((event) => received.push(event));
    const deleted = (reqid: number, by: number) => {
      const spec = sa('10.0.0.1', '10.0.0.2', 0x1001, { reqid });
      const info = newSaBody(spec).subarray(0, SA_INFO_BYTES);
      const body = encodeWithAttributes(encodeSaId(spec.id, undefined), [{ type: XfrmAttribute.sa, value: info }]);
      return fromKernel(XfrmMessage.deleteSa, 0, 0, by, body);
    };
    events.queue.push(deleted(ownReqid(3), events.port), deleted(7, 99), deleted(ownReqid(4), 99));
    events.becomeReadable();
    const { id } = sa('10.0.0.1', '10.0.0.2', 0x1001);
    expect(received).toEqual([{ kind: 'removed', id, reqid: ownReqid(4) }]);
    dataplane.close();
  });

  it('looks at everything once after somebody else has deleted policies of ours, and not after its own changes', () => {
    vi.useFakeTimers();
    const { dataplane, events, received } = openWith((request, port) => [
      fromKernel(controlTypes.done, messageFlags.multi, request.sequence, port, new Uint8Array(4)),
    ]);
    dataplane.onEvent((event) => received.push(event));
    const told = (type: number, by: number, about: Uint8Array) => {
      events.queue.push(fromKernel(type, 0, 0, by, about));
      events.becomeReadable();
      vi.advanceTimersByTime(1_000);
      return received.splice(0).map(({ kind }) => kind);
    };
    const removed = (index: number) => {
      const info = encodePolicy({ ...policy('out', hostToHost), index }, 0).subarray(0, POLICY_INFO_BYTES);
      const key = encodePolicyKey({ direction: 'out', selector: hostToHost }, 0);
      return encodeWithAttributes(key, [{ type: XfrmAttribute.policy, value: info }]);
    };
    const { index } = policy('out', hostToHost);
    expect(told(XfrmMessage.deletePolicy, events.port, removed(index))).toEqual([]);
    expect(told(XfrmMessage.deletePolicy, 99, removed(9))).toEqual([]);
    expect(told(XfrmMessage.deletePolicy, 99, removed(index))).toEqual(['survey']);
    events.queue.push(fromKernel(XfrmNotice.flushedSas, 0, 0, 99, new Uint8Array(4)));
    expect(told(XfrmNotice.flushedPolicies, 99, new Uint8Array(0))).toEqual(['survey']);
    dataplane.close();
    vi.useRealTimers();
  });

  it('dumps everything again when events were lost', () => {
    const sas = newSaBody(sa('10.0.0.1', '10.0.0.2', 0x1001));
    const policies = encodePolicy(policy('out', hostToHost, { template: template() }), 0);
    const { dataplane, events, received } = openWith((request, port) => {
      const [type, body] =
        request.type === XfrmMessage.getSa ? [XfrmMessage.newSa, sas] : [XfrmMessage.newPolicy, policies];
      return [
        fromKernel(type, messageFlags.multi, request.sequence, port, body),
        fromKernel(controlTypes.done, messageFlags.multi, request.sequence, port, new Uint8Array(4)),
      ];
    });
    dataplane.onEvent((event) => received.push(event));
    events.queue.push({ errno: 'ENOBUFS' });
    events.becomeReadable();
    expect(received).toMatchObject([
      { kind: 'resync', snapshot: { sas: [{ id: { spi: 0x1001 }, ours: true }], policies: [{ direction: 'out' }] } },
    ]);
  });

  it('changes the ports of an SA by handing the kernel back what it said of it, and keeps no key', () => {
    const udpEncapsulation = { sourcePort: 4500, destinationPort: 4500 };
    const spec = sa('10.0.0.1', '10.0.0.2', 0x1001, { udpEncapsulation });
    const body = newSaBody(spec);
    const { dataplane, requests } = openWith((request, port) => [
      ...(request.type === XfrmMessage.getSa
        ? [fromKernel(XfrmMessage.newSa, 0, request.sequence, port, body.slice())]
        : []),
      acknowledge(request, port),
    ]);
    const moved = { sourcePort: 4500, destinationPort: 1024 };
    expect(dataplane.execute({ kind: 'updateEncapsulation', id: spec.id, udpEncapsulation: moved }).ok).toBe(true);
    const update = requests.requests.find((request) => request.type === XfrmMessage.updateSa);
    expect(update?.body.length).toBe(body.length);
    expect(decodeSa(update?.body ?? body)).toMatchObject({ id: spec.id, udpEncapsulation: moved });
  });

  it('answers a question for counters after the call has returned', async () => {
    const { dataplane, received } = openWith((request, port) => [
      fromKernel(XfrmMessage.newSa, 0, request.sequence, port, newSaBody(sa('10.0.0.1', '10.0.0.2', 0x1001))),
      acknowledge(request, port),
    ]);
    dataplane.onEvent((event) => received.push(event));
    const { id, reqid } = sa('10.0.0.1', '10.0.0.2', 0x1001);
    expect(dataplane.execute({ kind: 'queryCounters', id }).ok).toBe(true);
    expect(received).toEqual([]);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(received).toEqual([{ kind: 'counters', id, reqid, packets: 0, bytes: 0 }]);
  });
});

describe('the probe of a kernel', () => {
  /** A kernel that knows of the probe's SAs what it is told to know. */
  function probed(known: { readonly direction: boolean; readonly natKeepalive: boolean; readonly ipv6: boolean }) {
    const { connection, requests } = openWith((request, port) => {
      if (request.type === XfrmMessage.newSa) {
        const ipv6 = hostView(request.body).getUint16(212) === 10;
        const asksForKeepalives = decodeAttributes(request.body.subarray(SA_INFO_BYTES)).has(34);
        if (ipv6 && !known.ipv6) return [acknowledge(request, port, 93)];
        if (asksForKeepalives && known.natKeepalive) return [acknowledge(request, port, 22)];
      }
      if (request.type !== XfrmMessage.getSa) return [acknowledge(request, port)];
      const body = newSaBody(sa('192.0.2.2', '192.0.2.1', 0x100, { direction: 'in' }), known);
      return [fromKernel(XfrmMessage.newSa, 0, request.sequence, port, body), acknowledge(request, port)];
    });
    return { features: probeKernel(connection), requests: requests.requests };
  }

  it.each([
    { direction: true, natKeepalive: true, ipv6: true },
    { direction: true, natKeepalive: false, ipv6: true },
    { direction: false, natKeepalive: false, ipv6: false },
  ])('finds out what is kept, and leaves nothing behind: %o', (known) => {
    const { features, requests } = probed(known);
    expect(features).toEqual({ ok: true, value: known });
    const tried = [XfrmMessage.newSa, XfrmMessage.getSa, XfrmMessage.deleteSa];
    expect(requests.map(({ type }) => type)).toEqual([
      ...tried,
      ...(known.natKeepalive ? [XfrmMessage.newSa] : tried),
      ...(known.ipv6 ? tried : [XfrmMessage.newSa]),
    ]);
    // An SA in UDP that asks for keepalives would send one to an address that is nobody's.
    expect(requests.every(({ body }) => decodeSa(body)?.udpEncapsulation === undefined)).toBe(true);
  });

  it('fails where no SA can be installed', () => {
    const { connection } = openWith((request, port) => [acknowledge(request, port, 1)]);
    expect(probeKernel(connection)).toMatchObject({ ok: false, error: { errno: 'EPERM' } });
  });
});

import { beforeEach, describe, expect, it } from 'vitest';

import { SecretBytes } from '../crypto/secret.ts';
import type { EspPacket, OutboundFate } from './memory/packet.ts';
import { MemoryDataplane } from './memory.ts';
import { ownIndex, ownReqid } from './ownership.ts';
import { ip, keyBytes, ManualClock, policy, sa, selector, template, udpPacket } from './testing/builders.ts';
import type { DataplaneCommand, DataplaneEvent, PolicySpec, SaSpec } from './types.ts';

const A = '10.0.0.1';
const B = '10.0.0.2';
const hostToHost = selector(A, B);
const ping = udpPacket(A, B);

let clock: ManualClock;
let east: MemoryDataplane;
let west: MemoryDataplane;
let events: DataplaneEvent[];

beforeEach(() => {
  clock = new ManualClock();
  east = new MemoryDataplane({ clock });
  west = new MemoryDataplane({ clock });
  events = [];
  east.onEvent((event) => events.push(event));
  west.onEvent((event) => events.push(event));
});

function run(dataplane: MemoryDataplane, command: DataplaneCommand): void {
  const outcome = dataplane.execute(command);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
}

function put(dataplane: MemoryDataplane, spec: PolicySpec): void {
  run(dataplane, { kind: 'putPolicy', policy: spec });
}

function add(dataplane: MemoryDataplane, spec: SaSpec): void {
  run(dataplane, { kind: 'addSa', sa: spec });
}

/** East sends to west by an SA with `spi`; west requires it. */
function oneWay(spi: number, more: Partial<SaSpec> = {}): void {
  put(east, policy('out', hostToHost, { template: template() }));
  put(west, policy('in', hostToHost, { template: template() }));
  add(west, sa(A, B, spi, { direction: 'in', ...more }));
  add(east, sa(A, B, spi, { direction: 'out', ...more }));
}

function sent(fate: OutboundFate): EspPacket {
  if (fate.kind !== 'esp') throw new Error(`not sent as ESP: ${JSON.stringify(fate)}`);
  return fate.packet;
}

const acquired = { kind: 'dropped', statistic: 'XfrmOutNoStates', acquire: true };
const suppressed = { kind: 'dropped', statistic: 'XfrmOutNoStates', acquire: false };

describe('the fake kernel, outbound', () => {
  it('sends in plaintext what no policy matches', () => {
    put(east, policy('out', selector(A, '10.0.0.3'), { template: template() }));
    expect(east.outbound(ping)).toEqual({ kind: 'plain' });
  });

  it('drops what a block policy matches, and what a required template finds no SA for', () => {
    put(east, policy('out', selector(A, '10.0.0.0/24'), { action: 'block', priority: 1 }));
    expect(east.outbound(ping)).toMatchObject({ kind: 'dropped', statistic: 'XfrmOutPolBlock' });
    put(west, policy('out', hostToHost, { template: template() }));
    expect(west.outbound(ping)).toEqual(acquired);
    expect(west.statistics.get('XfrmOutNoStates')).toBe(1);
  });

  it('raises one ACQUIRE for a path until its larval state expires, and again afterwards', () => {
    put(east, policy('out', hostToHost, { template: template() }));
    expect(east.outbound(ping)).toEqual(acquired);
    expect(east.outbound(ping)).toEqual(suppressed);
    east.advance();
    expect(events).toMatchObject([
      {
        kind: 'acquire',
        sequence: 1,
        policyIndex: ownIndex(1, 'out'),
        reqid: ownReqid(1),
        selector: { destination: { address: B, length: 32 }, destinationPort: { value: 5000, mask: 0xffff } },
      },
    ]);
    clock.advance(30_000);
    expect(east.nextDeadline()).toBe(30_000);
    east.advance();
    expect(events).toHaveLength(1);
    expect(east.outbound(ping)).toEqual(acquired);
  });

  it('takes the larval state away when the SA comes', () => {
    put(east, policy('out', hostToHost, { template: template() }));
    east.outbound(ping);
    add(east, sa(A, B, 0x1001));
    run(east, { kind: 'deleteSa', id: { destination: ip(B), spi: 0x1001 } });
    expect(east.outbound(ping)).toEqual(acquired);
  });

  it('lets packets pass in plaintext under an optional template without an SA, and asks for one', () => {
    put(east, policy('out', hostToHost, { template: template({ level: 'optional' }) }));
    expect(east.outbound(ping)).toEqual({ kind: 'plain' });
    east.advance();
    expect(events).toMatchObject([{ kind: 'acquire' }]);
  });

  it('uses the pinned SA although a newer one is there, and nothing else once it is gone', () => {
    put(east, policy('out', hostToHost, { template: template({ spi: 0x1001 }) }));
    add(east, sa(A, B, 0x1001));
    clock.advance(5000);
    add(east, sa(A, B, 0x1002));
    expect(sent(east.outbound(ping)).spi).toBe(0x1001);
    run(east, { kind: 'deleteSa', id: { destination: ip(B), spi: 0x1001 } });
    expect(east.outbound(ping)).toEqual(acquired);
    put(east, policy('out', hostToHost, { template: template({ spi: 0x1002 }) }));
    expect(sent(east.outbound(ping)).spi).toBe(0x1002);
  });

  it('leaves a larval state with the SPI of a pin that is gone: the SPI cannot be added again', () => {
    put(east, policy('out', hostToHost, { template: template({ spi: 0x1001 }) }));
    east.outbound(ping);
    expect(east.execute({ kind: 'addSa', sa: sa(A, B, 0x1001) })).toMatchObject({ error: { errno: 'EEXIST' } });
  });

  it('refuses packets, without an ACQUIRE, while the pinned SPI is that of an SA with another reqid', () => {
    put(east, policy('out', hostToHost, { template: template({ spi: 0x1001 }) }));
    add(east, sa(A, B, 0x1001, { reqid: ownReqid(2) }));
    expect(east.outbound(ping)).toMatchObject({ statistic: 'XfrmOutPolError', acquire: false });
  });

  it('chooses the newest SA by the second, the last added among equals, and a soft-expired one last', () => {
    put(east, policy('out', hostToHost, { template: template() }));
    add(east, sa(A, B, 0x1001));
    clock.advance(2000);
    add(east, sa(A, B, 0x1002));
    add(east, sa(A, B, 0x1003, { lifetime: { softSeconds: 10 } }));
    expect(sent(east.outbound(ping)).spi).toBe(0x1003);
    clock.advance(10_000);
    east.advance();
    expect(events).toEqual([{ kind: 'expire', id: { destination: B, spi: 0x1003 }, reqid: ownReqid(1), hard: false }]);
    expect(sent(east.outbound(ping)).spi).toBe(0x1002);
  });

  it('never uses an inbound SA, one of another mode, or one whose selector does not fit', () => {
    put(east, policy('out', selector(A, '10.0.0.0/24'), { template: template() }));
    add(east, sa(A, B, 0x1001, { direction: 'in' }));
    add(east, sa(A, B, 0x1002, { mode: 'tunnel' }));
    add(east, sa(A, B, 0x1003, { selector: selector(A, B, { protocol: 6 }) }));
    expect(east.outbound(ping)).toEqual(acquired);
  });

  it('looks for a tunnel SA by the addresses of the template', () => {
    const tunnel = template({ mode: 'tunnel', source: ip(A), destination: ip(B) });
    put(east, policy('out', selector('10.1.0.0/16', '10.2.0.0/16'), { template: tunnel }));
    add(east, sa(A, B, 0x1001, { mode: 'tunnel' }));
    const packet = sent(east.outbound(udpPacket('10.1.0.9', '10.2.0.9')));
    expect(packet).toMatchObject({ source: A, destination: B, mode: 'tunnel', inner: { source: '10.1.0.9' } });
  });

  it('does not use a policy with a mark or an if_id for ordinary packets', () => {
    put(east, policy('out', hostToHost, { action: 'block', mark: { value: 7, mask: 0xff } }, 1));
    put(east, policy('out', hostToHost, { action: 'block', ifId: 3 }, 2));
    expect(east.outbound(ping)).toEqual({ kind: 'plain' });
    expect(east.outbound({ ...ping, mark: 0x107 })).toMatchObject({ statistic: 'XfrmOutPolBlock' });
  });

  it('stops before a sequence number of 32 bits comes round, unless it is an extended one', () => {
    for (const esn of [false, true]) {
      put(east, policy('out', hostToHost, { template: template() }));
      const spi = esn ? 0x2001 : 0x2002;
      add(east, sa(A, B, spi, { esn }));
      const state = east.kernel.states.find({ destination: ip(B), spi });
      if (state !== undefined) state.sequence = 0xfffffffe;
      expect(sent(east.outbound(ping)).sequence).toBe(0xffffffff);
      if (esn) expect(sent(east.outbound(ping)).sequence).toBe(0);
      else expect(east.outbound(ping)).toMatchObject({ statistic: 'XfrmOutStateSeqError' });
      run(east, { kind: 'deleteSa', id: { destination: ip(B), spi } });
    }
  });
});

describe('the fake kernel, policies', () => {
  const wide = selector('10.0.0.0/8', '10.0.0.0/8');
  const block = { action: 'block' } as const;

  it('obeys the lower priority number, however wide the selector', () => {
    put(east, policy('out', hostToHost, { priority: 20 }, 1));
    put(east, policy('out', wide, { ...block, priority: 10 }, 2));
    expect(east.outbound(ping)).toMatchObject({ statistic: 'XfrmOutPolBlock' });
    put(east, policy('out', wide, { ...block, priority: 30 }, 2));
    expect(east.outbound(ping)).toEqual({ kind: 'plain' });
  });

  it('obeys the older of two with equal priority', () => {
    put(east, policy('out', wide, block, 1));
    put(east, policy('out', hostToHost, {}, 2));
    expect(east.outbound(ping)).toMatchObject({ statistic: 'XfrmOutPolBlock' });
    put(west, policy('out', hostToHost, {}, 2));
    put(west, policy('out', wide, block, 1));
    expect(west.outbound(ping)).toEqual({ kind: 'plain' });
  });

  it('replaces the policy with the same selector whatever its priority, and keeps its index', () => {
    put(east, policy('out', hostToHost, block, 1));
    put(east, policy('out', hostToHost, { priority: 5 }, 2));
    expect(east.outbound(ping)).toEqual({ kind: 'plain' });
    expect(east.dump()).toMatchObject({ value: { policies: [{ index: ownIndex(1, 'out'), priority: 5 }] } });
    run(east, { kind: 'deletePolicy', key: policy('out', hostToHost), index: ownIndex(1, 'out') });
    expect(east.dump()).toMatchObject({ value: { policies: [] } });
  });

  it('refuses a policy whose index another one has, instead of installing it as nobody’s', () => {
    put(east, policy('out', hostToHost, {}, 1));
    const second = policy('out', wide, block, 1);
    expect(east.execute({ kind: 'putPolicy', policy: second })).toMatchObject({ error: { errno: 'EEXIST' } });
    expect(east.dump()).toMatchObject({ value: { policies: [{ selector: hostToHost }] } });
  });

  it('distinguishes ports and ICMP types by their masks', () => {
    const high = { value: 0x8000, mask: 0x8000 };
    put(east, policy('out', { ...hostToHost, protocol: 17, destinationPort: high }, block, 1));
    expect(east.outbound(ping)).toEqual({ kind: 'plain' });
    expect(east.outbound({ ...ping, destinationPort: 40_000 })).toMatchObject({ kind: 'dropped' });
    expect(east.outbound({ ...ping, destinationPort: 40_000, protocol: 6 })).toEqual({ kind: 'plain' });
  });
});

describe('the fake kernel, inbound', () => {
  it('accepts what came through a matching SA', () => {
    oneWay(0x1001);
    expect(west.inbound(sent(east.outbound(ping)))).toEqual({
      kind: 'accepted',
      packet: ping,
      sa: { destination: B, spi: 0x1001 },
    });
  });

  it('drops plaintext under a required template, and passes it under an optional one', () => {
    put(west, policy('in', hostToHost, { template: template() }));
    expect(west.inbound(ping)).toEqual({ kind: 'dropped', statistic: 'XfrmInTmplMismatch' });
    put(west, policy('in', hostToHost, { template: template({ level: 'optional' }) }));
    expect(west.inbound(ping)).toMatchObject({ kind: 'accepted', sa: undefined });
  });

  it('drops ESP of an SA that it does not have', () => {
    oneWay(0x1001);
    run(west, { kind: 'deleteSa', id: { destination: ip(B), spi: 0x1001 } });
    expect(west.inbound(sent(east.outbound(ping)))).toEqual({ kind: 'dropped', statistic: 'XfrmInNoStates' });
  });

  it('drops all traffic of an SA once the template has another reqid', () => {
    oneWay(0x1001);
    put(west, policy('in', hostToHost, { template: template({ reqid: ownReqid(2) }) }));
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ statistic: 'XfrmInTmplMismatch' });
  });

  it('lets a transport SA of another reqid pass under an optional template, but no tunnel', () => {
    const optional = template({ reqid: ownReqid(2), level: 'optional' });
    oneWay(0x1001);
    put(west, policy('in', hostToHost, { template: optional }));
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ kind: 'accepted' });
    const tunnel = template({ mode: 'tunnel', source: ip(A), destination: ip(B) });
    put(east, policy('out', hostToHost, { template: tunnel }));
    put(west, policy('in', hostToHost, { template: { ...tunnel, level: 'optional', reqid: ownReqid(2) } }));
    add(east, sa(A, B, 0x1002, { mode: 'tunnel' }));
    add(west, sa(A, B, 0x1002, { mode: 'tunnel', direction: 'in' }));
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ statistic: 'XfrmInTmplMismatch' });
  });

  it('takes in a tunnel only under a policy, a transport SA also without', () => {
    oneWay(0x1001);
    run(west, { kind: 'deletePolicy', key: policy('in', hostToHost), index: ownIndex(1, 'in') });
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ kind: 'accepted' });
    const tunnel = template({ mode: 'tunnel', source: ip(A), destination: ip(B) });
    put(east, policy('out', hostToHost, { template: tunnel }));
    add(east, sa(A, B, 0x1002, { mode: 'tunnel' }));
    add(west, sa(A, B, 0x1002, { mode: 'tunnel', direction: 'in' }));
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ statistic: 'XfrmInNoPols' });
  });

  it('drops what keys or extended sequence numbers of the two ends make unreadable', () => {
    oneWay(0x1001);
    run(west, { kind: 'deleteSa', id: { destination: ip(B), spi: 0x1001 } });
    const other = new SecretBytes(keyBytes(20, 99));
    add(west, sa(A, B, 0x1001, { direction: 'in', encryptionKey: other }));
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ statistic: 'XfrmInStateProtoError' });
    run(west, { kind: 'deleteSa', id: { destination: ip(B), spi: 0x1001 } });
    add(west, sa(A, B, 0x1001, { direction: 'in', esn: true }));
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ statistic: 'XfrmInStateProtoError' });
  });

  it('drops a packet that comes twice, and one older than the window', () => {
    oneWay(0x1001, { replayWindow: 32 });
    const packets = Array.from({ length: 40 }, () => sent(east.outbound(ping)));
    const arrive = (i: number) => west.inbound(packets[i] as EspPacket).kind;
    expect([arrive(39), arrive(39), arrive(8), arrive(7), arrive(9)]).toEqual([
      'accepted',
      'dropped',
      'accepted',
      'dropped',
      'accepted',
    ]);
    expect(west.statistics.get('XfrmInStateSeqError')).toBe(2);
  });

  it('follows extended sequence numbers over the turn of the low half', () => {
    oneWay(0x1001, { esn: true, replayWindow: 64 });
    const id = { destination: ip(B), spi: 0x1001 };
    const sender = east.kernel.states.find(id);
    if (sender !== undefined) sender.sequence = 2 ** 32 - 3;
    west.kernel.states.find(id)?.replay.startAt(2 ** 32 - 3);
    const packets = Array.from({ length: 6 }, () => sent(east.outbound(ping)));
    expect(packets.map((packet) => packet.sequence)).toEqual([2 ** 32 - 2, 2 ** 32 - 1, 0, 1, 2, 3]);
    const order = [3, 0, 5, 1, 2, 4, 0];
    expect(order.map((i) => west.inbound(packets[i] as EspPacket).kind)).toEqual([
      ...Array(6).fill('accepted'),
      'dropped',
    ]);
  });

  it('applies the policies for UDP to ESP in UDP before it is opened', () => {
    const udpEncapsulation = { sourcePort: 4500, destinationPort: 4500 };
    oneWay(0x1001, { udpEncapsulation });
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ statistic: 'XfrmInTmplMismatch' });
    const bypass = selector(A, B, { protocol: 17, destinationPort: { value: 4500, mask: 0xffff } });
    put(west, policy('in', bypass, { priority: 1 }, 2));
    expect(west.inbound(sent(east.outbound(ping)))).toMatchObject({ kind: 'accepted' });
  });

  it('drops ESP that is in UDP on one side only, and reports where ESP in UDP really came from', () => {
    const udpEncapsulation = { sourcePort: 4500, destinationPort: 4500 };
    oneWay(0x1001, { udpEncapsulation });
    run(west, { kind: 'deletePolicy', key: policy('in', hostToHost), index: ownIndex(1, 'in') });
    const packet = sent(east.outbound(ping));
    expect(packet.udp).toEqual(udpEncapsulation);
    expect(west.inbound({ ...packet, udp: undefined })).toMatchObject({ statistic: 'XfrmInStateMismatch' });
    const moved = { ...sent(east.outbound(ping)), source: ip('192.0.2.7') };
    expect(west.inbound({ ...moved, udp: { sourcePort: 1024, destinationPort: 4500 } })).toMatchObject({
      kind: 'accepted',
    });
    west.advance();
    expect(events).toEqual([
      {
        kind: 'mapping',
        id: { destination: B, spi: 0x1001 },
        reqid: ownReqid(1),
        newAddress: '192.0.2.7',
        newPort: 1024,
      },
    ]);
  });

  it('tells of a peer that has moved once a while, and not any more when it has the new ports', () => {
    const udpEncapsulation = { sourcePort: 4500, destinationPort: 4500 };
    oneWay(0x1001, { udpEncapsulation });
    run(west, { kind: 'deletePolicy', key: policy('in', hostToHost), index: ownIndex(1, 'in') });
    const arrive = (sourcePort: number): void => {
      const packet = { ...sent(east.outbound(ping)), udp: { sourcePort, destinationPort: 4500 } };
      expect(west.inbound(packet)).toMatchObject({ kind: 'accepted' });
      west.advance();
    };
    const told = () => events.splice(0).map((event) => event.kind === 'mapping' && event.newPort);
    for (const port of [1024, 1024, 1025, 1025]) arrive(port);
    expect(told()).toEqual([1024, 1025]);
    clock.advance(2_500);
    arrive(1025);
    expect(told()).toEqual([1025]);
    const id = { destination: ip(B), spi: 0x1001 };
    run(west, { kind: 'updateEncapsulation', id, udpEncapsulation: { sourcePort: 1025, destinationPort: 4500 } });
    clock.advance(2_500);
    arrive(1025);
    expect(told()).toEqual([]);
    expect(west.dump()).toMatchObject({ value: { sas: [{ packets: 6, udpEncapsulation: { sourcePort: 1025 } }] } });
  });

  it('gives other ports only to an SA of ours that is in UDP', () => {
    add(west, sa(A, B, 0x1001, { direction: 'in' }));
    west.kernel.addSa(sa(A, B, 0x1002, { reqid: 1 }));
    const refusal = (spi: number): string => {
      const udpEncapsulation = { sourcePort: 1, destinationPort: 2 };
      const outcome = west.execute({ kind: 'updateEncapsulation', id: { destination: ip(B), spi }, udpEncapsulation });
      return outcome.ok ? '' : outcome.error.errno;
    };
    expect([0x1001, 0x1002, 0x1003].map(refusal)).toEqual(['EINVAL', 'CONFLICT', 'ESRCH']);
  });

  it('forwards what is not for this host, by its fwd and then its out policies', () => {
    const gateway = new MemoryDataplane({ clock, isLocal: (address) => address === B });
    const net = selector('10.1.0.0/16', '10.2.0.0/16');
    const tunnel = template({ mode: 'tunnel', source: ip(A), destination: ip(B) });
    put(east, policy('out', net, { template: tunnel }));
    add(east, sa(A, B, 0x1001, { mode: 'tunnel' }));
    add(gateway, sa(A, B, 0x1001, { mode: 'tunnel', direction: 'in' }));
    const inner = udpPacket('10.1.0.9', '10.2.0.9');
    put(gateway, policy('in', net, { template: tunnel }));
    expect(gateway.inbound(sent(east.outbound(inner)))).toMatchObject({ statistic: 'XfrmInNoPols' });
    put(gateway, policy('fwd', net, { template: tunnel }));
    expect(gateway.inbound(sent(east.outbound(inner)))).toEqual({
      kind: 'forwarded',
      packet: inner,
      onward: { kind: 'plain' },
    });
    expect(gateway.forward(inner)).toMatchObject({ statistic: 'XfrmInTmplMismatch' });
  });
});

describe('the fake kernel, lifetimes', () => {
  const id = { destination: ip(B), spi: 0x1001 };

  it('warns at the soft limit of time and removes the SA at the hard one', () => {
    put(east, policy('out', hostToHost, { template: template() }));
    add(east, sa(A, B, 0x1001, { lifetime: { softSeconds: 60, hardSeconds: 90 } }));
    expect(east.nextDeadline()).toBe(60_000);
    clock.advance(60_000);
    east.advance();
    expect(east.nextDeadline()).toBe(90_000);
    expect(east.outbound(ping).kind).toBe('esp');
    clock.advance(30_000);
    east.advance();
    expect(events.map((event) => event.kind === 'expire' && event.hard)).toEqual([false, true]);
    expect(east.outbound(ping)).toEqual(acquired);
  });

  it('counts packets: the one after the soft limit warns, the one after the hard limit is lost', () => {
    put(east, policy('out', hostToHost, { template: template() }));
    add(east, sa(A, B, 0x1001, { lifetime: { softPackets: 2, hardPackets: 3 } }));
    const fates = Array.from({ length: 4 }, () => east.outbound(ping));
    expect(fates.map((fate) => fate.kind)).toEqual(['esp', 'esp', 'esp', 'dropped']);
    expect(fates[3]).toMatchObject({ statistic: 'XfrmOutStateExpired' });
    east.advance();
    expect(events).toEqual([
      { kind: 'expire', id, reqid: ownReqid(1), hard: false },
      { kind: 'expire', id, reqid: ownReqid(1), hard: true },
    ]);
  });

  it('counts the payload in transport mode and the whole inner packet in tunnel mode', () => {
    oneWay(0x1001);
    west.inbound(sent(east.outbound(ping)));
    run(west, { kind: 'queryCounters', id });
    west.advance();
    expect(events).toEqual([{ kind: 'counters', id, reqid: ownReqid(1), packets: 1, bytes: 100 }]);
    const tunnel = template({ mode: 'tunnel', source: ip(A), destination: ip(B) });
    put(east, policy('out', hostToHost, { template: tunnel }));
    add(east, sa(A, B, 0x1002, { mode: 'tunnel', lifetime: { softBytes: 120 } }));
    east.outbound(ping);
    expect(east.dump()).toMatchObject({ value: { sas: [{ bytes: 120 }, { bytes: 100 }] } });
  });
});

describe('the port of the fake kernel', () => {
  it('delivers events only when it is advanced, never inside a command', () => {
    add(east, sa(A, B, 0x1001));
    run(east, { kind: 'queryCounters', id: { destination: ip(B), spi: 0x1001 } });
    expect(events).toEqual([]);
    expect(east.nextDeadline()).toBe(0);
    east.advance();
    expect(events).toHaveLength(1);
    expect(east.nextDeadline()).toBeUndefined();
  });

  it('leaves foreign SAs and policies alone and reports a conflict', () => {
    east.kernel.putPolicy({ ...policy('out', hostToHost, { action: 'block' }), index: 0 });
    east.kernel.addSa(sa(A, B, 0x1001, { reqid: 1 }));
    const attempts: readonly DataplaneCommand[] = [
      { kind: 'putPolicy', policy: policy('out', hostToHost) },
      { kind: 'deletePolicy', key: policy('out', hostToHost), index: ownIndex(1, 'out') },
      { kind: 'deleteSa', id: { destination: ip(B), spi: 0x1001 } },
    ];
    for (const command of attempts) {
      expect(east.execute(command)).toMatchObject({ ok: false, error: { errno: 'CONFLICT', command: command.kind } });
    }
    expect(east.dump()).toMatchObject({
      value: { sas: [{ ours: false }], policies: [{ ours: false, action: 'block' }] },
    });
  });

  it('does not mind deleting what is gone, but cannot count it', () => {
    const id = { destination: ip(B), spi: 0x1001 };
    run(east, { kind: 'deleteSa', id });
    run(east, { kind: 'deletePolicy', key: policy('out', hostToHost), index: ownIndex(1, 'out') });
    expect(east.execute({ kind: 'queryCounters', id })).toMatchObject({ error: { errno: 'ESRCH' } });
  });

  it('fails a command when it is told to, changes nothing, and wipes the keys all the same', () => {
    const faulty = new MemoryDataplane({ clock, fault: () => ({ errno: 'ENOMEM', reason: '' }) });
    const spec = sa(A, B, 0x1001);
    expect(faulty.execute({ kind: 'addSa', sa: spec })).toEqual({
      ok: false,
      error: {
        kind: 'dataplaneError',
        command: 'addSa',
        object: 'SA 10.0.0.2 spi 00001001',
        errno: 'ENOMEM',
        message: 'the kernel refused it with ENOMEM: the kernel is out of memory',
      },
    });
    expect(spec.encryptionKey.length).toBe(0);
    expect(faulty.dump()).toEqual({ ok: true, value: { sas: [], policies: [] } });
  });

  it('refuses numbers that could not be known as ours again', () => {
    const foreignReqid = sa(A, B, 0x1001, { reqid: 7 });
    expect(east.execute({ kind: 'addSa', sa: foreignReqid })).toMatchObject({ error: { errno: 'EINVAL' } });
    const foreignIndex = { ...policy('out', hostToHost), index: 9 };
    expect(east.execute({ kind: 'putPolicy', policy: foreignIndex })).toMatchObject({ error: { errno: 'EINVAL' } });
  });

  it('tells by a snapshot that events were lost', () => {
    add(east, sa(A, B, 0x1001));
    const id = { destination: ip(B), spi: 0x1001 };
    for (let i = 0; i < 5000; i++) run(east, { kind: 'queryCounters', id });
    east.advance();
    expect(events).toHaveLength(4097);
    expect(events.at(-1)).toMatchObject({ kind: 'resync', snapshot: { sas: [{ id }] } });
  });

  it('carries thousands of packets between hundreds of peers in a moment', () => {
    for (let peer = 0; peer < 300; peer++) {
      const address = `10.9.${peer >> 8}.${peer & 255}`;
      put(east, policy('out', selector(A, address), { template: template() }, peer));
      add(east, sa(A, address, 0x1000 + peer));
    }
    let encrypted = 0;
    for (let i = 0; i < 30_000; i++) {
      const peer = i % 300;
      if (east.outbound(udpPacket(A, `10.9.${peer >> 8}.${peer & 255}`)).kind === 'esp') encrypted += 1;
    }
    expect(encrypted).toBe(30_000);
  });
});

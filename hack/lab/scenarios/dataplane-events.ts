import assert from 'node:assert/strict';
import { release } from 'node:os';

import { ownIndex, ownReqid } from '../../../agent/dataplane/ownership.ts';
import { ip, policy, sa, selector, template } from '../../../agent/dataplane/testing/builders.ts';
import type { DataplaneCommand, DataplaneEvent } from '../../../agent/dataplane/types.ts';
import { openXfrmDataplane, type XfrmDataplane } from '../../../agent/dataplane/xfrm/driver.ts';
import { closeDescriptor, inNetworkNamespace, sendTo } from '../../../agent/native/libc.ts';
import { encodeSocketAddress } from '../../../agent/native/socket-address.ts';
import { openUdpSocket } from '../../../agent/native/udp-socket.ts';
import { ipAddressBytes } from '../../../agent/wire/ip-address.ts';
import { addStateLine } from '../dataplane/ip-xfrm.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import { waitUntil } from '../runner/wait-until.ts';
import type { LabNode } from '../topology/lab-node.ts';

const EAST = '192.0.2.1';
const WEST = '192.0.2.2';
const hostToHost = selector(EAST, WEST);
const id = { destination: ip(WEST), spi: 0x1001 };

const scenario: Scenario = {
  name: 'dataplane-events',
  description: 'the driver and a real kernel: expiry, acquire, mapping, lost events, errors in words, foreign objects',
  run,
};
export default scenario;

async function run(lab: Lab): Promise<void> {
  const { nodes } = await lab.topology({
    nodes: { east: {}, west: {} },
    links: {
      wire: {
        ends: [
          { node: 'east', interface: 'eth0', addresses: [`${EAST}/24`] },
          { node: 'west', interface: 'eth0', addresses: [`${WEST}/24`] },
        ],
      },
    },
  });
  const east = open(nodes.east);
  const west = open(nodes.west);
  try {
    assert.equal(await nodes.east.succeed(['ip', 'xfrm', 'state']), '', 'the probe leaves nothing behind');
    const [, major = 0, minor = 0] = /^(\d+)\.(\d+)/.exec(release())?.map(Number) ?? [];
    const since = (first: number): boolean => major > 6 || (major === 6 && minor >= first);
    const { direction, natKeepalive } = east.dataplane.features;
    assert.deepEqual({ direction, natKeepalive }, { direction: since(10), natKeepalive: since(11) });
    await expiry(lab, east, nodes.east);
    await acquire(lab, east, nodes.east);
    await mappingAndOverflow(lab, east, west, nodes);
    await errors(lab, east);
    await foreignObjects(lab, east, nodes.east);
  } finally {
    east.dataplane.close();
    west.dataplane.close();
  }
}

async function expiry(lab: Lab, east: Opened, node: LabNode): Promise<void> {
  lab.step('a soft and a hard limit of packets: the packet behind the limit tells');
  east.do({ kind: 'putPolicy', policy: policy('out', hostToHost, { template: template() }) });
  east.do({ kind: 'addSa', sa: sa(EAST, WEST, id.spi, { lifetime: { softPackets: 2, hardPackets: 3 } }) });
  send(node, 2);
  assert.deepEqual(await east.seen(0), []);
  send(node, 1);
  assert.deepEqual(await east.seen(1), [{ kind: 'expire', id, reqid: ownReqid(1), hard: false }]);
  send(node, 1);
  assert.deepEqual(await east.seen(1), [{ kind: 'expire', id, reqid: ownReqid(1), hard: true }]);
  assert.deepEqual(east.dump().sas, []);

  lab.step('a soft and a hard limit of time');
  const [soft, hard] = [{ softSeconds: 1, hardSeconds: 2 }, {}] as const;
  east.do({ kind: 'addSa', sa: sa(EAST, WEST, 0x1002, { lifetime: soft }) });
  east.do({ kind: 'addSa', sa: sa(EAST, WEST, 0x1003, { lifetime: hard }) });
  const expired = await east.seen(2);
  assert.deepEqual(
    expired.map((event) => event.kind === 'expire' && [event.id.spi, event.hard]),
    [
      [0x1002, false],
      [0x1002, true],
    ],
  );
  assert.deepEqual(
    east.dump().sas.map((installed) => installed.id.spi),
    [0x1003],
  );
  east.do({ kind: 'deleteSa', id: { ...id, spi: 0x1003 } });
}

async function acquire(lab: Lab, east: Opened, node: LabNode): Promise<void> {
  lab.step('a packet without an SA raises one ACQUIRE, whose larval state no dump shows');
  send(node, 3);
  const seen = await east.seen(1);
  const exactly = (value: number) => ({ value, mask: 0xffff });
  assert.deepEqual(seen.length, 1);
  const [event] = seen;
  assert.ok(event?.kind === 'acquire' && event.sequence > 0);
  assert.deepEqual(event, {
    kind: 'acquire',
    sequence: event.sequence,
    policyIndex: ownIndex(1, 'out'),
    reqid: ownReqid(1),
    selector: selector(EAST, WEST, { protocol: 17, sourcePort: exactly(4000), destinationPort: exactly(5000) }),
  });
  assert.deepEqual(east.dump().sas, []);
  east.do({ kind: 'addSa', sa: sa(EAST, WEST, id.spi) });
  send(node, 2);
  east.do({ kind: 'queryCounters', id });
  const counters = { kind: 'counters', id, reqid: ownReqid(1), packets: 2, bytes: 2 * (8 + 4) };
  assert.deepEqual(await east.seen(1), [counters]);
}

async function mappingAndOverflow(
  lab: Lab,
  east: Opened,
  west: Opened,
  nodes: { readonly east: LabNode; readonly west: LabNode },
): Promise<void> {
  lab.step('ESP in UDP from another port than the SA’s is reported with the new port');
  const udp = (sourcePort: number) => ({ udpEncapsulation: { sourcePort, destinationPort: 4500 } });
  const outId = { ...id, spi: 0x2001 };
  east.do({ kind: 'addSa', sa: sa(EAST, WEST, outId.spi, udp(1024)) });
  east.do({
    kind: 'putPolicy',
    policy: policy('out', hostToHost, { template: template({ spi: outId.spi }) }),
  });
  west.do({ kind: 'addSa', sa: sa(EAST, WEST, outId.spi, { direction: 'in', replayWindow: 64, ...udp(4500) }) });
  const receiver = inNode(nodes.west, () =>
    openUdpSocket({ local: { address: ipAddressBytes(ip(WEST)), port: 4500 }, espInUdp: true }),
  );
  if (!receiver.ok) throw new Error(receiver.error.message);
  try {
    send(nodes.east, 1);
    const mapping = { kind: 'mapping', id: outId, reqid: ownReqid(1), newAddress: ip(EAST), newPort: 1024 };
    assert.deepEqual(await west.seen(1), [mapping]);
    send(nodes.east, 5);
    assert.deepEqual(await west.seen(0), [], 'the same mapping is told again after a second only');

    lab.step('an SA gets other ports in place: nothing else changes, and no packet is lost');
    const ports = (sourcePort: number) => ({ sourcePort, destinationPort: 4500 });
    const before = await saText(nodes.west, outId);
    west.do({ kind: 'updateEncapsulation', id: outId, udpEncapsulation: ports(1024) });
    assert.equal(await saText(nodes.west, outId), before.replace('sport 4500', 'sport 1024'));
    east.do({ kind: 'updateEncapsulation', id: outId, udpEncapsulation: ports(2048) });
    send(nodes.east, 4);
    assert.deepEqual(await west.seen(1), [{ ...mapping, newPort: 2048 }]);
    const counted = (side: Opened) => side.dump().sas.find((installed) => installed.id.spi === outId.spi)?.packets;
    assert.deepEqual([counted(east), counted(west)], [10, 10]);
    east.refused({ kind: 'updateEncapsulation', id, udpEncapsulation: ports(1) }, 'EINVAL', /spi 00001001/);

    lab.step('more events than the socket holds: everything is dumped again, and later events still arrive');
    west.do({ kind: 'deleteSa', id: outId });
    east.do({ kind: 'deleteSa', id: outId });
    east.do({ kind: 'addSa', sa: sa(EAST, WEST, outId.spi, udp(1024)) });
    // By `ip`, which sets no bound: each packet is an event.
    const unbounded = sa(EAST, WEST, outId.spi, { direction: 'in', replayWindow: 64, ...udp(4500) });
    await nodes.west.ip(addStateLine(unbounded));
    send(nodes.east, FLOOD);
    const flood = await west.seen(FLOOD, (event) => event.kind === 'resync');
    const resync = flood.find((event) => event.kind === 'resync');
    assert.ok(resync?.kind === 'resync', `${flood.length} events and no resync`);
    assert.deepEqual(
      resync.snapshot.sas.map((installed) => [installed.id.spi, installed.packets]),
      [[outId.spi, FLOOD]],
    );
    await waitUntil('the rest of the flood', async () => (await west.seen(0)).length === 0);
    send(nodes.east, 1);
    assert.deepEqual(await west.seen(1), [mapping]);
  } finally {
    closeDescriptor(receiver.value);
  }
}

/** An SA as `ip` shows it, keys and sequence numbers included, but for the time of its last use. */
async function saText(node: LabNode, { destination, spi }: typeof id): Promise<string> {
  const shown = await node.succeed([
    'ip',
    '-s',
    'xfrm',
    'state',
    'get',
    'dst',
    destination,
    'proto',
    'esp',
    'spi',
    `${spi}`,
  ]);
  return shown.replace(/lastused .*/, '');
}

async function errors(lab: Lab, east: Opened): Promise<void> {
  lab.step('errors say which object, what the kernel has against it, and what to do');
  const withoutWindow = sa(WEST, EAST, 0x3001, { direction: 'in', esn: true, replayWindow: 0 });
  east.refused({ kind: 'addSa', sa: withoutWindow }, 'EINVAL', /SA 192\.0\.2\.1 spi 00003001.*ESN replay window/);
  const tooWide = sa(WEST, EAST, 0x3001, { direction: 'in', esn: true, replayWindow: 5000 });
  east.refused({ kind: 'addSa', sa: tooWide }, 'EINVAL', /spi 00003001/);
  east.refused({ kind: 'addSa', sa: sa(EAST, WEST, id.spi) }, 'EEXIST', /an SPI of its own/);
  const outer = { source: ip(EAST), destination: ip(WEST) };
  const optionalTunnel = template({ mode: 'tunnel', ...outer, level: 'optional' });
  const optional = policy('out', selector('10.1.0.0/16', '10.2.0.0/16'), { template: optionalTunnel }, 5);
  east.refused({ kind: 'putPolicy', policy: optional }, 'EINVAL', /10\.1\.0\.0\/16.*optional template/);
  const sameIndex = policy('out', selector(EAST, '192.0.2.9'), {}, 1);
  east.refused({ kind: 'putPolicy', policy: sameIndex }, 'EEXIST', /another policy has the index/);
  east.refused({ kind: 'queryCounters', id: { ...id, spi: 0x9999 } }, 'ESRCH', /spi 00009999/);
  east.do({ kind: 'deleteSa', id: { ...id, spi: 0x9999 } });
  assert.deepEqual(
    east.dump().policies.map((installed) => installed.index),
    [ownIndex(1, 'out')],
  );
}

async function foreignObjects(lab: Lab, east: Opened, node: LabNode): Promise<void> {
  lab.step('SAs and policies of another program are shown, refused and left as they are');
  await node.ip(
    `xfrm policy add src ${EAST} dst 192.0.2.7 dir out priority 500 tmpl proto esp reqid 1 mode transport`,
    `xfrm state add src ${EAST} dst 192.0.2.7 proto esp spi 0x7001 reqid 1 mode transport aead rfc4106(gcm(aes)) ${KEY} 128`,
  );
  const before = await foreignText(node);
  const theirs = policy('out', selector(EAST, '192.0.2.7'), { action: 'block' }, 9);
  const theirSa = { destination: ip('192.0.2.7'), spi: 0x7001 };
  east.refused({ kind: 'putPolicy', policy: theirs }, 'CONFLICT', /belongs to another program/);
  east.refused({ kind: 'deletePolicy', key: theirs, index: theirs.index }, 'CONFLICT', /left alone/);
  east.refused({ kind: 'deleteSa', id: theirSa }, 'CONFLICT', /left alone/);
  const { sas, policies } = east.dump();
  assert.deepEqual(
    [...sas, ...policies].filter((object) => !object.ours).length,
    2,
    'the dump shows them, and knows them as foreign',
  );
  for (const installed of sas.filter((object) => object.ours)) east.do({ kind: 'deleteSa', id: installed.id });
  for (const installed of policies.filter((object) => object.ours)) {
    east.do({ kind: 'deletePolicy', key: installed, index: installed.index });
  }
  assert.equal(await foreignText(node), before);
  assert.equal([...east.dump().sas, ...east.dump().policies].length, 2);
}

/** A dataplane and what it has told. */
interface Opened {
  readonly dataplane: XfrmDataplane;
  /** Carries out a command that must succeed. */
  readonly do: (command: DataplaneCommand) => void;
  /** Orders what must be refused, with an error that says `text`. */
  readonly refused: (command: DataplaneCommand, errno: string, text: RegExp) => void;
  readonly dump: () => { readonly sas: readonly Sa[]; readonly policies: readonly Policy[] };
  /** The events since the last call: waits for a number of them, or for one that `enough` knows. */
  readonly seen: (count: number, enough?: (event: DataplaneEvent) => boolean) => Promise<readonly DataplaneEvent[]>;
}

type Dump = Extract<ReturnType<XfrmDataplane['dump']>, { ok: true }>['value'];
type Sa = Dump['sas'][number];
type Policy = Dump['policies'][number];

function open(node: LabNode): Opened {
  const opened = inNode(node, () => openXfrmDataplane());
  if (!opened.ok) throw new Error(opened.error.message);
  const dataplane = opened.value;
  const events: DataplaneEvent[] = [];
  dataplane.onEvent((event) => events.push(event));
  return {
    dataplane,
    do: (command) => {
      const outcome = dataplane.execute(command);
      if (!outcome.ok) throw new Error(`${outcome.error.object}: ${outcome.error.message}`);
    },
    refused: (command, errno, text) => {
      const outcome = dataplane.execute(command);
      assert.ok(!outcome.ok, `${command.kind} was not refused`);
      assert.equal(outcome.error.errno, errno, outcome.error.message);
      assert.match(`${outcome.error.object}: ${outcome.error.message}`, text);
    },
    dump: () => {
      const dump = dataplane.dump();
      if (!dump.ok) throw new Error(dump.error.message);
      return dump.value;
    },
    seen: async (count, enough = () => false) => {
      if (count === 0) await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      else await waitUntil(`${count} events`, () => events.length >= count || events.some(enough), { intervalMs: 10 });
      return events.splice(0);
    },
  };
}

/** Sends datagrams of four bytes from port 4000 of east to port 5000 of west. */
function send(node: LabNode, count: number): void {
  const socket = inNode(node, () =>
    openUdpSocket({ local: { address: ipAddressBytes(ip(EAST)), port: 4000 }, espInUdp: false }),
  );
  if (!socket.ok) throw new Error(socket.error.message);
  const destination = encodeSocketAddress({ address: ipAddressBytes(ip(WEST)), port: 5000 });
  // Without a listener the answers would be ICMP errors on this socket, which the next call would report.
  for (let i = 0; i < count; i++) sendTo(socket.value, new Uint8Array(4), destination);
  closeDescriptor(socket.value);
}

/** What is foreign, as `ip` shows it. */
async function foreignText(node: LabNode): Promise<string> {
  const shown = await Promise.all([
    node.succeed(['ip', 'xfrm', 'state', 'get', 'dst', '192.0.2.7', 'proto', 'esp', 'spi', '0x7001']),
    node.succeed(['ip', 'xfrm', 'policy', 'get', 'src', EAST, 'dst', '192.0.2.7', 'dir', 'out']),
  ]);
  return shown.join('');
}

function inNode<T>(node: LabNode, work: () => T): T {
  const outcome = inNetworkNamespace(`/run/netns/${node.namespace}`, work);
  if (!outcome.ok) throw new Error(`${outcome.error.call}: ${outcome.error.message}`);
  return outcome.value;
}

const KEY = `0x${'0123456789'.repeat(4)}`;
/** Long enough for an event that was raised already to arrive. */
const QUIET_MS = 50;
/** A socket of 8 MiB holds some ten thousand events. */
const FLOOD = 30_000;

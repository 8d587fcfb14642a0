import assert from 'node:assert/strict';

import { opensslProvider } from '../../../agent/crypto/openssl/openssl-provider.ts';
import { SecretBytes } from '../../../agent/crypto/secret.ts';
import { keyBytes, policy, sa, selector, template } from '../../../agent/dataplane/testing/builders.ts';
import type { DataplaneCommand, SaSpec } from '../../../agent/dataplane/types.ts';
import { openXfrmDataplane, type XfrmDataplane } from '../../../agent/dataplane/xfrm/driver.ts';
import { inNetworkNamespace } from '../../../agent/native/libc.ts';
import { openUdpSocket } from '../../../agent/native/udp-socket.ts';
import { ipAddressBytes, parseZonedAddress } from '../../../agent/wire/ip-address.ts';
import type { Lab, Scenario } from '../runner/scenario.ts';
import type { LabNode } from '../topology/lab-node.ts';
import { ping } from '../traffic/counted-pings.ts';
import { readXfrmStat, xfrmStatChange } from '../xfrm/xfrm-stat.ts';

const scenario: Scenario = {
  name: 'dataplane-early-packets',
  description:
    'what comes before its SA is received when the SA is there: IPv4, IPv6, tunnel and in UDP; forgeries and what it is not for are not',
  run,
};
export default scenario;

interface Kind {
  readonly name: string;
  readonly ipVersion: 4 | 6;
  readonly mode: 'transport' | 'tunnel';
  readonly inUdp?: boolean;
}

const kinds: readonly Kind[] = [
  { name: 'transport mode, IPv4', ipVersion: 4, mode: 'transport' },
  { name: 'transport mode, IPv6', ipVersion: 6, mode: 'transport' },
  { name: 'tunnel mode, IPv4', ipVersion: 4, mode: 'tunnel' },
  { name: 'tunnel mode, IPv6', ipVersion: 6, mode: 'tunnel' },
  { name: 'in UDP, IPv4', ipVersion: 4, mode: 'transport', inUdp: true },
  { name: 'in UDP, IPv6', ipVersion: 6, mode: 'tunnel', inUdp: true },
];

const ends = {
  4: { east: '192.0.2.1', west: '192.0.2.2' },
  6: { east: '2001:db8::1', west: '2001:db8::2' },
} as const;
const PINGS = 5;

async function run(lab: Lab): Promise<void> {
  const { nodes } = await lab.topology({
    nodes: { east: {}, west: {} },
    links: {
      wire: {
        ends: (['east', 'west'] as const).map((node) => ({
          node,
          interface: 'eth0',
          addresses: [`${ends[4][node]}/24`, `${ends[6][node]}/64`],
        })),
      },
    },
  });
  const options = { messageProtection: opensslProvider.messageProtection };
  const east = inNode(nodes.east, () => openXfrmDataplane(options));
  const west = inNode(nodes.west, () => openXfrmDataplane(options));
  assert.ok(east.ok && west.ok, 'the kernel cannot do ESP');
  for (const ipVersion of [4, 6] as const) takeEspOutOfUdp(nodes.west, ends[ipVersion].west);
  try {
    for (const [index, kind] of kinds.entries()) {
      lab.step(kind.name);
      await handedOver(nodes, east.value, west.value, kind, 0x1000 + 0x10 * index);
    }
    lab.step('packets that bear the SPI and were made with another key');
    await forged(nodes, east.value, west.value);
    for (const ipVersion of [4, 6] as const) {
      lab.step(`packets from an address that the tunnel is not for, IPv${ipVersion}`);
      await outside(nodes, east.value, west.value, ipVersion);
    }
  } finally {
    east.value.close();
    west.value.close();
  }
}

type Nodes = Readonly<Record<'east' | 'west', LabNode>>;

/** East sends while west has no SA yet; all of it is received once west has. */
async function handedOver(nodes: Nodes, east: XfrmDataplane, west: XfrmDataplane, kind: Kind, spi: number) {
  const undo = send(nodes, east, west, kind, spi);
  order(nodes.west, west, { kind: 'awaitSa', id: saOf(kind, spi, 'in').id });
  const before = await readXfrmStat(nodes.west);
  const echoes = await received(nodes.west);
  const { received: answers } = await ping(nodes.east, ends[kind.ipVersion].west, {
    count: PINGS,
    waitMs: 100,
    intervalMs: 20,
  });
  assert.equal(answers, 0, 'there is no SA yet');
  assert.equal(await received(nodes.west), echoes);
  order(nodes.west, west, { kind: 'addSa', sa: saOf(kind, spi, 'in') });
  assert.equal((await received(nodes.west)) - echoes, PINGS, 'packets that came before the SA and were received');
  const { XfrmInNoStates, ...others } = xfrmStatChange(before, await readXfrmStat(nodes.west));
  assert.ok((XfrmInNoStates ?? 0) >= PINGS, 'Linux has dropped the packets themselves');
  assert.deepEqual(others, {}, 'what was handed over was received once');
  undo();
}

/** Nothing gets in by being early that would not get in later. */
async function forged(nodes: Nodes, east: XfrmDataplane, west: XfrmDataplane): Promise<void> {
  const kind: Kind = { name: '', ipVersion: 4, mode: 'transport' };
  const undo = send(nodes, east, west, kind, 0x2000);
  order(nodes.west, west, { kind: 'awaitSa', id: saOf(kind, 0x2000, 'in').id });
  const before = await readXfrmStat(nodes.west);
  const echoes = await received(nodes.west);
  await ping(nodes.east, ends[4].west, { count: PINGS, waitMs: 100, intervalMs: 20 });
  order(nodes.west, west, {
    kind: 'addSa',
    sa: sa(ends[4].east, ends[4].west, 0x2000, {
      direction: 'in',
      replayWindow: 64,
      encryptionKey: new SecretBytes(keyBytes(20, 9)),
      traffic: [selector(ends[4].east, ends[4].west)],
    }),
  });
  assert.equal(await received(nodes.west), echoes);
  const { XfrmInNoStates, ...others } = xfrmStatChange(before, await readXfrmStat(nodes.west));
  assert.ok((XfrmInNoStates ?? 0) >= PINGS, 'Linux has dropped the packets themselves');
  assert.deepEqual(others, {}, 'none was handed over');
  undo();
}

/**
 * East has the keys and sends what it likes: of what comes late Linux compares the addresses with its policies, of what is
 * handed over it does not.
 */
async function outside(nodes: Nodes, east: XfrmDataplane, west: XfrmDataplane, ipVersion: 4 | 6): Promise<void> {
  const kind: Kind = { name: '', ipVersion, mode: 'tunnel' };
  const spi = 0x3000 + ipVersion;
  const { east: from, west: to } = ends[ipVersion];
  const other = OUTSIDE[ipVersion];
  await nodes.east.succeed(['ip', 'address', 'add', other, 'dev', 'lo', ...(ipVersion === 6 ? ['nodad'] : [])]);
  await nodes.west.succeed(['ip', 'route', 'add', other, 'via', from]);
  const undo = send(nodes, east, west, kind, spi);
  const wanted = template({ mode: 'tunnel', source: address(from), destination: address(to) });
  const out = policy('out', selector(other, to, ICMP[ipVersion]), { template: { ...wanted, spi } }, 3);
  order(nodes.east, east, { kind: 'putPolicy', policy: out });
  order(nodes.west, west, { kind: 'awaitSa', id: saOf(kind, spi, 'in').id });
  const echoes = await received(nodes.west);
  await ping(nodes.east, to, { count: PINGS, waitMs: 100, intervalMs: 20, from: other });
  order(nodes.west, west, { kind: 'addSa', sa: saOf(kind, spi, 'in') });
  assert.equal(await received(nodes.west), echoes);
  order(nodes.east, east, { kind: 'deletePolicy', key: out, index: out.index });
  undo();
}

/** Has east send to west by an SA; `undo` removes everything. */
function send(
  { east: node, west: other }: Nodes,
  east: XfrmDataplane,
  west: XfrmDataplane,
  kind: Kind,
  spi: number,
): () => void {
  const { east: from, west: to } = ends[kind.ipVersion];
  const outer = kind.mode === 'tunnel' ? { source: address(from), destination: address(to) } : {};
  const wanted = template({ mode: kind.mode, ...outer });
  const out = policy('out', selector(from, to, ICMP[kind.ipVersion]), { template: { ...wanted, spi } });
  const inbound = policy('in', selector(from, to, ICMP[kind.ipVersion]), { template: wanted }, 2);
  order(node, east, { kind: 'addSa', sa: saOf(kind, spi, 'out') });
  order(node, east, { kind: 'putPolicy', policy: out });
  order(other, west, { kind: 'putPolicy', policy: inbound });
  return () => {
    order(node, east, { kind: 'deletePolicy', key: out, index: out.index });
    order(node, east, { kind: 'deleteSa', id: saOf(kind, spi, 'out').id });
    order(other, west, { kind: 'deletePolicy', key: inbound, index: inbound.index });
    order(other, west, { kind: 'deleteSa', id: saOf(kind, spi, 'in').id });
  };
}

function saOf({ ipVersion, mode, inUdp = false }: Kind, spi: number, direction: 'in' | 'out'): SaSpec {
  const { east, west } = ends[ipVersion];
  return sa(east, west, spi, {
    mode,
    direction,
    ...(direction === 'in' ? { replayWindow: 64, traffic: [selector(east, west, ICMP[ipVersion])] } : {}),
    ...(inUdp ? { udpEncapsulation: { sourcePort: 4500, destinationPort: 4500 } } : {}),
  });
}

/** Echo requests that a machine has received, of both families. */
async function received(node: LabNode): Promise<number> {
  const text = await node.succeed(['nstat', '-asz', 'IcmpInEchos', 'Icmp6InEchos']);
  return [...text.matchAll(/InEchos\s+(\d+)/g)].reduce((total, [, count]) => total + Number(count), 0);
}

function takeEspOutOfUdp(node: LabNode, at: string): void {
  const socket = inNode(node, () =>
    openUdpSocket({ local: { address: ipAddressBytes(address(at)), port: 4500 }, espInUdp: true }),
  );
  assert.ok(socket.ok, 'no UDP socket');
}

/** Sockets that a command opens are to be those of the node. */
function order(node: LabNode, dataplane: XfrmDataplane, command: DataplaneCommand): void {
  const outcome = inNode(node, () => dataplane.execute(command));
  if (!outcome.ok) throw new Error(`${outcome.error.object}: ${outcome.error.message}`);
}

function inNode<T>(node: LabNode, work: () => T): T {
  const outcome = inNetworkNamespace(`/run/netns/${node.namespace}`, work);
  if (!outcome.ok) throw new Error(`${outcome.error.call}: ${outcome.error.message}`);
  return outcome.value;
}

function address(text: string) {
  const parsed = parseZonedAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

const OUTSIDE = { 4: '198.51.100.7', 6: '2001:db8:9::7' } as const;
/** Neighbours of IPv6 are to find one another in plaintext: of ICMPv6 the echo request alone is protected. */
const ICMP = { 4: { protocol: 1 }, 6: { protocol: 58, sourcePort: { value: 128, mask: 0xffff } } } as const;

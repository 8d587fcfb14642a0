import { SecretBytes } from '../crypto/secret.ts';
import { algorithmByKeyword } from '../crypto/suites.ts';
import { flowOf, type PlainPacket } from '../dataplane/memory/packet.ts';
import { ownReqid } from '../dataplane/ownership.ts';
import { byPreSharedKey } from '../ike/negotiation/authentication.ts';
import type { ChildConfig, ConnectionConfig, Identity, ProposalConfig, SelectorConfig } from '../ike/types.ts';
import { type IpAddress, parseCidr, parseIpAddress } from '../wire/ip-address.ts';
import { IdType } from '../wire/registry.ts';
import { PUBLIC_ADDRESS } from './nat.ts';
import type { ChildPlan, PairPlan } from './scenario.ts';

/** Left or right of a pair. */
export type Side = 0 | 1;

/** The other side. */
export function otherSide(side: Side): Side {
  return side === 0 ? 1 : 0;
}

/** Name of a node, which is also the name of every other node's connection to it. */
export function nodeName(node: number): string {
  return `node-${node}`;
}

/** The node of that name. */
export function nodeOf(name: string): number {
  return Number(name.slice(nodeName(0).length - 1));
}

/** The address that a node has in a family. */
export function nodeAddress(node: number, family: 4 | 6): IpAddress {
  return address(family === 4 ? `192.0.2.${node + 1}` : `2001:db8::${(node + 1).toString(16)}`);
}

/** What both sides of a connection prove themselves by. */
export type Proofs = Pick<ConnectionConfig, 'localAuthentication' | 'remoteAuthentication'>;

/**
 * What one side of a pair has configured. `stretch` multiplies its lifetimes, as a changed configuration would. Without
 * `proofs` the pair has a secret.
 */
export function connectionConfig(
  pair: PairPlan,
  pairIndex: number,
  side: Side,
  stretch: number,
  proofs?: Proofs,
): ConnectionConfig {
  const [local, remote] = side === 0 ? pair.nodes : [pair.nodes[1], pair.nodes[0]];
  return {
    name: nodeName(remote),
    localAddress: nodeAddress(local, pair.family),
    remoteAddress: pair.natted === otherSide(side) ? 'any' : nodeAddress(remote, pair.family),
    remotePort: 500,
    localIdentity: identityOf(pair, local),
    remoteIdentity: identityOf(pair, remote),
    ...(proofs ?? byPreSharedKey(new SecretBytes(new TextEncoder().encode(`secret of pair ${pairIndex}`)))),
    proposals: [proposal(['aes256gcm16', 'prfsha384', ...pair.keyExchanges[side]])],
    children: pair.children.map((child, index) => childConfig(pair, child, side, reqidOf(pairIndex, index), stretch)),
    initiation: pair.initiation[side],
    natTraversal: pair.natTraversal,
    liveness: pair.liveness,
    ikeLifetimeMs: pair.ikeLifetimeMs[side] * stretch,
  };
}

/** Packets that go from one node of a pair to the other and that a Child SA is to protect. */
export interface Flow {
  readonly pair: number;
  /** The side that sends. */
  readonly side: Side;
  readonly sender: number;
  readonly receiver: number;
  readonly child: ChildPlan;
  /** Inbound policies of the receiver let pass what came through SAs with this. */
  readonly reqid: number;
  /** As the sender has it, and made ready for look-ups. */
  readonly packet: PlainPacket;
  readonly compiled: ReturnType<typeof flowOf>;
  /** The same as the receiver gets it, which a NAT makes another one. */
  readonly compiledReceived: ReturnType<typeof flowOf>;
}

/** The flows of a pair: both directions, every prefix to every prefix of every Child. */
export function flowsOf(pair: PairPlan, pairIndex: number): readonly Flow[] {
  return pair.children.flatMap((child, childIndex) =>
    ([0, 1] as const).flatMap((side) => {
      const [sender, receiver] = side === 0 ? pair.nodes : [pair.nodes[1], pair.nodes[0]];
      const reqid = reqidOf(pairIndex, childIndex);
      const ends = { pair: pairIndex, side, sender, receiver, child, reqid };
      const there = otherSide(side);
      const seen = packetsOf(child, side, ownAddress(pair, side), seenAddress(pair, there));
      const received = packetsOf(child, side, seenAddress(pair, side), ownAddress(pair, there));
      return seen.map((packet, index) => {
        return { ...ends, packet, compiled: flowOf(packet), compiledReceived: flowOf(received[index] ?? packet) };
      });
    }),
  );
}

/** One packet for each way from a prefix to a prefix, or between the nodes themselves. */
function packetsOf(child: ChildPlan, side: Side, sender: IpAddress, receiver: IpAddress): readonly PlainPacket[] {
  const sources = hostsOf(child.prefixes[side], sender);
  const destinations = hostsOf(child.prefixes[otherSide(side)], receiver);
  return sources.flatMap((source) => destinations.map((destination) => dataPacket(source, destination)));
}

function ownAddress(pair: PairPlan, side: Side): IpAddress {
  return nodeAddress(pair.nodes[side], pair.family);
}

/** As the other side has it, before its NAT gives it another one. */
function seenAddress(pair: PairPlan, side: Side): IpAddress {
  return pair.natted === side ? PUBLIC_ADDRESS : ownAddress(pair, side);
}

function reqidOf(pairIndex: number, childIndex: number): number {
  return ownReqid(1 + pairIndex * 8 + childIndex);
}

function childConfig(pair: PairPlan, child: ChildPlan, side: Side, reqid: number, stretch: number): ChildConfig {
  const lifetime = child.lifetime[side];
  const { softSeconds = 0, hardSeconds = 0 } = lifetime;
  return {
    name: child.name,
    mode: child.mode,
    local: selectors(child, side),
    remote: selectors(child, otherSide(side)),
    proposals: [proposal(pair.esp)],
    reqid,
    enforcement: child.enforcement,
    replayWindow: child.replayWindow,
    lifetime: { ...lifetime, softSeconds: softSeconds * stretch, hardSeconds: hardSeconds * stretch },
  };
}

function selectors(child: ChildPlan, side: Side): readonly SelectorConfig[] {
  const traffic = { protocol: child.protocol, fromPort: 0, toPort: MAX_PORT };
  const prefixes = child.prefixes[side];
  if (prefixes.length === 0) return [traffic];
  return prefixes.map((text) => {
    const cidr = parseCidr(text);
    if (!cidr.ok) throw new Error(cidr.error);
    return { ...traffic, prefix: { address: cidr.value.address, length: cidr.value.prefixLength } };
  });
}

/** One host in each prefix; the node itself where there is none. */
function hostsOf(prefixes: readonly string[], node: IpAddress): readonly IpAddress[] {
  if (prefixes.length === 0) return [node];
  return prefixes.map((prefix) => {
    const [network = ''] = prefix.split('/');
    return address(network.includes(':') ? `${network}77` : network.replace(/\.0$/u, '.77'));
  });
}

function dataPacket(source: IpAddress, destination: IpAddress): PlainPacket {
  return {
    kind: 'plain',
    source,
    destination,
    protocol: TCP,
    sourcePort: 40_000,
    destinationPort: 8_443,
    payloadBytes: 512,
  };
}

function proposal(words: readonly string[]): ProposalConfig {
  return {
    algorithms: words.map((word) => {
      const row = algorithmByKeyword(word);
      if (row === undefined) throw new Error(`no algorithm is called ${word}`);
      return { type: row.transformType, id: row.transformId, keyBits: row.keyBits };
    }),
  };
}

/** What a node of a pair calls itself there. */
export function identityOf(pair: PairPlan, node: number): Identity {
  const name = `${nodeName(node)}${'-'.repeat(pair.identityBytes)}`;
  return { idType: IdType.ID_FQDN, data: new TextEncoder().encode(name) };
}

/** Nodes are asked for their addresses again and again. */
function address(text: string): IpAddress {
  const known = addresses.get(text);
  if (known !== undefined) return known;
  const parsed = parseIpAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no IP address`);
  addresses.set(text, parsed);
  return parsed;
}

/** Some for each number that a node may have. */
const addresses = new Map<string, IpAddress>();

const TCP = 6;
const MAX_PORT = 65_535;

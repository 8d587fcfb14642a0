import { type Cidr, ipAddressBytes } from '../../wire/ip-address.ts';
import { type ConfigFault, formatPath } from './fault.ts';
import { MAX_FAULTS_SHOWN } from './limits.ts';
import { type PortRange, sideText, type TrafficPair } from './resolve-child.ts';
import type { ResolvedPeer } from './resolve-connection.ts';

/**
 * Faults for packets that two Child SAs claim and neither claims more narrowly: the same selectors twice, or selectors
 * of which each is wider than the other in some respect. One that lies within another is fine: the narrower wins.
 */
export function overlappingTraffic(peers: readonly ResolvedPeer[]): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  for (const { box, other, relation } of meetings(peers)) {
    if (relation !== 'same' && relation !== 'crossing') continue;
    faults.push(faultOf(box, other, relation));
    if (faults.length > MAX_FAULTS_SHOWN) break;
  }
  return faults;
}

/** A Child SA that is wanted with a peer, by its position among that peer's. */
export interface WantedChild {
  readonly peer: ResolvedPeer;
  readonly child: number;
}

/**
 * Each two Child SAs of which the first has packets that would be the second's if the first were not there: it is the
 * narrower of both, or neither is.
 */
export function* displacements(peers: readonly ResolvedPeer[]): Generator<readonly [WantedChild, WantedChild]> {
  for (const { box, other, relation } of meetings(peers)) {
    if (relation !== 'around') yield [box, other];
    if (relation !== 'within') yield [other, box];
  }
}

/** Each two sets of packets of different Child SAs that have some in common. */
function* meetings(peers: readonly ResolvedPeer[]): Generator<Meeting> {
  const boxes = peers
    .flatMap((peer, order) =>
      peer.pairs.flatMap((pairs, child) => pairs.flatMap((pair) => boxOf(peer, order, child, pair))),
    )
    .sort((left, right) => compare(left.remote.from, right.remote.from) || compare(right.remote.to, left.remote.to));
  // Networks lie within each other or apart, so that those which reach over the present one form a stack.
  const around: Box[] = [];
  for (const box of boxes) {
    while (around.length > 0 && (around.at(-1)?.remote.to ?? '') < box.remote.from) around.pop();
    for (const other of around) {
      if (other.peer === box.peer && other.child === box.child) continue;
      const relation = relationOf(box, other);
      if (relation !== 'apart') yield { box, other, relation };
    }
    around.push(box);
  }
}

/** Faults for peers that nobody could tell apart: the same identity between the same addresses. */
export function indistinguishablePeers(peers: readonly ResolvedPeer[]): readonly ConfigFault[] {
  const known = new Map<string, ResolvedPeer>();
  const faults: ConfigFault[] = [];
  for (const peer of peers) {
    const { remoteIdentity: identity, localAddress, remoteAddress } = peer.connection;
    const key = `${identity.idType} ${Buffer.from(identity.data).toString('hex')} ${localAddress} ${remoteAddress}`;
    const first = known.get(key);
    if (first === undefined) known.set(key, peer);
    else {
      faults.push({
        path: peer.path,
        text:
          `has the identity and the addresses of ${formatPath(first.path)} (${first.connection.name}), ` +
          'so that nobody could tell them apart: make them one peer with several children',
      });
    }
  }
  return faults;
}

interface Range {
  readonly from: string;
  readonly to: string;
}

/** A set of packets as a range in each of five respects; ends compare as text. */
interface Box extends WantedChild {
  /** Position of the peer among all. */
  readonly order: number;
  readonly pair: TrafficPair;
  readonly local: Range;
  readonly remote: Range;
  readonly others: readonly Range[];
}

/** Two sets that share packets, and what the first is to the other. */
interface Meeting {
  readonly box: Box;
  readonly other: Box;
  readonly relation: Exclude<Relation, 'apart'>;
}

type Relation = 'apart' | 'same' | 'within' | 'around' | 'crossing';

function boxOf(peer: ResolvedPeer, order: number, child: number, pair: TrafficPair): readonly Box[] {
  if (pair.remote === undefined) return [];
  const protocol = String(pair.protocol).padStart(3, '0');
  return [
    {
      peer,
      order,
      child,
      pair,
      local: networkRange(pair.local),
      remote: networkRange(pair.remote),
      others: [
        pair.protocol === 0 ? { from: '000', to: '255' } : { from: protocol, to: protocol },
        portRange(pair.localPorts),
        portRange(pair.remotePorts),
      ],
    },
  ];
}

/** What a set of packets is to another. */
function relationOf(box: Box, other: Box): Relation {
  return [relate(box.local, other.local), relate(box.remote, other.remote)]
    .concat(box.others.map((range, index) => relate(range, other.others[index] ?? range)))
    .reduce(combined);
}

function faultOf(box: Box, other: Box, relation: 'same' | 'crossing'): ConfigFault {
  const [later, earlier] = inFileOrder(box, other);
  const place = `${formatPath(earlier.pair.path)} (${earlier.peer.connection.name}, ${pairText(earlier.pair)})`;
  return {
    path: later.pair.path,
    text:
      relation === 'same'
        ? `${pairText(later.pair)} is the traffic of ${place} already`
        : `${pairText(later.pair)} and ${place} share packets and neither is the narrower: ` +
          'change one so that it lies within the other or apart from it',
  };
}

function inFileOrder(one: Box, two: Box): readonly [Box, Box] {
  const isEarlier = one.order === two.order ? one.child < two.child : one.order < two.order;
  return isEarlier ? [two, one] : [one, two];
}

function pairText(pair: TrafficPair): string {
  const local = sideText(pair.local, pair.localPorts, pair.protocol);
  return `${local} to ${sideText(pair.remote, pair.remotePorts, pair.protocol)}`;
}

function relate(one: Range, other: Range): Relation {
  if (one.to < other.from || other.to < one.from) return 'apart';
  const from = compare(one.from, other.from);
  const to = compare(one.to, other.to);
  if (from === 0 && to === 0) return 'same';
  if (from >= 0 && to <= 0) return 'within';
  return from <= 0 && to >= 0 ? 'around' : 'crossing';
}

function combined(one: Relation, two: Relation): Relation {
  if (one === 'apart' || two === 'apart') return 'apart';
  if (one === 'same') return two;
  return two === 'same' || one === two ? one : 'crossing';
}

/** Hexadecimal digits of the first and last address behind the family, so that families never meet. */
function networkRange(network: Cidr): Range {
  const first = Buffer.from(ipAddressBytes(network.address));
  const last = Buffer.from(first);
  for (let index = 0; index < last.length; index += 1) {
    const kept = Math.min(8, Math.max(0, network.prefixLength - 8 * index));
    last[index] = (last[index] ?? 0) | (0xff >> kept);
  }
  const family = first.length === 4 ? '4' : '6';
  return { from: `${family}${first.toString('hex')}`, to: `${family}${last.toString('hex')}` };
}

function portRange(ports: PortRange): Range {
  return { from: String(ports.from).padStart(5, '0'), to: String(ports.to).padStart(5, '0') };
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

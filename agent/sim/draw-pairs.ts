import type { IpsecMode, SaLifetime } from '../dataplane/types.ts';
import type { Identity } from '../ike/types.ts';
import { initiationBetween } from '../mesh/initiation.ts';
import type { NatPlan } from './nat.ts';
import { RandomStream } from './random-stream.ts';
import type { Both, ChildPlan, PairPlan } from './scenario.ts';
import { identityOf } from './topology.ts';

/** A mesh that is larger than most, whose peers agree on who begins as those of every mesh do. */
export interface LargeMesh {
  readonly nodes: number;
  readonly chords: number;
  readonly calmAtSeconds: number;
  readonly packetEveryMs: number;
}

/** In one seed of a hundred, from a stream of its own. Less happens to each of its pairs, so that it takes no longer. */
export function drawMesh(seed: number): LargeMesh | undefined {
  const random = new RandomStream(seed, 'mesh');
  if (!random.chance(LARGE_MESHES)) return undefined;
  const nodes = random.between(FULL_MESH_NODES + 1, MOST_MESH_NODES);
  return { nodes, chords: random.between(0, 10), calmAtSeconds: random.between(20, 40), packetEveryMs: 3_000 };
}

/** A full mesh of few nodes; of many, a ring and some chords, so that no seed takes minutes. */
export function drawPairs(
  random: RandomStream,
  nodes: number,
  nat: NatPlan | undefined,
  mesh: LargeMesh | undefined,
): readonly PairPlan[] {
  const pairs: PairPlan[] = [];
  const chord = mesh === undefined ? FULL_MESH_NODES / nodes : (2 * mesh.chords) / nodes ** 2;
  for (let left = 0; left < nodes; left += 1) {
    for (let right = left + 1; right < nodes; right += 1) {
      const neighbours = right === left + 1 || (left === 0 && right === nodes - 1);
      if (nodes > FULL_MESH_NODES && !neighbours && !random.chance(chord)) continue;
      const pair = drawPair(random, left, right, nat?.node);
      pairs.push(mesh === undefined || pair.natted !== undefined ? pair : { ...pair, initiation: ofMesh(pair) });
    }
  }
  return pairs;
}

/** As nodes of a mesh agree on it without a word (`agent/mesh`). */
function ofMesh(pair: PairPlan): PairPlan['initiation'] {
  const [left, right] = pair.nodes.map((node) => identityOf(pair, node)) as [Identity, Identity];
  return [initiationBetween(left, right, 'Always'), initiationBetween(right, left, 'Always')];
}

function drawPair(random: RandomStream, left: number, right: number, nattedNode: number | undefined): PairPlan {
  const natted = left === nattedNode ? 0 : right === nattedNode ? 1 : undefined;
  const anyFamily = random.pick([4, 4, 6] as const);
  const family = natted === undefined ? anyFamily : 4;
  const intervalMs = random.between(4, 15) * 1_000;
  const turned = random.chance(0.5);
  const initiation = random.pick(INITIATIONS);
  return {
    nodes: [left, right],
    family,
    ...(natted === undefined
      ? { initiation: turned ? [initiation[1], initiation[0]] : initiation }
      : { natted, initiation: natted === 0 ? FROM_LEFT : FROM_RIGHT }),
    natTraversal: random.pick(['Auto', 'Auto', 'Always'] as const),
    liveness: { intervalMs, timeoutMs: random.between(8, 30) * 1_000 },
    ikeLifetimeMs: [random.between(40, 240) * 1_000, random.between(40, 240) * 1_000],
    keyExchanges: random.pick(KEY_EXCHANGES),
    esp: random.pick(ESP),
    children: drawChildren(random, family, left, right),
    identityBytes: 0,
  };
}

function drawChildren(random: RandomStream, family: 4 | 6, left: number, right: number): readonly ChildPlan[] {
  const shape = random.pick(['hosts', 'hosts', 'networks', 'networks', 'split', 'both'] as const);
  const prefixes = (node: number, split: boolean): readonly string[] => {
    const name = family === 4 ? `10.${node + 1}` : `2001:db8:${(node + 1).toString(16)}`;
    if (family === 4) return split ? [`${name}.0.0/17`, `${name}.192.0/18`] : [`${name}.0.0/16`];
    return split ? [`${name}:1::/64`, `${name}:2::/64`] : [`${name}::/48`];
  };
  const networks = (split: boolean): Both<readonly string[]> => [prefixes(left, split), prefixes(right, split)];
  switch (shape) {
    case 'hosts':
      return [drawChild(random, 'hosts', 'transport', [[], []])];
    case 'networks':
      return [drawChild(random, 'networks', 'tunnel', networks(false))];
    case 'split':
      return [drawChild(random, 'networks', 'tunnel', networks(true))];
    case 'both':
      return [
        drawChild(random, 'hosts', 'transport', [[], []]),
        drawChild(random, 'networks', 'tunnel', networks(false)),
      ];
  }
}

function drawChild(random: RandomStream, name: string, mode: IpsecMode, prefixes: Both<readonly string[]>): ChildPlan {
  return {
    name,
    mode,
    protocol: random.pick([0, 0, 0, TCP] as const),
    prefixes,
    enforcement: random.pick(['Required', 'Required', 'Permissive'] as const),
    replayWindow: random.pick([32, 64, 1024] as const),
    lifetime: [drawLifetime(random), drawLifetime(random)],
  };
}

/** Soft limits that are reached several times in a run; hard ones that only a replacement that fails meets. */
function drawLifetime(random: RandomStream): SaLifetime {
  const softSeconds = random.between(15, 120);
  const hardSeconds = softSeconds + random.between(60, 300);
  const packets = random.chance(0.15) ? { softPackets: random.between(10, 60), hardPackets: 5_000 } : {};
  return { softSeconds, hardSeconds, ...packets };
}

const FROM_LEFT: PairPlan['initiation'] = ['start', 'respond'];
const FROM_RIGHT: PairPlan['initiation'] = ['respond', 'start'];
const INITIATIONS: readonly [PairPlan['initiation'], ...PairPlan['initiation'][]] = [
  ['start', 'start'],
  ['start', 'start'],
  ['start', 'takeover'],
  ['start', 'takeover'],
  ['start', 'respond'],
  ['start', 'onDemand'],
  ['takeover', 'respond'],
  ['onDemand', 'onDemand'],
  ['onDemand', 'respond'],
];

/** The third makes the initiator guess wrong, whichever it is. */
const KEY_EXCHANGES: readonly [PairPlan['keyExchanges'], ...PairPlan['keyExchanges'][]] = [
  [['x25519'], ['x25519']],
  [['x25519'], ['x25519']],
  [
    ['x25519', 'ecp256'],
    ['ecp256', 'x25519'],
  ],
];

const ESP: readonly [readonly string[], ...(readonly string[])[]] = [
  ['aes256gcm16', 'esn', 'noesn'],
  ['aes256gcm16', 'esn', 'noesn'],
  ['chacha20poly1305', 'noesn'],
  ['aes128', 'sha256', 'noesn'],
];

const TCP = 6;
/** Up to this many nodes all are paired with all. */
const FULL_MESH_NODES = 5;
const LARGE_MESHES = 0.01;
const MOST_MESH_NODES = 50;

import { drawCertificates, drawClocks } from './draw-certificates.ts';
import { drawDepartures } from './draw-departures.ts';
import { drawDroppedEsp } from './draw-dropped-esp.ts';
import { drawMesh, drawPairs } from './draw-pairs.ts';
import type { NatPlan } from './nat.ts';
import { RandomStream } from './random-stream.ts';
import type { Disturbance, FaultFamily, NetworkPlan, Order, PairPlan, Scenario } from './scenario.ts';

/** The scenario of a seed. `nodes` fixes how many there are; families that are not in `faults` do not occur. */
export function drawScenario(seed: number, nodes: number | undefined, faults: ReadonlySet<FaultFamily>): Scenario {
  const random = new RandomStream(seed, 'scenario');
  const sizes = new RandomStream(seed, 'sizes');
  const count = random.pick([2, 2, 2, 2, 3, 3, 3, 4, 5] as const);
  const mesh = nodes === undefined ? drawMesh(seed) : undefined;
  const nodeCount = nodes ?? mesh?.nodes ?? count;
  const nat = faults.has('nat') ? drawNat(seed, nodeCount, faults.size > 1) : undefined;
  const drawn = drawPairs(random, nodeCount, nat, mesh);
  const identityBytes = drawn.map(() => sizes.pick(IDENTITY_BYTES));
  const cookieThreshold = sizes.pick(COOKIE_THRESHOLDS);
  const calmAtMs = (mesh?.calmAtSeconds ?? random.between(60, 180)) * 1_000;
  const certificates = faults.has('certificates') ? drawCertificates(seed, nodeCount, calmAtMs) : undefined;
  const clocks = faults.has('skew') ? drawClocks(seed, nodeCount, calmAtMs) : undefined;
  // Names must be those in certificates, which make messages long by themselves.
  const pairs = drawn.map((pair, index) =>
    certificates === undefined ? { ...pair, identityBytes: identityBytes[index] ?? 0 } : pair,
  );
  const departures = faults.has('departure') ? drawDepartures(seed, nodeCount, pairs, calmAtMs) : [];
  const dropped = faults.has('esp') ? drawDroppedEsp(seed, pairs, calmAtMs) : [];
  const further = [...(certificates?.disturbances ?? []), ...(clocks?.disturbances ?? []), ...departures, ...dropped];
  const longestTurnMs = faults.has('pauses') ? new RandomStream(seed, 'pauses').pick(LONGEST_TURNS_MS) : undefined;
  return {
    seed,
    nodes: nodeCount,
    pairs,
    network: { ...drawNetwork(random, faults), pathMtu: faults.has('network') ? sizes.pick(PATH_MTUS) : ANY_SIZE },
    ...(cookieThreshold === undefined ? {} : { cookieThreshold }),
    ...(faults.has('lingering') && !new RandomStream(seed, 'unselected').chance(0.5) ? {} : { unselectedGraceMs: 0 }),
    ...(nat === undefined ? {} : { nat }),
    ...(certificates === undefined ? {} : { certificates: certificates.plan }),
    ...(clocks === undefined ? {} : { wallOffsetsMs: clocks.wallOffsetsMs }),
    kernelRefusals: faults.has('kernel') && random.chance(0.4) ? random.pick([0.01, 0.03, 0.1] as const) : 0,
    ...(longestTurnMs === undefined ? {} : { longestTurnMs }),
    packetEveryMs: mesh?.packetEveryMs ?? random.pick([300, 700, 1_500] as const),
    disturbances: [...drawDisturbances(random, nodeCount, pairs, faults, calmAtMs), ...further].sort(
      (left, right) => left.atMs - right.atMs,
    ),
    calmAtMs,
  };
}

/** From a stream of its own, so that everything else is as it would be without a NAT. */
function drawNat(seed: number, nodes: number, among: boolean): NatPlan | undefined {
  const random = new RandomStream(seed, 'nat');
  const plan = { node: random.below(nodes), forgetsAfterMs: random.between(30, 180) * 1_000 };
  // Who waits for a peer behind a NAT cannot call it: without one both begin, and their exchanges cross.
  return among && random.chance(0.5) ? undefined : plan;
}

function drawNetwork(random: RandomStream, faults: ReadonlySet<FaultFamily>): NetworkPlan {
  const minDelayMs = random.pick([0, 1, 10, 50] as const);
  const spreadMs = random.pick([0, 5, 100, 500, 2_000] as const);
  const loss = random.pick([0, 0.02, 0.1, 0.3] as const);
  const duplicate = random.pick([0, 0.02, 0.2] as const);
  const corrupt = random.pick([0, 0, 0.05] as const);
  const faulty = faults.has('network');
  return {
    minDelayMs,
    maxDelayMs: minDelayMs + (faulty ? spreadMs : 0),
    loss: faulty ? loss : 0,
    duplicate: faulty ? duplicate : 0,
    corrupt: faults.has('corruption') ? corrupt : 0,
    pathMtu: ANY_SIZE,
  };
}

/** Draws all families and leaves out those that are not wanted, so that the others stay as they are. */
function drawDisturbances(
  random: RandomStream,
  nodes: number,
  pairs: readonly PairPlan[],
  faults: ReadonlySet<FaultFamily>,
  calmAtMs: number,
): readonly Disturbance[] {
  const disturbances: Disturbance[] = [];
  const natted = pairs.filter((pair) => pair.natted !== undefined);
  const tunnels = natted.every(({ children }) => children.every(({ mode }) => mode === 'tunnel'));
  for (const [family, draw] of DRAWN_FAMILIES) {
    const count = random.pick([0, 0, 1, 2, 4] as const);
    for (let number = 0; number < count; number += 1) {
      const atMs = random.between(2_000, calmAtMs - 1_000);
      const what = draw({
        random,
        atMs,
        node: random.below(nodes),
        nodes,
        pair: random.below(pairs.length),
        side: random.pick([0, 1] as const),
        tunnels,
      });
      if (faults.has(family)) disturbances.push(what);
    }
  }
  return disturbances;
}

interface Drawing {
  readonly random: RandomStream;
  readonly atMs: number;
  readonly node: number;
  readonly nodes: number;
  readonly pair: number;
  readonly side: 0 | 1;
  /** Whether all that the node behind the NAT sends is in tunnels, which go on when its address changes. */
  readonly tunnels: boolean;
}

const DRAWN_FAMILIES: readonly (readonly [FaultFamily, (drawing: Drawing) => Disturbance])[] = [
  ['crash', ({ random, atMs, node }) => ({ kind: 'crash', atMs, node, downMs: random.between(0, 20_000) })],
  ['reboot', ({ random, atMs, node }) => ({ kind: 'reboot', atMs, node, downMs: random.between(100, 40_000) })],
  [
    'partition',
    ({ random, atMs, nodes }) => {
      const apart = Array.from({ length: nodes }, (_, node) => node).filter(() => random.chance(0.5));
      return { kind: 'partition', atMs, nodes: apart, forMs: random.between(500, 45_000) };
    },
  ],
  ['nat', ({ random, atMs, tunnels }) => ({ kind: 'remap', atMs, newAddress: random.chance(0.3) && tunnels })],
  ['nat', ({ random, atMs }) => ({ kind: 'impersonate', atMs, count: random.between(1, 40) })],
  ['replay', ({ random, atMs }) => ({ kind: 'replay', atMs, count: random.between(1, 40) })],
  ['forgery', ({ random, atMs }) => ({ kind: 'forgery', atMs, count: random.between(1, 40) })],
  [
    'expiry',
    ({ random, atMs, pair, side }) => {
      const direction = random.pick(['in', 'out'] as const);
      return { kind: 'expire', atMs, pair, side, direction, hard: random.chance(0.3) };
    },
  ],
  ['expiry', ({ atMs, pair, side }) => ({ kind: 'acquire', atMs, pair, side })],
  [
    'orders',
    ({ random, atMs, pair, side }) => {
      const order = random.pick(ORDERS);
      return { kind: 'order', atMs, pair, side, order };
    },
  ],
  [
    'reload',
    ({ random, atMs, pair, side }) => ({ kind: 'remove', atMs, pair, side, forMs: random.between(0, 15_000) }),
  ],
  ['reload', ({ atMs, pair, side }) => ({ kind: 'update', atMs, pair, side })],
  [
    'flood',
    ({ random, atMs, node, nodes }) => {
      const to = (node + 1 + random.below(nodes - 1)) % nodes;
      return { kind: 'flood', atMs, from: node, to, count: random.between(5, 300), forMs: random.between(0, 10_000) };
    },
  ],
];

/** A name that fits into any datagram, one that takes IKE_AUTH above 576 bytes, and one that takes it above 1280. */
const IDENTITY_BYTES: readonly [number, ...number[]] = [0, 0, 0, 600, 3_000];
const COOKIE_THRESHOLDS: readonly [number | undefined, ...(number | undefined)[]] = [undefined, undefined, 0, 1, 3];
/** Half of the scenarios always send. */
const LONGEST_TURNS_MS: readonly [number | undefined, ...(number | undefined)[]] = [
  undefined,
  undefined,
  undefined,
  2_000,
  10_000,
  40_000,
];
const ANY_SIZE = { ipv4: 65_535, ipv6: 65_535 };
const PATH_MTUS: readonly [NetworkPlan['pathMtu'], ...NetworkPlan['pathMtu'][]] = [
  ANY_SIZE,
  ANY_SIZE,
  { ipv4: 1_280, ipv6: 1_280 },
  { ipv4: 576, ipv6: 1_280 },
];

const ORDERS: readonly [Order, ...Order[]] = [
  'terminate',
  'terminateChild',
  'checkLiveness',
  'initiate',
  'rekey',
  'rekeyChild',
  'reauthenticate',
];

import type { VerifierFault } from './certificates/simulated-verifier.ts';
import { RandomStream } from './random-stream.ts';
import type { CertificatesPlan, Disturbance } from './scenario.ts';

/**
 * How certificates fare in a scenario; undefined where there are none, as in every other. From a stream of its own, so that
 * everything else is as it would be without them.
 */
export function drawCertificates(
  seed: number,
  nodes: number,
  calmAtMs: number,
): { readonly plan: CertificatesPlan; readonly disturbances: readonly Disturbance[] } | undefined {
  const random = new RandomStream(seed, 'certificates');
  if (random.chance(0.5)) return undefined;
  const plan: CertificatesPlan = {
    lifetimeMs: random.between(60, 400) * 1_000,
    backdatedMs: random.pick([0, 300_000, 300_000] as const),
    slowestVerificationMs: random.pick([0, 20, 1_000] as const),
  };
  const disturbances = DRAWN.flatMap((draw) => {
    const count = random.pick([0, 0, 1, 1, 2] as const);
    return Array.from({ length: count }, () => {
      const atMs = random.between(2_000, calmAtMs - 1_000);
      return draw(random, atMs, random.below(nodes), nodes);
    });
  });
  return { plan, disturbances };
}

/** How clocks on the wall go wrong, from a stream of its own. */
export function drawClocks(
  seed: number,
  nodes: number,
  calmAtMs: number,
): { readonly wallOffsetsMs: readonly number[]; readonly disturbances: readonly Disturbance[] } | undefined {
  const random = new RandomStream(seed, 'clocks');
  if (random.chance(0.5)) return undefined;
  const wallOffsetsMs = Array.from({ length: nodes }, () => drawOffset(random));
  const disturbances = Array.from({ length: random.below(4) }, (): Disturbance => {
    const atMs = random.between(2_000, calmAtMs - 1_000);
    return { kind: 'setClock', atMs, node: random.below(nodes), offsetMs: drawOffset(random) };
  });
  return { wallOffsetsMs, disturbances };
}

/** None, as much as a clock drifts in a while, and as much as one that has never been set. */
function drawOffset(random: RandomStream): number {
  const most = random.pick([0, 2_000, 60_000, 60_000, 3_600_000, YEAR_MS] as const);
  return random.between(-most, most);
}

type Draw = (random: RandomStream, atMs: number, node: number, nodes: number) => Disturbance;

const DRAWN: readonly Draw[] = [
  (_, atMs, node) => ({ kind: 'renew', atMs, node }),
  (random, atMs) => ({ kind: 'roll', atMs, phaseMs: random.between(8, 40) * 1_000 }),
  (random, atMs, node) => {
    const [inMs, forMs] = [random.between(-5, 20) * 1_000, random.between(5, 90) * 1_000];
    return { kind: 'expireCertificate', atMs, node, inMs, forMs };
  },
  (random, atMs, node, nodes) => {
    const from = (node + 1 + random.below(nodes - 1)) % nodes;
    return { kind: 'steal', atMs, node, from, forMs: random.between(5, 60) * 1_000 };
  },
  (random, atMs, node) => ({
    kind: 'verifier',
    atMs,
    node,
    fault: drawVerifierFault(random),
    forMs: random.between(1, 60) * 1_000,
  }),
];

function drawVerifierFault(random: RandomStream): VerifierFault {
  const byMs = random.between(500, 40_000);
  return random.pick([{ kind: 'late', byMs }, { kind: 'late', byMs }, { kind: 'refuses' }, { kind: 'mute' }] as const);
}

const YEAR_MS = 365 * 86_400_000;

import type { Fact } from '../../ike/fact.ts';
import type { EndpointStatus, VerificationJob } from '../../ike/types.ts';
import { isValid } from '../certificates/credential-files.ts';
import type { IssuedCertificate } from '../certificates/issuer.ts';
import type { Rotation } from '../certificates/rotation.ts';
import type { Host, VerificationOutcome } from '../host.ts';
import { nodeName, otherSide, type Side } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * Nobody is authenticated but by a certificate of his own that counts at that time for whoever believes it; who is not
 * believed for a reason is told of with that reason; and where a certificate has been renewed every pair has an IKE SA that
 * was authenticated by the new one before long.
 */
export class CertificatesCheck implements Check {
  readonly #world: World;
  readonly #proofs = new Map<Host, Proofs>();
  readonly #closedAtMs = new Map<string, number>();
  readonly #pending = new Set<string>();
  /** What the verifier has just said. */
  #believed: { readonly host: Host; readonly connection: string; readonly certificate: IssuedCertificate } | undefined;
  #refused: { readonly host: Host; readonly connection: string; readonly reason: string; told: boolean } | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** Whether some pair has no IKE SA yet that was authenticated by the certificates of now. */
  get isPending(): boolean {
    return this.#pending.size > 0;
  }

  verified(host: Host, job: VerificationJob, outcome: VerificationOutcome): void {
    const { rotation, ledger, clock } = this.#world;
    if (rotation === undefined) return;
    const { connection } = job;
    const certificate = rotation.issuer.issued(job.certificates[0]);
    const fault = this.#fault(rotation, host, job, certificate);
    if (!outcome.ok) {
      const { reason } = outcome.error;
      this.#refused = { host, connection, reason, told: false };
      if (fault !== undefined || host.verifierFault !== undefined)
        ledger.noteDistrust(host.name, connection, clock.monotonicMs());
      return;
    }
    if (certificate !== undefined) this.#believed = { host, connection, certificate };
    if (fault === undefined) return;
    this.#world.violate('certificates', `${host.name} believes ${connection}, but its certificate ${fault}`);
  }

  noted(host: Host, fact: Fact): void {
    if (this.#world.rotation === undefined) return;
    const refused = this.#refused;
    switch (fact.kind) {
      case 'ikeSaEstablished': {
        const believed = this.#believed;
        if (believed?.host === host && believed.connection === fact.connection) {
          this.#proofsOf(host).set(fact.ikeSa, believed.certificate);
        } else {
          const text = `${host.name} has an IKE SA with ${fact.connection}, which has not shown a certificate`;
          this.#world.violate('certificates', text);
        }
        return;
      }
      case 'ikeSaRekeyed': {
        const proof = this.#proofsOf(host).get(fact.replaced);
        if (proof !== undefined) this.#proofsOf(host).set(fact.ikeSa, proof);
        return;
      }
      case 'ikeSaClosed':
        if (refused === undefined && !fact.established)
          this.#closedAtMs.set(`${host.name} ${fact.connection}`, this.#nowMs);
        return;
      case 'negotiationFailed':
        if (refused?.host === host && refused.connection === fact.connection) {
          refused.told ||= fact.text.includes(refused.reason);
        }
    }
  }

  eventEnded(): void {
    const refused = this.#refused;
    this.#believed = undefined;
    this.#refused = undefined;
    if (refused === undefined || refused.told) return;
    const { host, connection, reason } = refused;
    // Nobody waits for it any more where the IKE SA has ended meanwhile.
    const closedAtMs = this.#closedAtMs.get(`${host.name} ${connection}`) ?? Number.NEGATIVE_INFINITY;
    if (this.#nowMs - closedAtMs <= VERIFICATION_MS || !this.#isConfigured(host, connection)) return;
    this.#world.violate('certificates', `${host.name} does not tell why it refuses ${connection}: ${reason}`);
  }

  tick(statuses: readonly (EndpointStatus | undefined)[]): void {
    const { rotation, scenario, phase } = this.#world;
    if (rotation === undefined) return;
    const undisturbed = this.#isUndisturbed();
    if (phase === 'disturbed' && !undisturbed) return;
    this.#pending.clear();
    for (const pair of scenario.pairs.keys()) {
      for (const side of [0, 1] as const) this.#judge(rotation, pair, side, undisturbed, statuses);
    }
  }

  /** Whether a node has an IKE SA that its peer has begun, or joined, with the certificate that it ought to show. */
  #judge(
    rotation: Rotation,
    pair: number,
    side: Side,
    undisturbed: boolean,
    statuses: readonly (EndpointStatus | undefined)[],
  ): void {
    const world = this.#world;
    const { nodes } = world.scenario.pairs[pair] ?? { nodes: [0, 0] };
    const host = world.hostOf(nodes[side]);
    const peer = nodes[otherSide(side)];
    if (!world.isWanted(pair, side) || !world.isListedByBoth(pair)) return;
    if (!host.running || rotation.isTroubled(peer)) return;
    const { certificate, sinceMs } = rotation.currentOf(peer);
    const connection = statuses[host.node]?.connections.find(({ name }) => name === nodeName(peer));
    const proofs = this.#proofsOf(host);
    const proved = connection?.ikeSas.some(
      ({ number, state }) => state === 'established' && proofs.get(number) === certificate,
    );
    if (proved === true) return;
    this.#pending.add(`${pair} ${side}`);
    const startMs = undisturbed ? UP_MS : world.scenario.calmAtMs;
    const boundMs = undisturbed ? RENEWED_MS : SETTLE_MS;
    if (this.#nowMs - Math.max(sinceMs, startMs) <= boundMs) return;
    const text = `${host.name} has no IKE SA that ${nodeName(peer)} has proved itself for by the certificate that it has had`;
    world.violate('certificates', `${text} for ${boundMs / 1_000} s`);
  }

  /** Why a certificate must not be believed, whatever the verifier has said. */
  #fault(
    rotation: Rotation,
    host: Host,
    { connection, trust }: VerificationJob,
    certificate: IssuedCertificate | undefined,
  ): string | undefined {
    if (certificate === undefined) return 'has never been issued';
    const owner = nodeName(certificate.node);
    if (owner !== connection) return `is that of ${owner}`;
    if (!isValid(certificate, this.#world.clock.wallMs() + host.wallOffsetMs)) return 'does not count at this time';
    return rotation.issuer.isTrusted(certificate, trust) ? undefined : 'is of an authority that is not in the bundle';
  }

  /** Whether nothing happens but renewals. */
  #isUndisturbed(): boolean {
    const { disturbances, network, kernelRefusals, wallOffsetsMs } = this.#world.scenario;
    const others = disturbances.some(({ kind }) => kind !== 'renew' && kind !== 'roll');
    return (
      !others && wallOffsetsMs === undefined && network.loss === 0 && network.corrupt === 0 && kernelRefusals === 0
    );
  }

  #isConfigured(host: Host, connection: string): boolean {
    return host.status()?.connections.some(({ name }) => name === connection) === true;
  }

  #proofsOf(host: Host): Map<number, IssuedCertificate> {
    const known = this.#proofs.get(host);
    if (known?.incarnation === host.incarnation) return known.byIkeSa;
    const proofs = { incarnation: host.incarnation, byIkeSa: new Map<number, IssuedCertificate>() };
    this.#proofs.set(host, proofs);
    return proofs.byIkeSa;
  }

  get #nowMs(): number {
    return this.#world.clock.elapsedMs;
  }
}

/** By which certificates peers have proved themselves, by the numbers that IKE SAs have in one run of an agent. */
interface Proofs {
  readonly incarnation: number;
  readonly byIkeSa: Map<number, IssuedCertificate>;
}

/** The longest that a verification may take (`verificationTimeoutMs`), and a moment. */
const VERIFICATION_MS = 21_000;
/** Until when all are up where nothing goes wrong. */
const UP_MS = 15_000;
/** How long after a renewal the new certificate is in use everywhere where nothing else happens. */
const RENEWED_MS = 20_000;
/** As for pairs to come up (`convergence.ts`): what has failed before is tried again with ever longer waits. */
const SETTLE_MS = 150_000;

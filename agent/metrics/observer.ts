import type { CloseReason, Fact, FailureReason } from '../ike/fact.ts';
import type { Observer } from '../ports.ts';
import { ATTACK_SIGNS, attackSign } from './attack-signs.ts';
import { HANDSHAKE_BUCKETS } from './definitions.ts';
import { Distribution } from './distribution.ts';
import type { Samples } from './samples.ts';
import { Tally } from './tally.ts';

/** Folds facts into counters. What they are labelled with is of short lists, but for the names of peers. */
export class MetricsObserver implements Observer {
  readonly #negotiations = new Tally('ikemesh_negotiations_total', negotiations());
  readonly #ikeSasClosed = new Tally('ikemesh_ike_sas_closed_total', closings());
  readonly #childSasClosed = new Tally('ikemesh_child_sas_closed_total', closings());
  readonly #rekeys = new Tally('ikemesh_rekeys_total', rekeys());
  readonly #expirations = new Tally('ikemesh_sa_expirations_total', [{ limit: 'soft' }, { limit: 'hard' }]);
  readonly #collisions = new Tally('ikemesh_collisions_total', [{}]);
  readonly #retransmissions = new Tally('ikemesh_retransmissions_total', [{}]);
  readonly #livenessChecks = new Tally('ikemesh_liveness_checks_total', [{}]);
  readonly #moves = new Tally('ikemesh_peer_moves_total', [{}]);
  readonly #acquires = new Tally('ikemesh_acquires_total', [{}]);
  readonly #refusals = new Tally('ikemesh_kernel_refusals_total');
  readonly #repairs = new Tally('ikemesh_kernel_repairs_total', [{ object: 'sa' }, { object: 'policy' }]);
  readonly #fallbacks = new Tally('ikemesh_esp_fallbacks_total', [{}]);
  readonly #revocations = new Tally('ikemesh_peer_revocations_total', [{}]);
  readonly #signs = new Tally(
    'ikemesh_attack_signs_total',
    ATTACK_SIGNS.map((sign) => ({ sign })),
  );
  readonly #establishments = new Tally('ikemesh_peer_establishments_total');
  readonly #authenticationFailures = new Tally('ikemesh_authentication_failures_total');
  readonly #handshakes = {
    initiator: new Distribution(HANDSHAKE_BUCKETS),
    responder: new Distribution(HANDSHAKE_BUCKETS),
  };

  note(fact: Fact): void {
    const sign = attackSign(fact);
    if (sign !== undefined) this.#signs.count({ sign });
    switch (fact.kind) {
      case 'ikeSaEstablished':
        this.#negotiations.count({ outcome: 'established', reason: '', by: whoBegan(fact.role) });
        if (!fact.renews) this.#establishments.count({ peer: fact.connection });
        this.#handshakes[fact.role].observe(fact.handshakeMs / 1_000);
        return;
      case 'negotiationFailed': {
        const { reason, by, connection: peer } = fact;
        this.#negotiations.count({ outcome: 'failed', reason, by });
        if (reason === 'authenticationFailed') this.#authenticationFailures.count({ peer, by });
        return;
      }
      case 'ikeSaClosed':
        if (fact.established) this.#ikeSasClosed.count({ reason: fact.reason });
        return;
      case 'childSaClosed':
        this.#childSasClosed.count({ reason: fact.reason });
        return;
      case 'childSaRekeyed':
        this.#rekeys.count({ sa: 'child', outcome: 'rekeyed', reason: '', by: fact.by });
        return;
      case 'ikeSaRekeyed':
        this.#rekeys.count({ sa: 'ike', outcome: 'rekeyed', reason: '', by: whoBegan(fact.role) });
        return;
      case 'rekeyFailed':
        this.#rekeys.count({ sa: saOf(fact), outcome: 'failed', reason: fact.reason, by: fact.by });
        return;
      case 'rekeyPostponed':
        this.#rekeys.count({ sa: saOf(fact), outcome: 'postponed', reason: '', by: 'us' });
        return;
      case 'saExpired':
        this.#expirations.count({ limit: fact.hard ? 'hard' : 'soft' });
        return;
      case 'collision':
        this.#collisions.count({});
        return;
      case 'retransmitted':
        this.#retransmissions.count({});
        return;
      case 'livenessChecked':
        this.#livenessChecks.count({});
        return;
      case 'peerMoved':
        this.#moves.count({});
        return;
      case 'acquired':
        this.#acquires.count({});
        return;
      case 'dataplaneFailed':
        this.#refusals.count({ command: fact.error.command });
        return;
      case 'saTampered':
        this.#repairs.count({ object: 'sa' });
        return;
      case 'policyRestored':
        this.#repairs.count({ object: 'policy' });
        return;
      case 'espFallback':
        this.#fallbacks.count({});
        return;
      case 'peerRevoked':
        this.#revocations.count({});
        return;
      default:
        // Of everything else the report of the moment says more than a count would.
        return;
    }
  }

  /** Adds what happened since the start. */
  addTo(samples: Samples): void {
    const tallies = [
      this.#negotiations,
      this.#ikeSasClosed,
      this.#childSasClosed,
      this.#rekeys,
      this.#expirations,
      this.#collisions,
      this.#retransmissions,
      this.#livenessChecks,
      this.#moves,
      this.#acquires,
      this.#refusals,
      this.#repairs,
      this.#fallbacks,
      this.#revocations,
      this.#signs,
    ];
    for (const tally of tallies) tally.addTo(samples);
    for (const role of ['initiator', 'responder'] as const)
      samples.addDistribution('ikemesh_handshake_duration_seconds', { role }, this.#handshakes[role]);
  }

  /** Forgets all other peers. */
  retain(peers: ReadonlySet<string>): void {
    this.#establishments.retain(({ peer }) => peers.has(peer));
    this.#authenticationFailures.retain(({ peer }) => peer === '' || peers.has(peer));
  }

  /** Adds what happened with each of some peers, and with those that are none of ours. */
  addPeersTo(samples: Samples, peers: ReadonlySet<string>): void {
    this.#establishments.addTo(samples, ({ peer }) => peers.has(peer));
    this.#authenticationFailures.addTo(samples, ({ peer }) => peer === '' || peers.has(peer));
  }
}

function whoBegan(role: 'initiator' | 'responder'): 'us' | 'peer' {
  return role === 'initiator' ? 'us' : 'peer';
}

/** `child` is empty for the IKE SA itself. */
function saOf({ child }: { readonly child: string }): 'ike' | 'child' {
  return child === '' ? 'ike' : 'child';
}

/** What is known to happen some day is told as 0 before: alerts look for increases, and the first is one, too. */
function negotiations(): readonly { outcome: string; reason: string; by: string }[] {
  return SIDES.flatMap((by) => [
    { outcome: 'established', reason: '', by },
    ...FAILURES.map((reason) => ({ outcome: 'failed', reason, by })),
  ]);
}

function rekeys(): readonly { sa: string; outcome: string; reason: string; by: string }[] {
  return ['ike', 'child'].flatMap((sa) => [
    { sa, outcome: 'postponed', reason: '', by: 'us' },
    ...SIDES.flatMap((by) => [
      { sa, outcome: 'rekeyed', reason: '', by },
      ...FAILURES.map((reason) => ({ sa, outcome: 'failed', reason, by })),
    ]),
  ]);
}

function closings(): readonly { reason: string }[] {
  return CLOSINGS.map((reason) => ({ reason }));
}

const SIDES = ['us', 'peer'] as const;
const FAILURES = Object.keys({
  noProposalChosen: true,
  authenticationFailed: true,
  trafficSelectorsUnacceptable: true,
  timeout: true,
  peerViolation: true,
  dataplane: true,
  refusedByPeer: true,
} satisfies Record<FailureReason, true>);
const CLOSINGS = Object.keys({
  deletedByPeer: true,
  refusedByPeer: true,
  deletedLocally: true,
  peerDead: true,
  replaced: true,
  rekeyed: true,
  duplicate: true,
  negotiationFailed: true,
  protocolViolation: true,
  dataplaneFailed: true,
  expired: true,
} satisfies Record<CloseReason, true>);

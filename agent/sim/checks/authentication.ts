import type { Fact } from '../../ike/fact.ts';
import type { Host } from '../host.ts';
import { nodeName, otherSide } from '../topology.ts';
import type { Check, World } from '../world.ts';

/**
 * Proofs are refused only where somebody has changed the messages that they cover, of a peer that has been taken out of the
 * configuration in between, and for a certificate or a verifier that was made useless: all else is right here.
 */
export class AuthenticationCheck implements Check {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  noted(host: Host, fact: Fact): void {
    if (fact.kind !== 'negotiationFailed' || fact.reason !== 'authenticationFailed') return;
    for (const [pair, { nodes }] of this.#world.scenario.pairs.entries()) {
      for (const side of [0, 1] as const) {
        const peer = nodes[otherSide(side)];
        if (nodes[side] === host.node && nodeName(peer) === fact.connection) this.#judge(pair, host, peer, fact.text);
      }
    }
  }

  #judge(pair: number, host: Host, peer: number, text: string): void {
    const { ledger, clock } = this.#world;
    const nowMs = clock.monotonicMs();
    const oldestMs = nowMs - HANDSHAKE_MS;
    // Who has no such peer in its list refuses it, and has refused it until just now.
    if (!this.#world.isListedByBoth(pair)) return;
    const changedAtMs = [
      ledger.takenOutAt(peer, host.node),
      ledger.takenOutAt(host.node, peer),
      ledger.putInAt(peer, host.node),
      ledger.putInAt(host.node, peer),
    ];
    if ((ledger.tamperedAt(host.node, peer) ?? NEVER) >= oldestMs) {
      ledger.noteCause(pair, 'tampering', nowMs);
      return;
    }
    if ((ledger.distrustedAt(host.name, nodeName(peer)) ?? NEVER) >= oldestMs) return;
    if (changedAtMs.every((atMs) => (atMs ?? NEVER) < oldestMs)) {
      this.#world.violate('authentication', `${host.name} and ${nodeName(peer)}: ${text}`);
    }
  }
}

/** How long after IKE_SA_INIT a proof may come: the endpoint repeats IKE_AUTH for a minute, the Delete for ten seconds. */
const HANDSHAKE_MS = 75_000;
/** Before all times of the clock, which begins with the simulation. */
const NEVER = Number.NEGATIVE_INFINITY;

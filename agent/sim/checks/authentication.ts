import type { Fact } from '../../ike/fact.ts';
import type { Host } from '../host.ts';
import { nodeName, otherSide } from '../topology.ts';
import type { Check, World } from '../world.ts';

/** Proofs are refused only where somebody has changed the messages that they cover: all keys are right here. */
export class AuthenticationCheck implements Check {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  noted(host: Host, fact: Fact): void {
    if (fact.kind !== 'negotiationFailed' || fact.reason !== 'authenticationFailed') return;
    const { scenario, ledger, clock } = this.#world;
    for (const [pair, { nodes }] of scenario.pairs.entries()) {
      for (const side of [0, 1] as const) {
        const peer = nodes[otherSide(side)];
        if (nodes[side] !== host.node || nodeName(peer) !== fact.connection) continue;
        const tamperedAtMs = ledger.tamperedAt(host.node, peer);
        if (tamperedAtMs !== undefined && tamperedAtMs + HANDSHAKE_MS >= clock.monotonicMs()) {
          ledger.noteCause(pair, 'tampering', clock.monotonicMs());
        } else this.#world.violate('authentication', `${host.name} and ${fact.connection}: ${fact.text}`);
      }
    }
  }
}

/** How long after IKE_SA_INIT a proof may come: the endpoint repeats IKE_AUTH for a minute, the Delete for ten seconds. */
const HANDSHAKE_MS = 75_000;

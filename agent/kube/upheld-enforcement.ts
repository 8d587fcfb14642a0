import type { NodePeering } from '../../operator/api/ipsec-node-config.ts';
import type { PlannedChild } from '../runtime/config/agent-config.ts';
import { displacements } from '../runtime/config/overlap.ts';
import type { ResolvedPeer } from '../runtime/config/resolve-connection.ts';

/**
 * The peers of several peerings, where those that are on their way to Required do not go below what others have in force
 * already: a peering that takes over traffic of a Required one begins with it in plaintext otherwise, where no SA is there.
 * `peeringOf` says whose a peer is.
 */
export function upheldEnforcement(
  peers: readonly ResolvedPeer[],
  peeringOf: (peer: ResolvedPeer) => NodePeering | undefined,
): readonly ResolvedPeer[] {
  const peerings = new Set(peers.map(peeringOf));
  if (peerings.size < 2 || ![...peerings].some(isUnderWay)) return peers;
  const upheld = new Map<ResolvedPeer, PlannedChild[]>();
  for (const [taker, taken] of displacements(peers)) {
    const [peering, other] = [peeringOf(taker.peer), peeringOf(taken.peer)];
    if (!isUnderWay(peering) || peering === other) continue;
    const [own, before] = [taker, taken].map(({ peer, child }) => peer.connection.children[child]);
    if (own === undefined || before === undefined || upholding(own, before) === own) continue;
    const children = upheld.get(taker.peer) ?? [...taker.peer.connection.children];
    const child = upholding(children[taker.child] ?? own, before);
    // Nodes that have not been told of the new peering refuse what only that one exempts; a gateway is told nothing.
    children[taker.child] = other?.remote.mesh === undefined ? child : sendingNoMore(child, before);
    upheld.set(taker.peer, children);
  }
  return peers.map((peer) => {
    const children = upheld.get(peer);
    return children === undefined ? peer : { ...peer, connection: { ...peer.connection, children } };
  });
}

/** Whether a peering is to be Required and is not yet. */
function isUnderWay(peering: NodePeering | undefined): boolean {
  if (peering?.finalEnforcement !== 'Required') return false;
  return Object.values(peering.enforcement).includes('Optional');
}

/** A Child with the stricter of both levels. */
function upholding(child: PlannedChild, before: PlannedChild): PlannedChild {
  const enforcement = stricter(child.enforcement, before.enforcement);
  const inboundEnforcement = stricter(inboundOf(child), inboundOf(before));
  if (enforcement === child.enforcement && inboundEnforcement === inboundOf(child)) return child;
  return { ...child, enforcement, inboundEnforcement };
}

/** A Child that sends of what is exempt only what `before` sends in plaintext as well. */
function sendingNoMore(child: PlannedChild, before: PlannedChild): PlannedChild {
  if (child.exempt === undefined) return child;
  const sent = new Set((before.exempt ?? []).filter(({ isSent }) => isSent).map(({ name }) => name));
  const exempt = child.exempt.map((each) => ({ ...each, isSent: each.isSent && sent.has(each.name) }));
  return { ...child, exempt };
}

function inboundOf({ enforcement, inboundEnforcement = enforcement }: PlannedChild): PlannedChild['enforcement'] {
  return inboundEnforcement;
}

function stricter(one: PlannedChild['enforcement'], other: PlannedChild['enforcement']): PlannedChild['enforcement'] {
  return one === 'Required' ? one : other;
}

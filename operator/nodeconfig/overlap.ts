import { overlap as cidrsOverlap } from '../api/ip-text.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import type { Overlap } from '../policies/standing.ts';

/** A peering and the names of its nodes. */
export interface Coverage {
  readonly peering: IpsecPeering;
  readonly nodes: ReadonlySet<string>;
}

/**
 * For each peering, by name, the others that are about the same traffic on the same nodes and win. `byPrecedence` begins
 * with the one that wins over all.
 */
export function overlapsOf(byPrecedence: readonly Coverage[]): ReadonlyMap<string, readonly Overlap[]> {
  return new Map(
    byPrecedence.map((loser, index) => [
      loser.peering.metadata.name,
      byPrecedence.slice(0, index).flatMap((winner) => overlapBetween(winner, loser) ?? []),
    ]),
  );
}

/** Whether two peerings of one node are about packets that they have in common. */
export function shareTraffic(one: Subject, other: Subject): boolean {
  const [gateway, otherGateway] = [one.remote.gateway, other.remote.gateway];
  if (gateway === undefined && otherGateway === undefined) {
    return (SCOPES[one.traffic.scope] ?? []).some((kind) => SCOPES[other.traffic.scope]?.includes(kind));
  }
  return (gateway?.selectors ?? []).some((selector) => otherGateway?.selectors.some((each) => meet(selector, each)));
}

/** What a peering is about. */
type Subject = Pick<IpsecPeering['spec'], 'remote'> & { readonly traffic: { readonly scope: string } };

function overlapBetween(winner: Coverage, loser: Coverage): Overlap | undefined {
  const shared = countShared(winner.nodes, loser.nodes);
  const peering = winner.peering.metadata.name;
  const [won, lost] = [winner.peering.spec.remote, loser.peering.spec.remote];
  if (won.mesh !== undefined && lost.mesh !== undefined) {
    const [wonKinds, lostKinds] = [winner, loser].map((each) => SCOPES[each.peering.spec.traffic.scope]);
    if (wonKinds === undefined || lostKinds === undefined) return undefined;
    // One shared node has nobody in both meshes to talk to.
    if (shared < 2 || !shareTraffic(winner.peering.spec, loser.peering.spec)) return undefined;
    return { peering, whole: shared === loser.nodes.size && lostKinds.every((kind) => wonKinds.includes(kind)) };
  }
  if (won.gateway === undefined || lost.gateway === undefined || shared === 0) return undefined;
  if (!shareTraffic(winner.peering.spec, loser.peering.spec)) return undefined;
  const same = lost.gateway.selectors.every((selector) =>
    won.gateway?.selectors.some((other) => JSON.stringify(selector) === JSON.stringify(other)),
  );
  return { peering, whole: same && shared === loser.nodes.size };
}

/** Whether a packet can match both selectors of one node. Ports are left out of it: they seldom tell gateways apart. */
function meet(one: GatewaySelector, other: GatewaySelector): boolean {
  const sameLocal = one.local === other.local || !one.local.includes('/') || !other.local.includes('/');
  const local = sameLocal ? one.local === other.local : cidrsOverlap(one.local, other.local);
  const protocol = one.protocol === undefined || other.protocol === undefined || one.protocol === other.protocol;
  return local && protocol && cidrsOverlap(one.remote, other.remote);
}

function countShared(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  const [small, large] = one.size < other.size ? [one, other] : [other, one];
  let shared = 0;
  for (const name of small) if (large.has(name)) shared += 1;
  return shared;
}

type GatewaySelector = NonNullable<IpsecPeering['spec']['remote']['gateway']>['selectors'][number];

const SCOPES: Readonly<Record<string, readonly string[]>> = {
  Nodes: ['nodes'],
  Pods: ['pods'],
  NodesAndPods: ['nodes', 'pods'],
};

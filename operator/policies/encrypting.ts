import { judged, type NodeStanding, type PeeringStanding, suitable, type TunnelCounts } from './standing.ts';
import { counted, fails, holds, listed, unknown, type Verdict } from './verdict.ts';

/** Whether the kernels encrypt, by their own counters, as the agents report them. */
export function encrypting(standing: PeeringStanding): Verdict {
  if (standing.nodes.length === 0) return unknown('NoNodes', 'no node takes part');
  const members = suitable(judged(standing));
  if (members.length === 0) return unknown('Pending', 'all nodes joined less than a minute ago');
  const all = suitable(standing.nodes).length;
  // Whoever waits for a new peering waits for all of it, not for the first two nodes that have found each other.
  if (standing.isNew && members.length < all) {
    return unknown(
      'Pending',
      `the peering is less than a minute old: ${members.length} of ${all} nodes reach their peers`,
    );
  }
  const reports = members.map(({ name, agent }) => ({
    name,
    tunnels: tunnelsOf(agent),
  }));
  const down = reports.filter(({ tunnels }) => tunnels !== undefined && tunnels.encrypting < tunnels.expected);
  if (down.length > 0) {
    return fails(
      'TunnelsDown',
      `not every peer of ${listed(down.map(({ name }) => name))} is reached: see status.troubledPeers of the ` +
        'IPsecNodeConfig of that name',
    );
  }
  const silent = reports.filter(({ tunnels }) => tunnels === undefined).map(({ name }) => name);
  if (silent.length > 0) return unknown('NotReported', `nothing is known of ${listed(silent)}`);
  if (standing.kind === 'mesh' && members.length === 1) {
    return holds('NoPeers', `one node has nobody to encrypt with${all > 1 ? ' but those that have just joined' : ''}`);
  }
  const peers = standing.kind === 'mesh' ? members.length - 1 : 1;
  const untold = standing.kind === 'mesh' ? newcomers(members).length : 0;
  const unaware = reports.filter(({ tunnels }) => known(tunnels) < peers - untold).map(({ name }) => name);
  if (unaware.length > 0) {
    const know = unaware.length === 1 ? 'does not know all of its' : 'do not know all of their';
    return unknown('PeersUnknown', `${listed(unaware)} ${know} peers yet`);
  }
  const { encrypting: count } = tunnelTotals(standing);
  const text = `${counted(count, 'tunnel')} of ${counted(members.length, 'node')} encrypting`;
  const waiting = idleTunnels(standing.kind, members);
  if (waiting === 0) return holds('Encrypting', text);
  // Each first packet either makes SAs or shows that it cannot, and then the tunnel is expected.
  return holds(count === 0 ? 'WaitingForTraffic' : 'Encrypting', `${text}; ${waiting} made once there is traffic`);
}

function tunnelsOf(agent: NodeStanding['agent']): TunnelCounts | undefined {
  return agent.kind === 'reporting' || agent.kind === 'failing' ? agent.tunnels : undefined;
}

/** Peers that a node knows, whether it has SAs with them or makes them for the first packet. */
function known(tunnels: TunnelCounts | undefined): number {
  return tunnels === undefined ? 0 : tunnels.expected + (tunnels.idle ?? 0);
}

/** Those that reach everybody and joined so lately that the others need not have told of it. */
function newcomers(members: readonly NodeStanding[]): readonly NodeStanding[] {
  return members.filter(({ joinedLately, agent }) => {
    const tunnels = tunnelsOf(agent);
    return (
      joinedLately && tunnels !== undefined && tunnels.encrypting >= Math.max(tunnels.expected, members.length - 1)
    );
  });
}

/** Tunnels that are made once there is traffic: both nodes of one count it, as long as neither has begun. */
function idleTunnels(kind: PeeringStanding['kind'], members: readonly NodeStanding[]): number {
  if (kind === 'gateway') return sum(members, ({ expected, idle = 0 }) => (expected === 0 && idle > 0 ? 1 : 0));
  return Math.floor(sum(members, ({ idle = 0 }) => Math.min(idle, members.length - 1)) / 2);
}

/**
 * The tunnels of a peering: what nodes that joined just now have is not expected of them yet, and what the others count of
 * one that is gone, until they count again, is none.
 */
export function tunnelTotals(standing: PeeringStanding): TunnelCounts {
  const members = suitable(judged(standing));
  const total = (of: CountOf): number =>
    standing.kind === 'mesh' ? meshTotal(members, of) : sum(members, (tunnels) => Math.min(1, of(tunnels)));
  return {
    expected: (standing.kind === 'mesh' ? pairs(members.length) : members.length) - idleTunnels(standing.kind, members),
    established: total(({ established }) => established),
    encrypting: total((tunnels) => tunnels.encrypting),
  };
}

type CountOf = (tunnels: TunnelCounts) => number;

/** Both ends of a tunnel count it, and one that only one end has is none; newcomers are believed where nobody contradicts. */
function meshTotal(members: readonly NodeStanding[], of: CountOf): number {
  const down = sum(members, (tunnels) => tunnels.expected - of(tunnels));
  const recent = new Set(down === 0 ? newcomers(members) : []);
  const others = members.filter((member) => !recent.has(member));
  const ends = sum(others, (tunnels) => Math.min(of(tunnels), others.length - 1));
  return pairs(recent.size) + recent.size * others.length + Math.floor(ends / 2);
}

function pairs(count: number): number {
  return (count * (count - 1)) / 2;
}

function sum(members: readonly NodeStanding[], of: CountOf): number {
  return members.reduce((total, { agent }) => {
    const tunnels = tunnelsOf(agent);
    return total + (tunnels === undefined ? 0 : of(tunnels));
  }, 0);
}

import { judged, type NodeStanding, type PeeringStanding, suitable, type TunnelCounts } from './standing.ts';
import { counted, fails, holds, listed, unknown, type Verdict } from './verdict.ts';

/** Whether the kernels encrypt, by their own counters, as the agents report them. */
export function encrypting(standing: PeeringStanding): Verdict {
  if (standing.nodes.length === 0) return unknown('NoNodes', 'no node takes part');
  const members = suitable(judged(standing));
  if (members.length === 0) return unknown('Pending', 'all nodes joined less than a minute ago');
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
  if (standing.kind === 'mesh' && members.length === 1) return holds('NoPeers', 'one node has nobody to encrypt with');
  const peers = standing.kind === 'mesh' ? members.length - 1 : 1;
  const unaware = reports.filter(({ tunnels }) => (tunnels?.expected ?? 0) < peers).map(({ name }) => name);
  if (unaware.length > 0) {
    const know = unaware.length === 1 ? 'does not know all of its' : 'do not know all of their';
    return unknown('PeersUnknown', `${listed(unaware)} ${know} peers yet`);
  }
  const { encrypting: count } = tunnelTotals(standing);
  return holds('Encrypting', `${counted(count, 'tunnel')} of ${counted(members.length, 'node')} encrypting`);
}

function tunnelsOf(agent: NodeStanding['agent']): TunnelCounts | undefined {
  return agent.kind === 'reporting' || agent.kind === 'failing' ? agent.tunnels : undefined;
}

/**
 * The tunnels of a peering: what nodes that joined just now have is not expected of them yet, and what the others count of
 * one that is gone, until they count again, is none.
 */
export function tunnelTotals(standing: PeeringStanding): TunnelCounts {
  const members = suitable(judged(standing));
  // Both ends of a tunnel of a mesh count it; one that only one end has is none.
  const ends = standing.kind === 'mesh' ? 2 : 1;
  const pairs = (members.length * (members.length - 1)) / 2;
  const expected = standing.kind === 'mesh' ? pairs : members.length;
  const total = (of: (tunnels: TunnelCounts) => number): number => {
    const counts = members.map(({ agent }) => {
      const tunnels = tunnelsOf(agent);
      return tunnels === undefined ? 0 : of(tunnels);
    });
    return Math.min(expected, Math.floor(counts.reduce((sum, count) => sum + count, 0) / ends));
  };
  return {
    expected,
    established: total(({ established }) => established),
    encrypting: total((tunnels) => tunnels.encrypting),
  };
}

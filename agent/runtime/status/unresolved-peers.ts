import type { UnresolvedPeer } from '../config/agent-config.ts';
import type { PeerReport } from './report.ts';

/**
 * Peers whose host names do not resolve, as they stand: what stands in for one is reported as one of any address, and one that
 * nothing can stand in for not at all, while its traffic may pass in plaintext.
 */
export function withUnresolved(
  peers: readonly PeerReport[],
  unresolved: readonly UnresolvedPeer[],
): readonly PeerReport[] {
  const known = new Set(peers.map(({ name }) => name));
  const faults = new Map(unresolved.map((peer) => [peer.name, peer]));
  const standIns = peers.map((peer): PeerReport => {
    const fault = faults.get(peer.name);
    // It may have called.
    return fault === undefined || peer.state !== 'down' ? peer : { ...peer, ...standing(fault) };
  });
  const absent = unresolved.filter(({ name }) => !known.has(name)).map((peer) => ({ ...NOBODY, ...standing(peer) }));
  return [...standIns, ...absent];
}

function standing({ name, host, fault, isOpen }: UnresolvedPeer) {
  const message = isOpen ? `${fault.text}; until then traffic with it passes in plaintext` : fault.text;
  return { name, remoteAddress: host, state: 'down', reason: 'NameUnresolved', message } as const;
}

const NOBODY = { localAddress: '', localIdentity: '', remoteIdentity: '', ikeSas: [] } as const;

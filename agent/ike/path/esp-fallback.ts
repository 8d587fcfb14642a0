import type { Arrival } from '../child/arrival.ts';
import { reauthenticate } from '../connection/connecting.ts';
import { type Connection, isConnecting } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { enqueue } from '../message/requests.ts';
import type { IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';

/*
 * A path may let IKE pass and drop ESP, which is an IP protocol of its own. In UDP it looks as IKE does. So where what we
 * send does not arrive, a new IKE SA is made in whose NAT detection we pretend to be behind a NAT, as `Always` does from
 * the beginning: that every peer understands. It stays so for this connection.
 */

/** Goes over to ESP in UDP where a pair of this IKE SA shows that ESP itself does not arrive, and that is allowed. */
export function fallBackToUdp(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  const { state } = sa;
  if (state.kind !== 'established' || state.endsAt !== undefined) return;
  if (connection.config.natTraversal !== 'Auto' || connection.espInUdp) return;
  // What is being set up has been begun without.
  if (connection.replacing !== 0 || isConnecting(connection)) return;
  const lost = state.children.some((child) => {
    const arrival = connection.arrivals.get(child.inboundSpi);
    if (child.usage !== 'current' || child.udpEncapsulation || arrival === undefined) return false;
    return state.peerIsAgent ? isLost(core, at, sa, arrival) : isOneWay(core, at, sa, arrival);
  });
  if (!lost) return;
  connection.espInUdp = true;
  core.report({ kind: 'espFallback', connection: connection.config.name });
  reauthenticate(core, at, connection, sa);
}

/** The peer says so. Both notice; the responder leaves the initiator the first word. */
function isLost({ context }: Core, at: Instant, { role }: IkeSa, { outbound, lostAt }: Arrival): boolean {
  if (outbound !== 'lost' || lostAt === undefined) return false;
  return role === 'initiator' || at - lostAt >= context.limits.fallbackPatienceMs;
}

/**
 * A peer that is no agent does not say what has arrived. Where nothing has ever come on a pair that we have sent on for a
 * while, and the peer has answered IKE since, ESP in UDP is worth a try: it costs eight bytes a packet.
 */
function isOneWay(core: Core, at: Instant, sa: IkeSa, arrival: Arrival): boolean {
  const since = arrival.unshown?.enoughAt;
  if (since === undefined || arrival.inbound !== 'unused' || at - since < core.context.limits.arrivalRestMs)
    return false;
  if (sa.lastHeardAt > since) return true;
  if (sa.window.pending === undefined && sa.queue.length === 0) enqueue(core, at, sa, { kind: 'liveness' });
  return false;
}

import type { Limits } from '../limits.ts';
import { type Connection, childrenOf } from './connection.ts';

/*
 * What one peer may have here. Whoever has proved its identity can still begin IKE SAs and Child SAs without end, by fault
 * or on purpose; that must cost neither memory nor the kernel more than is named here.
 */

/** Whether the peer may have one more IKE SA that it has begun itself, beside those that have yet to end. */
export function hasRoomForIkeSa({ ikeSas }: Connection, { ikeSasBegunByPeer }: Limits): boolean {
  const begun = ikeSas.filter(({ role, state }) => role === 'responder' && STANDS.has(state.kind));
  return begun.length < ikeSasBegunByPeer;
}

/** Whether the kernel may have one more inbound SA of the peer: those that have been replaced stay for a while. */
export function hasRoomForChild(connection: Connection, { inboundSasPerPeer }: Limits): boolean {
  const { retiring, orphans } = connection;
  return childrenOf(connection).length + retiring.length + orphans.length < inboundSasPerPeer;
}

const STANDS: ReadonlySet<string> = new Set(['established', 'rekeyed', 'deleting']);

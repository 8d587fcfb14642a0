import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { packetBytes, smallestPacketBytes } from '../message/datagram-size.ts';
import { canProbe } from '../message/path-probe.ts';
import { enqueue } from '../message/requests.ts';
import type { PendingRequest } from '../message/window.ts';
import type { IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import { afterTry, beginSearch, nextSize, type PathMtuSearch } from './path-mtu-search.ts';

/*
 * Routers that say that a packet is too long are often not heard: then long packets vanish. So an agent asks its peer, in
 * packets of the size in question that must not be cut up:
 *
 *     HDR, SK { N(PATH_PROBE) }  -->     one IP packet of that size, DF
 *                           <--  HDR, SK {}
 *
 * The peer's answer proves that it has come, by the keys of the IKE SA. Without an answer the same request is repeated as
 * any other one, in fragments (RFC 7383 §2.5), so that a probe that is too long costs the IKE SA a second and nothing else;
 * an answer by then shows that the peer is there, and that the packet was too long or lost. One probe is open at a time.
 */

/** Begins to search how long packets to the peer may be, `most` being what the interface sends. Not beside another search. */
export function searchPathMtu(core: Core, at: Instant, connection: Connection, most: number): void {
  const sa = connection.ikeSas.findLast(canProbe);
  if (sa === undefined || sa.queue.length > 0 || sa.window.pending?.probe !== undefined) return;
  const { pathProbeMostBytes } = core.context.limits;
  const search = beginSearch(smallestPacketBytes(sa, core.context.limits), Math.min(most, pathProbeMostBytes));
  goOn(core, at, connection, sa, search);
}

/** The peer has answered a probe: at once, or only after it came in fragments. */
export function onProbeAnswered(
  core: Core,
  at: Instant,
  sa: IkeSa,
  { probe, attempt, datagrams }: PendingRequest,
): void {
  const { connection } = sa;
  const size = probe && nextSize(probe);
  if (probe === undefined || size === undefined || connection === undefined) return;
  const shown = attempt === 0 ? packetBytes(sa, datagrams[0]?.length ?? 0) : undefined;
  goOn(core, at, connection, sa, afterTry(probe, size, shown, core.context.limits.pathProbeTries));
}

function goOn(core: Core, at: Instant, connection: Connection, sa: IkeSa, search: PathMtuSearch): void {
  if (nextSize(search) !== undefined) {
    enqueue(core, at, sa, { kind: 'probePath', search });
    return;
  }
  const { shown: bytes, most } = search;
  connection.pathMtu = bytes;
  core.report({ kind: 'pathMtuFound', connection: connection.config.name, path: sa.path, bytes, most });
}

import { saIdText } from '../../dataplane/texts.ts';
import type { InstalledSa, KernelSnapshot } from '../../dataplane/types.ts';
import type { ReceivedCount } from '../../wire/received-notify.ts';
import { type Connection, childrenOf } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { enqueue } from '../message/requests.ts';
import { fallBackToUdp } from '../path/esp-fallback.ts';
import { rekeySoon } from '../rekey/rekeying.ts';
import type { IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import { type Answer, type Arrival, counted, fails, reported, unknownArrival } from './arrival.ts';
import type { ChildSa } from './child-sa.ts';

/*
 * Whether packets get through. Our kernel counts what it has encrypted, the peer's what it has decrypted; agents tell one
 * another in INFORMATIONAL, which is the question whether they are alive as well. It is asked when packets are sent and
 * none come back, and now and then where they do.
 */

/** The kernel's SAs by `saIdText`. */
export type InstalledSas = ReadonlyMap<string, InstalledSa>;

export function installedSas({ sas }: KernelSnapshot): InstalledSas {
  return new Map(sas.map((sa) => [saIdText(sa.id), sa]));
}

/** Takes in what the kernel has counted of a connection's pairs, and asks the peer where that leaves something open. */
export function countArrivals(core: Core, at: Instant, connection: Connection, installed: InstalledSas): void {
  const { limits } = core.context;
  const before = connection.arrivals;
  connection.arrivals = new Map();
  for (const child of childrenOf(connection)) {
    const { inbound, outbound } = countedSas(child, installed);
    if (inbound === undefined || outbound === undefined) continue;
    const known = before.get(child.inboundSpi) ?? unknownArrival(child.installedAt);
    const { packets: received, integrityFailures: undecryptable } = inbound;
    const after = counted(known, at, { sent: outbound.packets, received, undecryptable }, limits);
    connection.arrivals.set(child.inboundSpi, after);
    tellChange(core, connection, child, known, after);
  }
  for (const sa of connection.ikeSas) {
    mend(core, at, connection, sa);
    fallBackToUdp(core, at, connection, sa);
    if (isAsked(core, at, connection, sa)) enqueue(core, at, sa, { kind: 'liveness' });
  }
}

/** Whether one of a pair's SAs in the kernel is not the one that we have put there: its counters have begun anew. */
export function isForeign({ arrivals }: Connection, child: ChildSa, installed: InstalledSas): boolean {
  const known = arrivals.get(child.inboundSpi);
  const { inbound, outbound } = countedSas(child, installed);
  if (known === undefined || inbound === undefined || outbound === undefined) return false;
  return (
    outbound.packets < known.sent || inbound.packets < known.received || inbound.integrityFailures < known.undecryptable
  );
}

/** Takes in what the peer has told, in answer to a question of ours or not. */
export function noteReceived(
  core: Core,
  at: Instant,
  connection: Connection,
  counts: readonly ReceivedCount[],
  answer: Answer,
): void {
  for (const child of childrenOf(connection)) {
    const known = connection.arrivals.get(child.inboundSpi);
    const count = counts.find(({ spi }) => spi === child.outboundSpi);
    if (known === undefined || count === undefined) continue;
    const after = reported(known, at, answer, count, core.context.limits);
    connection.arrivals.set(child.inboundSpi, after);
    tellChange(core, connection, child, known, after);
  }
  for (const sa of connection.ikeSas) {
    mend(core, at, connection, sa);
    fallBackToUdp(core, at, connection, sa);
  }
}

function countedSas(child: ChildSa, installed: InstalledSas) {
  return {
    inbound: installed.get(saIdText({ destination: child.localAddress, spi: child.inboundSpi })),
    outbound: installed.get(saIdText({ destination: child.remoteAddress, spi: child.outboundSpi })),
  };
}

function tellChange(core: Core, connection: Connection, child: ChildSa, before: Arrival, after: Arrival): void {
  const changed = before.inbound !== after.inbound || before.outbound !== after.outbound;
  if (!changed || (!fails(before) && !fails(after))) return;
  const { inbound, outbound } = after;
  core.report({
    kind: 'arrivalChanged',
    connection: connection.config.name,
    child: child.config.name,
    inbound,
    outbound,
  });
}

/** A pair whose keys differ is replaced: now and then, for a stranger can send what no key has made. */
function mend(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  if (sa.state.kind !== 'established') return;
  for (const child of sa.state.children) {
    const arrival = connection.arrivals.get(child.inboundSpi);
    if (child.usage !== 'current' || arrival === undefined) continue;
    if (arrival.inbound !== 'undecryptable' && arrival.outbound !== 'undecryptable') continue;
    if (at - connection.mendedAt < core.context.limits.mendingMs) continue;
    connection.mendedAt = at;
    rekeySoon(core, at, sa, child);
  }
}

/** Nobody is asked what it cannot know, nor while an answer is awaited. */
function isAsked(core: Core, at: Instant, connection: Connection, sa: IkeSa): boolean {
  const { state, window, queue } = sa;
  if (state.kind !== 'established' || !state.peerIsAgent || state.endsAt !== undefined) return false;
  if (window.pending !== undefined || queue.length > 0) return false;
  const { arrivalConfirmationMs, arrivalRestMs } = core.context.limits;
  return state.children.some((child) => {
    const arrival = connection.arrivals.get(child.inboundSpi);
    if (child.usage !== 'current' || arrival === undefined) return false;
    const { sentAt, receivedAt, unshown, inbound, outbound, doubted, reported: last } = arrival;
    if (inbound === 'undecryptable' && at - last.at >= arrivalRestMs) return true;
    if (unshown === undefined || sentAt === undefined || at - sentAt >= arrivalRestMs) return false;
    if (fails(arrival) || doubted) return true;
    return receivedAt !== at || outbound === 'unconfirmed' || at - last.at >= arrivalConfirmationMs;
  });
}

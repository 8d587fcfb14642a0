import type { DataplaneEvent } from '../../dataplane/types.ts';
import { type Connection, childrenOf } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { followUpLater } from '../follow-up.ts';
import { enqueue } from '../message/requests.ts';
import type { IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import type { ChildSa } from './child-sa.ts';
import { hasCurrent, makeCurrent } from './pair-in-use.ts';
import { retireOrphans } from './retirement.ts';
import { setChildren } from './set-children.ts';
import { onRetiringCounted } from './tend-retiring.ts';

/** Asks the kernel whether peers send on new pairs, where that matters; `onCounters` takes the answers. */
export function askForCounters(core: Core, at: Instant, connection: Connection): void {
  connection.switchCheckAt = undefined;
  for (const child of childrenOf(connection)) {
    if (!awaitsPackets(connection, child)) continue;
    const id = { destination: child.localAddress, spi: child.inboundSpi };
    core.command({ kind: 'queryCounters', id }, connection, 0, 0);
    connection.switchCheckAt = at + core.context.limits.switchCheckMs;
  }
  for (const sa of connection.ikeSas) askForProof(core, at, connection, sa);
  core.schedule(connection);
}

/** Where there is nothing to send on but a pair whose initiator has not shown yet that it has it, its answer does. */
function askForProof(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  const { state, window, queue } = sa;
  if (state.kind !== 'established' || state.endsAt !== undefined) return;
  if (window.pending !== undefined || queue.length > 0) return;
  const proves = state.children.some(({ usage, settledAt, settledBy, config }) => {
    const waits = usage === 'deferred' && settledAt === undefined && settledBy !== undefined;
    return waits && !hasCurrent(connection, config.name);
  });
  if (proves) enqueue(core, at, sa, { kind: 'liveness' });
}

/** A packet on a new pair proves that the peer has both of its SAs; one on an old one that it still uses that. */
export function onCounters(core: Core, at: Instant, counted: Extract<DataplaneEvent, { kind: 'counters' }>): void {
  const { id, reqid, packets } = counted;
  const connection = core.connections.ofReqid(reqid);
  if (connection === undefined) return;
  onRetiringCounted(core, at, connection, counted);
  if (packets === 0 || connection.switchCheckAt === undefined) return;
  settleChildren(core, at, connection, (child) => {
    return child.inboundSpi === id.spi && child.localAddress === id.destination;
  });
}

/** A further request of the peer shows that it has the pairs that earlier ones were granted. */
export function settleGranted(core: Core, at: Instant, connection: Connection, earlier: readonly ChildSa[]): void {
  settleChildren(core, at, connection, ({ weInitiated, inboundSpi }) => {
    return !weInitiated && earlier.some((child) => child.inboundSpi === inboundSpi);
  });
}

/** The peer's answer to a request that followed a new pair shows that it has the pair. */
export function settleAnswered(core: Core, at: Instant, sa: IkeSa, connection: Connection, messageId: number): void {
  settleChildren(core, at, connection, ({ settledBy }, owner) => {
    return owner === sa && settledBy !== undefined && settledBy <= messageId;
  });
}

/** The peer sends on these pairs: they can be sent on, and nothing older is needed any more. */
function settleChildren(
  core: Core,
  at: Instant,
  connection: Connection,
  which: (child: ChildSa, owner: IkeSa) => boolean,
): void {
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established') continue;
    for (const child of sa.state.children)
      if (child.settledAt === undefined && which(child, sa)) settleChild(core, at, connection, sa, child);
  }
}

function settleChild(core: Core, at: Instant, connection: Connection, sa: IkeSa, child: ChildSa): void {
  setChildren(sa, (children) => children.map((each) => (each === child ? { ...child, settledAt: at } : each)));
  // One that had been superseded takes the place of an orphan all the same.
  const waits = child.usage === 'deferred' || !hasCurrent(connection, child.config.name);
  if (waits) makeCurrent(core, at, connection, child);
  followUpLater(core, at, sa, [], false);
  retireOrphans(core, at, connection, child.config.reqid, child.installedAt);
  hastenForgotten(core, at, connection);
}

/** What the peer has forgotten may have been kept only because its successors were not known to be in use. */
function hastenForgotten(core: Core, at: Instant, connection: Connection): void {
  for (const sa of connection.ikeSas) {
    if (sa.state.kind !== 'established' || sa.state.endsAt === undefined) continue;
    sa.state = { ...sa.state, endsAt: at };
    core.touch(sa);
  }
}

/** Whether packets on a pair would tell something that is not known yet and wanted. */
export function awaitsPackets(connection: Connection, child: ChildSa): boolean {
  if (child.settledAt !== undefined) return false;
  return child.usage === 'deferred' || connection.orphans.some(({ reqid }) => reqid === child.config.reqid);
}

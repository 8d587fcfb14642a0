import type { ChildSa } from '../child/child-sa.ts';
import { deletionOf } from '../child/ending.ts';
import { setChildren } from '../child/set-children.ts';
import { reauthenticate } from '../connection/connecting.ts';
import { type Connection, isConnecting } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import { enqueue } from '../message/requests.ts';
import type { Established, IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import { nextTry } from './rekey-time.ts';
import { isReplaced } from './under-way.ts';

/*
 * When SAs are rekeyed. A Child SA is due at the first of its soft limits, of which the kernel tells; an IKE SA by its
 * lifetime. What comes to nothing is begun again, and when that has gone on for too long a new IKE SA is negotiated,
 * while what is there stays in use.
 */

/** A Child SA has reached a soft limit, or is to be rekeyed by order. */
export function rekeySoon(core: Core, at: Instant, sa: IkeSa, child: ChildSa): void {
  if (child.rekey !== undefined) return;
  change(sa, child, { rekey: { at, since: at } });
  core.touch(sa);
}

/** The lifetime of an IKE SA is over, or it is to be rekeyed by order. */
export function rekeyIkeSa(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  const { state, queue } = sa;
  if (state.kind !== 'established') return;
  const { rekeyRetryMs, rekeyPatienceMs } = core.context.limits;
  const rekeyAt = at + rekeyRetryMs;
  if (isConnecting(connection) || state.endsAt !== undefined || state.rivalOf !== undefined) {
    sa.state = { ...state, rekeyAt, rekeyingSince: undefined };
    return;
  }
  const since = state.rekeyingSince ?? at;
  if (at - since < rekeyPatienceMs) {
    sa.state = { ...state, rekeyAt, rekeyingSince: since };
    const isAsked = state.asked?.kind === 'rekeyIkeSa' || queue.some(({ kind }) => kind === 'rekeyIkeSa');
    if (!isAsked) enqueue(core, at, sa, { kind: 'rekeyIkeSa', group: undefined });
    return;
  }
  sa.state = { ...state, rekeyAt, rekeyingSince: undefined };
  giveUpOnRekey(core, at, connection, sa, '');
}

/** When something is to be done for a Child SA by itself. */
export function childDeadline({ usage, rekey, deleteAt }: ChildSa): Instant | undefined {
  return usage === 'superseded' ? deleteAt : rekey?.at;
}

/** Asks for the successors that are due, and ends what the peer should have ended. */
export function tendChildren(core: Core, at: Instant, connection: Connection, sa: IkeSa): void {
  if (sa.state.kind !== 'established') return;
  for (const child of sa.state.children) {
    const due = childDeadline(child);
    if (due === undefined || due > at) continue;
    if (child.usage === 'superseded') endOverdue(core, at, sa, child);
    else rekeyDue(core, at, connection, sa, child);
  }
}

function rekeyDue(core: Core, at: Instant, connection: Connection, sa: IkeSa, child: ChildSa): void {
  if (sa.state.kind !== 'established' || child.rekey === undefined) return;
  const { limits } = core.context;
  const again = nextTry(at, child, limits);
  if (!mayRekey(connection, sa.state, child)) {
    change(sa, child, { rekey: { at: again, since: again } });
    return;
  }
  const { since } = child.rekey;
  if (at - since < limits.rekeyPatienceMs) {
    change(sa, child, { rekey: { at: again, since } });
    enqueue(core, at, sa, { kind: 'rekeyChild', inboundSpi: child.inboundSpi, group: undefined });
    return;
  }
  change(sa, child, { rekey: { at: again, since: at } });
  giveUpOnRekey(core, at, connection, sa, child.config.name);
}

/** The peer has never had time: a new IKE SA brings what was asked for. */
function giveUpOnRekey(core: Core, at: Instant, connection: Connection, sa: IkeSa, child: string): void {
  const { name } = connection.config;
  core.report({ kind: 'rekeyFailed', connection: name, child, reason: 'timeout', by: 'peer' });
  reauthenticate(core, at, connection, sa);
}

/**
 * Not while an IKE SA is being set up, which brings its successor, or the peer has forgotten the one that stands. What is
 * to be replaced and cannot be for now has to last for as long as that takes.
 */
function mayRekey(connection: Connection, state: Established, child: ChildSa): boolean {
  if (isConnecting(connection) || state.endsAt !== undefined) return false;
  return child.usage === 'current' && !isReplaced(state.children, child);
}

/** The peer has not deleted what has been replaced, although it was for the peer to do so. */
function endOverdue(core: Core, at: Instant, sa: IkeSa, child: ChildSa): void {
  change(sa, child, { deleteAt: undefined });
  if (sa.state.kind !== 'established' || sa.state.endsAt !== undefined) return;
  const replaced = sa.state.children.some(({ config, usage }) => {
    return config.name === child.config.name && usage === 'current';
  });
  if (replaced) enqueue(core, at, sa, deletionOf(child, 'replaced'));
}

function change(sa: IkeSa, child: ChildSa, changes: Partial<ChildSa>): void {
  setChildren(sa, (children) =>
    children.map((each) => (each.inboundSpi === child.inboundSpi ? { ...each, ...changes } : each)),
  );
}

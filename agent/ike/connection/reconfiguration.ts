import { needsNewProof } from '../negotiation/authentication.ts';
import { sameIdentity } from '../negotiation/identity.ts';
import type { IkeSa } from '../state.ts';
import type { ChildConfig, ConnectionConfig } from '../types.ts';
import { hasSameTraffic } from './configured.ts';
import type { Connection } from './connection.ts';

/* What a changed configuration means for the SAs that are there. */

/**
 * Whether nothing can stay: the peer is another one, or none of its Children is wanted any more, or one in another mode. A
 * Child that is for other traffic stays as it is until its successor is there (`isConfigured`).
 */
export function needsRestart({ config: before }: Connection, after: ConnectionConfig): boolean {
  return (
    before.localAddress !== after.localAddress ||
    before.remoteAddress !== after.remoteAddress ||
    before.natTraversal !== after.natTraversal ||
    !sameIdentity(before.localIdentity, after.localIdentity) ||
    !sameIdentity(before.remoteIdentity, after.remoteIdentity) ||
    (before.children.length > 0 && !before.children.some((child) => isNamed(after, child))) ||
    before.children.some((child) => hasOtherMode(child, after))
  );
}

function isNamed({ children }: ConnectionConfig, { name }: ChildConfig): boolean {
  return children.some((child) => child.name === name);
}

/** Whether something is to be asked of the peer that has not been before: a Child that is new, or for other traffic. */
export function asksForMore(before: ConnectionConfig, after: ConnectionConfig): boolean {
  return after.children.some((child) => {
    return !before.children.some((former) => former.name === child.name && hasSameTraffic(former, child));
  });
}

function hasOtherMode({ name, mode, reqid }: ChildConfig, { children }: ConnectionConfig): boolean {
  const after = children.find((child) => child.name === name);
  return after !== undefined && (mode !== after.mode || reqid !== after.reqid);
}

function hasOtherAlgorithms(before: ConnectionConfig, after: ConnectionConfig): boolean {
  if (JSON.stringify(before.proposals) !== JSON.stringify(after.proposals)) return true;
  return before.children.some((child) => {
    const same = after.children.find(({ name }) => name === child.name);
    return same !== undefined && JSON.stringify(child.proposals) !== JSON.stringify(same.proposals);
  });
}

/** Which IKE SAs have to be replaced, those that are being set up as soon as they stand; undefined where none at all has to. */
export function outdatedBy(before: ConnectionConfig, after: ConnectionConfig): ((sa: IkeSa) => boolean) | undefined {
  if (hasOtherAlgorithms(before, after)) return (sa) => sa.state.kind === 'initRequested' || hasProved(sa);
  return needsNewProof(before, after) ? hasProved : undefined;
}

/** Whether it is established, or will be by proofs that are under way. */
function hasProved({ state }: IkeSa): boolean {
  return state.kind === 'authRequested' || state.kind === 'verifying' || state.kind === 'established';
}

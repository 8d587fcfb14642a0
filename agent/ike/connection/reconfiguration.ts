import { needsNewProof } from '../negotiation/authentication.ts';
import { sameIdentity } from '../negotiation/identity.ts';
import type { IkeSa } from '../state.ts';
import type { ChildConfig, ConnectionConfig } from '../types.ts';
import type { Connection } from './connection.ts';

/* What a changed configuration means for the SAs that are there. */

/** Whether nothing can stay: the peer is another one, or a Child is for other traffic. */
export function needsRestart(connection: Connection, after: ConnectionConfig, gone: readonly ChildConfig[]): boolean {
  const before = connection.config;
  return (
    before.localAddress !== after.localAddress ||
    before.remoteAddress !== after.remoteAddress ||
    before.natTraversal !== after.natTraversal ||
    !sameIdentity(before.localIdentity, after.localIdentity) ||
    !sameIdentity(before.remoteIdentity, after.remoteIdentity) ||
    (gone.length > 0 && (gone.length === before.children.length || isSettingUp(connection))) ||
    before.children.some((child) => hasOtherTraffic(child, after))
  );
}

/** Children that are configured no more. */
export function goneChildren(before: ConnectionConfig, after: ConnectionConfig): readonly ChildConfig[] {
  return before.children.filter((child) => !after.children.some(({ name }) => name === child.name));
}

/** Whether something is under way that may yet bring a Child which is configured no more. */
function isSettingUp({ ikeSas }: Connection): boolean {
  return ikeSas.some(({ state, queue }) => {
    if (state.kind === 'rekeyed' || state.kind === 'deleting') return false;
    return (
      state.kind !== 'established' || state.asked !== undefined || queue.some(({ kind }) => kind === 'createChild')
    );
  });
}

/** Whether a Child that stays under its name is for other traffic. */
function hasOtherTraffic(child: ChildConfig, { children }: ConnectionConfig): boolean {
  const after = children.find(({ name }) => name === child.name);
  return after !== undefined && JSON.stringify(negotiated(child)) !== JSON.stringify(negotiated(after));
}

function hasOtherAlgorithms(before: ConnectionConfig, after: ConnectionConfig): boolean {
  if (JSON.stringify(before.proposals) !== JSON.stringify(after.proposals)) return true;
  return before.children.some((child) => {
    const same = after.children.find(({ name }) => name === child.name);
    return same !== undefined && JSON.stringify(child.proposals) !== JSON.stringify(same.proposals);
  });
}

/** What traffic of a Child the peer has to agree to. */
function negotiated(child: ChildConfig): Partial<ChildConfig> {
  const { name, mode, local, remote, reqid } = child;
  return { name, mode, local, remote, reqid };
}

/** Which of the IKE SAs that are being set up will have to be replaced as soon as they stand; undefined where none at all has to. */
export function outdatedBy(before: ConnectionConfig, after: ConnectionConfig): ((sa: IkeSa) => boolean) | undefined {
  if (hasOtherAlgorithms(before, after)) return (sa) => sa.state.kind === 'initRequested' || hasProved(sa);
  return needsNewProof(before, after) ? hasProved : undefined;
}

/** Whether proofs are under way, by which it will be established. */
function hasProved({ state }: IkeSa): boolean {
  return state.kind === 'authRequested' || state.kind === 'verifying';
}

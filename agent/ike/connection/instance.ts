import { decodeInstanceNotify, encodeInstanceNotify, type IkeSpiPair } from '../../wire/instance-notify.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { Core } from '../core.ts';
import { findNotify, hasNotify, notify } from '../message/notify.ts';
import { compareBytes } from '../negotiation/byte-order.ts';
import type { IkeSa } from '../state.ts';
import type { AgentInstance, Instant } from '../types.ts';
import type { Connection } from './connection.ts';

/*
 * What two sides know of each other's past. An agent that restarts has lost its IKE SAs, but its kernel goes on with
 * their Child SAs; a machine that reboots has lost both. Agents tell one another which it is, in IKE_AUTH, by names of
 * their boot and of their run. Anybody else says INITIAL_CONTACT, and has nothing older (RFC 7296 §2.4).
 */

/** What a peer says of its past in IKE_AUTH. */
export interface PeerPast {
  readonly initialContact: boolean;
  readonly instance: AgentInstance | undefined;
  /** IKE SAs that the new one takes the place of. */
  readonly supersedes: readonly IkeSpiPair[];
}

/** How much of what was established before a peer has forgotten. */
export type Forgotten = 'nothing' | 'ikeSas' | 'everything';

/** What we say of our own past beside our proof; `replaced` is the IKE SA that the new one takes the place of. */
export function pastNotifies(
  core: Core,
  connection: Connection,
  peerIsAgent: boolean,
  replaced: IkeSa | undefined,
): readonly NotifyPayload[] {
  const { instance } = core.context;
  const notifies: NotifyPayload[] = [];
  if (saysInitialContact(connection)) notifies.push(notify(NotifyType.INITIAL_CONTACT));
  if (instance !== undefined && peerIsAgent) {
    const supersedes = replaced === undefined ? [] : [spiPairOf(replaced)];
    notifies.push(encodeInstanceNotify({ ...instance, supersedes }));
  }
  return notifies;
}

/** What a peer says of its past. */
export function readPast(notifies: readonly NotifyPayload[], peerIsAgent: boolean): PeerPast {
  const initialContact = hasNotify(notifies, NotifyType.INITIAL_CONTACT);
  const found = peerIsAgent ? findNotify(notifies, NotifyType.AGENT_INSTANCE) : undefined;
  const said = found && decodeInstanceNotify(found);
  if (said === undefined) return { initialContact, instance: undefined, supersedes: [] };
  const { bootId, instance, supersedes } = said;
  return { initialContact, instance: { bootId, instance }, supersedes };
}

/**
 * What a peer that was `before` and now says `past` has forgotten. An agent's kernel loses nothing unless it boots, not
 * even where the agent itself begins anew: packets may still be under way to SAs that it is about to remove.
 */
export function forgottenBy(before: AgentInstance | undefined, past: PeerPast): Forgotten {
  const { initialContact, instance: now } = past;
  if (now === undefined) return initialContact ? 'everything' : 'nothing';
  if (before !== undefined && compareBytes(before.bootId, now.bootId) !== 0) return 'everything';
  const sameRun = before === undefined || compareBytes(before.instance, now.instance) === 0;
  return sameRun && !initialContact ? 'nothing' : 'ikeSas';
}

/**
 * Whether what a peer says, in a message that came at `heardAt`, is of a run that another one has followed: that has
 * authenticated on an IKE SA that was begun later. A verification may take longer than a peer to begin anew.
 */
export function isOutlived({ peerInstance, ikeSas }: Connection, { instance }: PeerPast, heardAt: Instant): boolean {
  if (instance === undefined || peerInstance === undefined) return false;
  if (compareBytes(instance.instance, peerInstance.instance) === 0) return false;
  return ikeSas.some(({ state, startedAt }) => state.kind === 'established' && startedAt >= heardAt);
}

/** The IKE SA of a connection that a peer says is superseded. */
export function supersededBy(connection: Connection, { supersedes }: PeerPast): IkeSa | undefined {
  return connection.ikeSas.find((sa) => {
    const { initiatorSpi, responderSpi } = spiPairOf(sa);
    return supersedes.some((pair) => pair.initiatorSpi === initiatorSpi && pair.responderSpi === responderSpi);
  });
}

/**
 * Said only where it is certain: neither we nor our kernel have anything older with the peer, nor has it granted anything
 * that we have asked for and shall hear of yet.
 */
function saysInitialContact({ contacted, orphans, ikeSas }: Connection): boolean {
  return !contacted && orphans.length === 0 && !ikeSas.some(awaitsGrant);
}

/** Whether the peer may have granted what we have asked for in IKE_AUTH. */
export function awaitsGrant({ role, state }: IkeSa): boolean {
  return role === 'initiator' && (state.kind === 'authRequested' || state.kind === 'verifying');
}

function spiPairOf({ role, localSpi, remoteSpi }: IkeSa): IkeSpiPair {
  return role === 'initiator'
    ? { initiatorSpi: localSpi, responderSpi: remoteSpi }
    : { initiatorSpi: remoteSpi, responderSpi: localSpi };
}

import { decodeNotifyData } from '../../wire/notify-data.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Fact } from '../fact.ts';
import type { Established } from '../state.ts';
import type { Instant } from '../types.ts';
import { shortened } from './rekey-time.ts';

/*
 * AUTH_LIFETIME (RFC 4478): how long the peer, which as the responder cannot begin itself, believes our proof. In that
 * time we make a new IKE SA, or the peer deletes the one that there is with everything in it.
 */

/** The IKE SA with what the peer demands in a message; what it says last counts. */
export function withAuthenticationLifetime(
  core: Core,
  at: Instant,
  connection: Connection,
  state: Established,
  notifies: readonly NotifyPayload[],
): { readonly state: Established; readonly facts: readonly Fact[] } {
  const seconds = notifies.map(secondsOf).find((each) => each !== undefined);
  if (seconds === undefined || !mayBegin(connection)) return { state, facts: [] };
  const { limits, random } = core.context;
  const wait = shortened(seconds * 1_000 * SHARE_OF_LIFETIME, random.jitter);
  // Who says it anew on each IKE SA would have us do nothing else.
  const demandedAt = Math.max(at + wait, state.authenticatedAt + limits.authenticationLeastMs);
  return {
    state: { ...state, demandedAt },
    facts: [{ kind: 'reauthenticationDemanded', connection: connection.config.name, seconds }],
  };
}

/** Whether a Notify is understood here; one to somebody who cannot begin means nothing. */
export function isAuthenticationLifetime(connection: Connection, notify: NotifyPayload): boolean {
  return mayBegin(connection) && secondsOf(notify) !== undefined;
}

/** When an IKE SA is to be replaced by one with new proofs, by our own configuration or for the peer's sake. */
export function reauthenticationAt({ reauthenticateAt, demandedAt }: Established): Instant | undefined {
  if (reauthenticateAt === undefined || demandedAt === undefined) return reauthenticateAt ?? demandedAt;
  return Math.min(reauthenticateAt, demandedAt);
}

/** A peer that may be anywhere has to begin by itself. */
function mayBegin({ config }: Connection): boolean {
  return config.remoteAddress !== 'any';
}

function secondsOf(notify: NotifyPayload): number | undefined {
  if (notify.notifyType !== NotifyType.AUTH_LIFETIME) return undefined;
  const data = decodeNotifyData(notify);
  return data.ok && data.value.kind === 'authLifetime' ? data.value.seconds : undefined;
}

/** What is left is for an attempt that gets lost and for a peer that is asked first to begin (`invite`). */
const SHARE_OF_LIFETIME = 0.9;

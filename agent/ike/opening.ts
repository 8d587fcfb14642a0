import type { Result } from '../result.ts';
import type { Malformed } from '../wire/malformed.ts';
import { decodePayloads, type Message } from '../wire/message.ts';
import type { Payload } from '../wire/payloads/payload.ts';
import { openProtected } from '../wire/sk.ts';
import { closeIkeSa } from './closing.ts';
import type { Core } from './core.ts';
import { responderKeys } from './exchange/ike-sa-init-responder.ts';
import { type Secured, securedBy } from './protected-message.ts';
import { enqueue } from './requests.ts';
import type { IkeSa } from './state.ts';
import type { Instant, Path } from './types.ts';

/** A datagram for an IKE SA, taken apart as far as is possible without keys. */
export interface Received {
  readonly message: Message;
  readonly bytes: Uint8Array;
  readonly path: Path;
}

/** Checks the ICV and takes the payloads apart; undefined where nothing may be believed, which has been reported. */
export function open(
  core: Core,
  at: Instant,
  sa: IkeSa,
  { message, bytes, path }: Received,
): Result<readonly Payload[], Malformed> | undefined {
  if (message.protected?.kind !== 'sk') {
    core.drop(path, 'unauthenticatedNotify', 'a message without protection for an IKE SA that has keys');
    suspectPeer(core, at, sa);
    return undefined;
  }
  const secured = securedBy(sa.state) ?? deriveKeys(core, at, sa, path);
  if (secured === undefined) return undefined;
  const direction = secured.keys.direction(sa.role === 'initiator' ? 'responder' : 'initiator');
  const chain = openProtected(bytes, message.protected, secured.cryptography.protection, direction);
  if (chain.ok) return decodePayloads(chain.value.first, chain.value.bytes);
  if (chain.error.kind === 'malformed') return { ok: false, error: chain.error };
  core.drop(path, 'integrity', 'the integrity check failed');
  noteIntegrityFailure(core, at, sa);
  return undefined;
}

/** A responder computes its keys when the first message that is protected by them arrives. */
function deriveKeys(core: Core, at: Instant, sa: IkeSa, path: Path): Secured | undefined {
  const { state } = sa;
  if (state.kind !== 'initAnswered') return undefined;
  const keys = responderKeys(sa, state);
  if (keys === undefined) {
    core.drop(path, 'malformed', 'the public value of the peer is invalid');
    closeIkeSa(core, at, sa, 'negotiationFailed');
    return undefined;
  }
  sa.state = { ...state, keys };
  return { keys, cryptography: state.handshake.cryptography };
}

/** A message without proof may say that the peer has forgotten us: it is asked, if it has been silent for a while. */
function suspectPeer(core: Core, at: Instant, sa: IkeSa): void {
  const silent = at - sa.lastHeardAt >= core.context.limits.retransmitFirstMs;
  if (silent && sa.queue.length === 0 && sa.window.pending === undefined) enqueue(core, at, sa, { kind: 'liveness' });
}

/** An IKE SA that nobody has authenticated to is not worth endless decryption. */
function noteIntegrityFailure(core: Core, at: Instant, sa: IkeSa): void {
  if (sa.state.kind !== 'initAnswered') return;
  const integrityFailures = sa.state.integrityFailures + 1;
  sa.state = { ...sa.state, integrityFailures };
  if (integrityFailures >= core.context.limits.integrityFailuresHalfOpen) closeIkeSa(core, at, sa, 'negotiationFailed');
}

/**
 * Only what is authenticated proves life and moves the path, and the path only of a peer behind a NAT (RFC 7296 §2.23).
 */
export function noteProofOfLife(sa: IkeSa, at: Instant, path: Path): void {
  sa.lastHeardAt = at;
  const moved = sa.path.remotePort !== path.remotePort || sa.path.remoteAddress !== path.remoteAddress;
  const floated = sa.state.kind === 'initAnswered' && sa.path.localPort !== path.localPort;
  const { localPort, remotePort } = path;
  if (sa.nat.remote && (moved || floated)) sa.path = path;
  else if (floated) sa.path = { ...sa.path, localPort, remotePort };
}

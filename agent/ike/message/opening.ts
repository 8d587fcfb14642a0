import type { Result } from '../../result.ts';
import type { Malformed } from '../../wire/malformed.ts';
import { decodePayloads, type Message, type PayloadChain } from '../../wire/message.ts';
import type { ProtectedPayload, SkfPayload } from '../../wire/payloads/encrypted.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType } from '../../wire/registry.ts';
import { openProtected } from '../../wire/sk.ts';
import { closeIkeSa } from '../closing.ts';
import { onDisowned } from '../connection/settle.ts';
import type { Core } from '../core.ts';
import { responderKeys } from '../exchange/ike-sa-init-responder.ts';
import type { IkeSa } from '../state.ts';
import type { Instant, Path } from '../types.ts';
import { smallestDatagramBytes } from './datagram-size.ts';
import { forgetReassembly, takeFragment, uselessness } from './fragment.ts';
import { type Secured, securedBy } from './protected-message.ts';
import { enqueue } from './requests.ts';
import { requestTag } from './window.ts';

/** A datagram for an IKE SA, taken apart as far as is possible without keys. */
export interface Received {
  readonly message: Message;
  readonly bytes: Uint8Array;
  readonly path: Path;
}

/** A message that the peer has certainly sent. */
interface Opened {
  readonly payloads: Result<readonly Payload[], Malformed>;
  /** By the end of which the message is known again; see `requestTag`. */
  readonly datagram: Uint8Array;
  /** Where it has come from. */
  readonly origin: Path;
}

/**
 * Checks the ICV and takes the payloads apart; undefined where nothing may be believed, which has been reported, and
 * where a message in fragments is not complete yet.
 */
export function open(core: Core, at: Instant, sa: IkeSa, received: Received): Opened | undefined {
  const { message, bytes, path } = received;
  const frame = message.protected;
  if (frame === undefined) {
    core.drop(path, 'unauthenticatedNotify', 'a message without protection for an IKE SA that has keys');
    if (message.payloads.some(saysUnknown)) onDisowned(core, at, sa);
    suspectPeer(core, at, sa);
    return undefined;
  }
  if (frame.kind === 'skf') return openFragment(core, at, sa, received, frame);
  const chain = decrypted(core, at, sa, received, frame);
  if (chain === undefined) return undefined;
  forgetReassembly(sa, message.header.flags.response);
  const payloads = chain.ok ? decodePayloads(chain.value.first, chain.value.bytes) : chain;
  return { payloads, datagram: bytes, origin: path };
}

/** Decrypts a fragment before it is kept: only the peer can make us keep anything (RFC 7383 §2.6). */
function openFragment(core: Core, at: Instant, sa: IkeSa, received: Received, frame: SkfPayload): Opened | undefined {
  const { message, bytes, path } = received;
  const { messageId, flags } = message.header;
  const { response } = flags;
  if (sa.fragmentation === 'none') {
    core.drop(path, 'unexpectedFragment', 'a fragment of a peer with which fragmentation was not agreed on');
    return undefined;
  }
  const { fragmentNumber: number, totalFragments: total } = frame;
  const useless = uselessness(sa, response, messageId, frame);
  if (useless !== undefined) {
    core.drop(path, useless, `fragment ${number} of ${total} of message ${messageId}`);
    return undefined;
  }
  const content = decrypted(core, at, sa, received, frame);
  if (content === undefined) return undefined;
  if (!content.ok) return { payloads: content, datagram: bytes, origin: path };
  // Whoever sends small ones though there is more may have seen that larger ones do not arrive.
  if (number < total && bytes.length <= smallestDatagramBytes(sa, core.context.limits)) sa.fragmentation = 'smallest';
  const fragment = { response, messageId, number, total, content: content.value, tag: requestTag(bytes), path };
  const whole = takeFragment(core, at, sa, fragment);
  if (whole === undefined) return undefined;
  const { chain, tag, origin } = whole;
  return { payloads: decodePayloads(chain.first, chain.bytes), datagram: tag, origin };
}

/**
 * Whether a fragment is one of the peer's, though its message has been answered already: sent again in other pieces than
 * before it is still the same message.
 */
export function isAuthentic(core: Core, at: Instant, sa: IkeSa, received: Received, frame: SkfPayload): boolean {
  return sa.fragmentation !== 'none' && decrypted(core, at, sa, received, frame)?.ok === true;
}

/** What a peer has protected; undefined where it is not the peer's, which is reported. */
function decrypted(
  core: Core,
  at: Instant,
  sa: IkeSa,
  { bytes, path }: Received,
  frame: ProtectedPayload,
): Result<PayloadChain, Malformed> | undefined {
  const secured = securedBy(sa.state) ?? deriveKeys(core, at, sa, path);
  if (secured === undefined) return undefined;
  const direction = secured.keys.direction(sa.role === 'initiator' ? 'responder' : 'initiator');
  const chain = openProtected(bytes, frame, secured.cryptography.protection, direction);
  if (chain.ok) return chain;
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

function saysUnknown(payload: Payload): boolean {
  return payload.kind === 'notify' && payload.notifyType === NotifyType.INVALID_IKE_SPI;
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

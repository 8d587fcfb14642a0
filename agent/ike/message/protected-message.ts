import type { IkeKeys } from '../../crypto/keymat.ts';
import type { Random } from '../../crypto/types.ts';
import type { HeaderFields } from '../../wire/header.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { encodeFragments, encodeProtected, type IvSource } from '../../wire/sk.ts';
import { setUint32 } from '../../wire/uint32.ts';
import type { Core } from '../core.ts';
import type { IkeCryptography } from '../negotiation/suite.ts';
import type { HandledRequest } from '../outcome.ts';
import { postponeKeepalive } from '../path/keepalive.ts';
import type { PathMtuSearch } from '../path/path-mtu-search.ts';
import type { IkeSa, IkeSaState } from '../state.ts';
import type { Instant } from '../types.ts';
import { datagramBytes, smallestDatagramBytes } from './datagram-size.ts';
import { type PendingRequest, requestTag } from './window.ts';

/** What protects the messages of an IKE SA. */
export interface Secured {
  readonly keys: IkeKeys;
  readonly cryptography: IkeCryptography;
}

/** Keys and algorithms of a state that has them. */
export function securedBy(state: IkeSaState): Secured | undefined {
  switch (state.kind) {
    case 'established':
    case 'rekeyed':
    case 'deleting':
      return { keys: state.keys, cryptography: state.cryptography };
    case 'authRequested':
    case 'verifying':
      return { keys: state.keys, cryptography: state.handshake.cryptography };
    case 'initAnswered':
      return state.keys && { keys: state.keys, cryptography: state.handshake.cryptography };
    case 'initRequested':
    case 'closed':
      return undefined;
  }
}

/** Makes the response to a request, which is kept for its repetitions; sending it is left to the caller. */
export function storeResponse(
  core: Core,
  sa: IkeSa,
  secured: Secured,
  request: HandledRequest,
  payloads: readonly Payload[],
): readonly Uint8Array[] {
  const { exchangeType, messageId, datagram } = request;
  const response = protectedMessage(core, sa, secured, { exchangeType, messageId, response: true, payloads });
  sa.window.store(messageId, requestTag(datagram), response);
  return response;
}

/** A request of ours, and how long it is repeated. */
interface OwnRequest {
  readonly exchangeType: number;
  readonly payloads: readonly Payload[];
  readonly timeoutMs: number;
}

/** Sends a request under the next message ID. No other may be open. */
export function sendRequest(core: Core, at: Instant, sa: IkeSa, secured: Secured, request: OwnRequest): void {
  const { limits, random } = core.context;
  const { exchangeType, payloads, timeoutMs } = request;
  const messageId = sa.window.nextRequestId;
  const datagrams = protectedMessage(core, sa, secured, { exchangeType, messageId, response: false, payloads });
  sa.window.open(at, { exchangeType, payloads, datagrams }, timeoutMs, limits, random.jitter);
  core.transmit(sa.path, datagrams);
  postponeKeepalive(core, at, sa);
  core.touch(sa);
}

/** A request that is as long as there is room, whatever it is filled with. */
interface Probe extends Omit<OwnRequest, 'payloads'> {
  readonly payloads: (padding: number) => readonly Payload[];
  /** For the message. */
  readonly room: number;
  readonly search: PathMtuSearch;
}

/** Sends a request in one packet that nobody may cut up. No other may be open. */
export function sendProbe(core: Core, at: Instant, sa: IkeSa, secured: Secured, probe: Probe): void {
  const { limits, random } = core.context;
  const { exchangeType, room, search, timeoutMs } = probe;
  const messageId = sa.window.nextRequestId;
  const encoded = (payloads: readonly Payload[]): Uint8Array =>
    encodeProtected(protectedPayloads(core, sa, secured, { exchangeType, messageId, response: false, payloads }));
  // Padding of block ciphers: what is added to an empty one may bring it beyond the room.
  const empty = encoded(probe.payloads(0)).length;
  let payloads = probe.payloads(Math.max(0, room - empty));
  let datagram = encoded(payloads);
  if (datagram.length > room) {
    payloads = probe.payloads(Math.max(0, 2 * room - empty - datagram.length));
    datagram = encoded(payloads);
  }
  const datagrams = [datagram];
  sa.window.open(at, { exchangeType, payloads, datagrams, probe: search }, timeoutMs, limits, random.jitter);
  core.transmit(sa.path, datagrams, true);
  postponeKeepalive(core, at, sa);
  core.touch(sa);
}

/**
 * What an unanswered request is repeated as: its datagrams, and when these seem not to arrive, every other time smaller
 * ones under the same message ID (RFC 7383 §2.5). Not every time: a peer that has had it in one form, and whose answer
 * was lost, may know it again in that form only.
 */
export function repetition(core: Core, sa: IkeSa, pending: PendingRequest): readonly Uint8Array[] {
  const repeatsBeforeSmallest = pending.probe === undefined ? core.context.limits.repeatsBeforeSmallest : 1;
  if (sa.fragmentation === 'none' || pending.attempt < repeatsBeforeSmallest) return pending.datagrams;
  if ((pending.attempt - repeatsBeforeSmallest) % 2 === 1) return pending.datagrams;
  if (pending.smaller !== undefined) return pending.smaller;
  const secured = securedBy(sa.state);
  // That a probe does not arrive says nothing of what is sent otherwise.
  if (pending.probe === undefined) sa.fragmentation = 'smallest';
  const most = smallestDatagramBytes(sa, core.context.limits);
  if (secured === undefined || pending.datagrams.every(({ length }) => length <= most)) return pending.datagrams;
  const smaller = protectedMessage(core, sa, secured, { ...pending, response: false }, most);
  sa.window.shrink(smaller);
  return smaller;
}

interface OwnMessage {
  readonly exchangeType: number;
  readonly messageId: number;
  readonly response: boolean;
  readonly payloads: readonly Payload[];
}

/** Encodes and protects one message of an IKE SA, as the datagrams to send and to repeat. */
function protectedMessage(
  core: Core,
  sa: IkeSa,
  secured: Secured,
  message: OwnMessage,
  most = datagramBytes(sa, core.context.limits),
): readonly Uint8Array[] {
  const content = protectedPayloads(core, sa, secured, message);
  if (sa.fragmentation === 'none') return [encodeProtected(content)];
  return encodeFragments(content, most);
}

function protectedPayloads(core: Core, sa: IkeSa, secured: Secured, message: OwnMessage) {
  const { exchangeType, messageId, response, payloads } = message;
  const { keys, cryptography } = secured;
  const initiator = sa.role === 'initiator';
  const header: HeaderFields = {
    initiatorSpi: initiator ? sa.localSpi : sa.remoteSpi,
    responderSpi: initiator ? sa.remoteSpi : sa.localSpi,
    exchangeType,
    flags: { initiator, response },
    messageId,
  };
  const { protection } = cryptography;
  const iv = protection.unpredictableIv ? core.context.random.nonces : new CountingIv(sa, core.context.random.nonces);
  return { header, payloads, protection, keys: keys.direction(sa.role), iv };
}

/** Never the same twice under one key (RFC 5282 §3.1); the counter lives in the IKE SA and ends with its keys. */
class CountingIv implements IvSource {
  readonly #sa: IkeSa;
  readonly #random: Random;

  constructor(sa: IkeSa, random: Random) {
    this.#sa = sa;
    this.#random = random;
  }

  fill(target: Uint8Array): void {
    if (target.length !== COUNTER_BYTES) {
      this.#random.fill(target);
      return;
    }
    setUint32(target, 0, Math.floor(this.#sa.nextIv / 0x1_0000_0000));
    setUint32(target, 4, this.#sa.nextIv >>> 0);
    this.#sa.nextIv += 1;
  }
}

const COUNTER_BYTES = 8;

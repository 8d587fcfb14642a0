import { IkeKeys } from '../../crypto/keymat.ts';
import type { IkeSaInitRequest } from '../../wire/grammar.ts';
import { type IkeSpi, spiBytes, ZERO_SPI } from '../../wire/header.ts';
import { encodeMessage, messageBytes } from '../../wire/message.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import type { Proposal, Transform } from '../../wire/payloads/sa.ts';
import { NotifyType } from '../../wire/registry.ts';
import { type Connection, natTraversalOf } from '../connection/connection.ts';
import { type Core, NONCE_BYTES } from '../core.ts';
import { hasNotify, notify } from '../message/notify.ts';
import { isAgent, VENDOR_ID } from '../message/vendor-id.ts';
import { identityText } from '../negotiation/identity.ts';
import { choose, chosenSuite } from '../negotiation/proposal.ts';
import { algorithmText, type IkeCryptography, ikeCryptography } from '../negotiation/suite.ts';
import type { NatSituation } from '../path/natd.ts';
import type { IkeSa, InitAnswered } from '../state.ts';
import type { Instant, Path } from '../types.ts';
import { certificateRequest, peerHashes, signatureHashes } from './certificate-payloads.ts';
import { initHeader } from './ike-sa-init.ts';
import { natNotifies, readNat } from './nat-payloads.ts';

/** A responder's answer to IKE_SA_INIT: either an IKE SA that waits for IKE_AUTH, or an error that leaves no state. */
export type InitAnswer =
  | {
      readonly kind: 'accepted';
      readonly state: InitAnswered;
      readonly nat: NatSituation;
      /** Both sides take messages in fragments (RFC 7383 §2.3). */
      readonly fragmentation: boolean;
      readonly response: Uint8Array;
    }
  /** The answer would be longer than it may be. */
  | { readonly kind: 'tooLong' }
  | { readonly kind: 'error'; readonly notify: NotifyPayload; readonly text: string };

/** An IKE_SA_INIT request, as it is on the wire and taken apart. */
interface ReceivedInitRequest {
  readonly initiatorSpi: IkeSpi;
  readonly request: IkeSaInitRequest;
  readonly bytes: Uint8Array;
  readonly path: Path;
}

/**
 * Answers a stranger's IKE_SA_INIT request, with at most `mostBytes`: whoever has not proved its address gets no more
 * than came from there.
 */
export function answerInit(
  core: Core,
  at: Instant,
  candidates: readonly Connection[],
  localSpi: IkeSpi,
  received: ReceivedInitRequest,
  mostBytes: number | undefined,
): InitAnswer {
  const { initiatorSpi, request, bytes, path } = received;
  const { random, limits } = core.context;
  const picked = pickSuite(core, candidates, request);
  if (picked === undefined) {
    const offered = offerText(request.sa.proposals);
    const text = `no common algorithms with ${peersText(candidates)} at ${path.remoteAddress}: it offers ${offered}`;
    return { kind: 'error', notify: notify(NotifyType.NO_PROPOSAL_CHOSEN), text };
  }
  const { cryptography, connection } = picked;
  const group = cryptography.suite.keyExchange;
  if (request.ke.group !== group) {
    const data = new Uint8Array([group >> 8, group & 0xff]);
    const text = `${path.remoteAddress} guessed key-exchange group ${request.ke.group}; asking for ${group}`;
    return { kind: 'error', notify: notify(NotifyType.INVALID_KE_PAYLOAD, data), text };
  }
  // Whether the value is in range is seen when it is used; its length says at once, and before any state exists.
  if (request.ke.data.length !== cryptography.keyExchange.publicValueBytes) {
    const text = `${path.remoteAddress} sent ${request.ke.data.length} bytes as a public value of group ${group}`;
    return { kind: 'error', notify: notify(NotifyType.INVALID_SYNTAX), text };
  }
  const hashes = peerHashes(request.notifies);
  const configs = picked.candidates.map(({ config }) => config);
  const fragmentation = hasNotify(request.notifies, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED);
  const sa: Payload = { kind: 'sa', proposals: [picked.answer] };
  const others: Payload[] = [];
  others.push(...natNotifies(core, natTraversalOf(connection), { initiatorSpi, responderSpi: localSpi }, path));
  others.push(...certificateRequest(configs));
  // Whoever does not say what it accepts would not understand what we do (RFC 7427 §4).
  if (hashes !== undefined) others.push(...signatureHashes(configs));
  if (fragmentation) others.push(FRAGMENTATION);
  others.push(VENDOR_ID);
  // Our public value will be as long as the peer's is.
  const needed = messageBytes([sa, request.ke, ANY_NONCE, ...others]);
  const left = mostBytes === undefined ? CHILDLESS_BYTES : mostBytes - needed;
  if (left < 0) return { kind: 'tooLong' };
  // Left out where it alone would make the answer too long: no initiator depends on it.
  if (left >= CHILDLESS_BYTES) others.push(CHILDLESS);
  const ephemeral = cryptography.keyExchange.generate(random.keys);
  const nonce = core.drawNonce();
  const response = encodeMessage(initHeader(initiatorSpi, localSpi, false), [
    sa,
    { kind: 'ke', group, data: ephemeral.publicValue },
    { kind: 'nonce', data: nonce },
    ...others,
  ]);
  const state: InitAnswered = {
    kind: 'initAnswered',
    handshake: {
      cryptography,
      request: bytes,
      response,
      initiatorNonce: request.nonce.data,
      responderNonce: nonce,
      peerIsAgent: isAgent(request.vendorIds),
      peerHashes: hashes,
      childless: false,
      requestedAuthorities: [],
    },
    ephemeral,
    peerPublicValue: request.ke.data,
    candidates: picked.candidates,
    keys: undefined,
    integrityFailures: 0,
    expiresAt: at + limits.halfOpenTimeoutMs,
  };
  // The request was made before our SPI was known: its hashes have zero in its place (RFC 7296 §2.23).
  const spis = { initiatorSpi, responderSpi: ZERO_SPI };
  const nat = readNat(core, natTraversalOf(connection), spis, path, request.notifies);
  return { kind: 'accepted', state, nat, fragmentation, response };
}

/**
 * Derives the keys of a responder, put off until the initiator has shown by a protected message that it is more than a
 * spoofed datagram. Undefined where its public value is invalid.
 */
export function responderKeys(sa: IkeSa, state: InitAnswered): IkeKeys | undefined {
  const derived = state.ephemeral.derive(state.peerPublicValue);
  if (!derived.ok) return undefined;
  const keys = IkeKeys.initial(state.handshake.cryptography, derived.value, {
    initiatorNonce: state.handshake.initiatorNonce,
    responderNonce: state.handshake.responderNonce,
    initiatorSpi: spiBytes(sa.remoteSpi),
    responderSpi: spiBytes(sa.localSpi),
  });
  derived.value.wipe();
  state.ephemeral.wipe();
  return keys;
}

interface PickedSuite {
  readonly connection: Connection;
  readonly cryptography: IkeCryptography;
  readonly answer: NonNullable<ReturnType<typeof choose>>['answer'];
  /** All connections of this address that accept the same suite. */
  readonly candidates: readonly Connection[];
}

function pickSuite(core: Core, candidates: readonly Connection[], request: IkeSaInitRequest): PickedSuite | undefined {
  const { crypto, limits } = core.context;
  for (const connection of candidates) {
    const { proposals } = connection.config;
    const choice = choose('ike', request.sa.proposals, proposals, NO_SPI, true, limits);
    const cryptography = choice && ikeCryptography(crypto, choice.suite);
    if (choice === undefined || cryptography === undefined) continue;
    const agreeing = candidates.length === 1 ? candidates : agreeingWith(candidates, connection, choice.answer);
    return { connection, cryptography, answer: choice.answer, candidates: agreeing };
  }
  return undefined;
}

/** `first`, which has picked a proposal, and the others that would have picked it too. */
function agreeingWith(candidates: readonly Connection[], first: Connection, picked: Proposal): readonly Connection[] {
  const answer = [{ ...picked, number: 1 }];
  return candidates.filter(
    (other) =>
      other === first ||
      other.config.proposals.some((proposal) => chosenSuite('ike', answer, [proposal], true) !== undefined),
  );
}

function peersText(candidates: readonly Connection[]): string {
  return candidates
    .slice(0, 3)
    .map(({ config }) => `${config.name} (${identityText(config.remoteIdentity)})`)
    .join(' or ');
}

/** An offer in strongSwan's syntax; a log line must not grow with what a stranger sends. */
function offerText(proposals: readonly Proposal[]): string {
  const texts = proposals
    .slice(0, SHOWN_PROPOSALS)
    .map(({ transforms }) => transforms.slice(0, SHOWN_TRANSFORMS).map(transformText).join('-'));
  return proposals.length > SHOWN_PROPOSALS ? `${texts.join(', ')}, ...` : texts.join(', ');
}

function transformText({ type, id, attributes }: Transform): string {
  const [attribute] = attributes;
  const keyBits = attribute !== undefined && 'value' in attribute ? attribute.value : 0;
  return algorithmText({ type, id, keyBits });
}

/** In IKE_SA_INIT the SPI stands in the header. */
const NO_SPI = new Uint8Array(0);
const ANY_NONCE: Payload = { kind: 'nonce', data: new Uint8Array(NONCE_BYTES) };
const FRAGMENTATION = notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED);
/** IKE_AUTH may come without a Child SA (RFC 6023 §3). */
const CHILDLESS = notify(NotifyType.CHILDLESS_IKEV2_SUPPORTED);
/** Generic header, and the header of a Notify (RFC 7296 §3.10). */
const CHILDLESS_BYTES = 8;
const SHOWN_PROPOSALS = 4;
const SHOWN_TRANSFORMS = 16;

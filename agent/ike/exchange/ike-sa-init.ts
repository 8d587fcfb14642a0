import { IkeKeys } from '../../crypto/keymat.ts';
import { transformTypes } from '../../crypto/suites.ts';
import { err, ok, type Result } from '../../result.ts';
import type { IkeSaInitRequest, IkeSaInitResponse } from '../../wire/grammar.ts';
import { type HeaderFields, type IkeSpi, spiBytes, ZERO_SPI } from '../../wire/header.ts';
import { encodeMessage } from '../../wire/message.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import type { Connection } from '../connection.ts';
import type { Core } from '../core.ts';
import { identityText } from '../identity.ts';
import { type NatSituation, natDetection, natSituation } from '../natd.ts';
import { findNotify, notify } from '../notify.ts';
import type { Outcome, Refusal } from '../outcome.ts';
import { choose, chosenSuite, offer } from '../proposal.ts';
import type { Handshake, IkeSa, InitAnswered, InitRequested } from '../state.ts';
import { algorithmText, type IkeCryptography, ikeCryptography } from '../suite.ts';
import type { ConnectionConfig, Instant, Path } from '../types.ts';
import { authRequest } from './ike-auth.ts';

/**
 * IKE_SA_INIT (RFC 7296 §1.2): nothing in it is authenticated until AUTH covers it.
 *
 *     Initiator                         Responder
 *     HDR, SAi1, KEi, Ni  -->
 *                                  <--  HDR, SAr1, KEr, Nr
 */

/** The first request of an attempt; undefined where no proposal names a key exchange that the provider has. */
export function firstInitRequest(
  core: Core,
  connection: Connection,
  localSpi: IkeSpi,
  path: Path,
): InitRequested | undefined {
  const [group] = offeredGroups(core, connection.config);
  if (group === undefined) return undefined;
  return initRequest(core, connection, localSpi, path, {
    nonce: core.drawNonce(),
    group,
    cookie: undefined,
    retries: 0,
    previous: undefined,
  });
}

/** What is the same in every request of an attempt, and what the last answer asked for. */
interface InitParameters {
  readonly nonce: Uint8Array;
  readonly group: number;
  readonly cookie: Uint8Array | undefined;
  readonly retries: number;
  /** The request before; its key is used again where the group stays the same. */
  readonly previous: InitRequested | undefined;
}

function initRequest(
  core: Core,
  connection: Connection,
  localSpi: IkeSpi,
  path: Path,
  parameters: InitParameters,
): InitRequested | undefined {
  const { crypto, random } = core.context;
  const { nonce, group, cookie, retries, previous } = parameters;
  const ephemeral = previous?.group === group ? previous.ephemeral : crypto.keyExchange(group)?.generate(random.keys);
  if (ephemeral === undefined) return undefined;
  if (ephemeral !== previous?.ephemeral) previous?.ephemeral.wipe();
  const payloads: Payload[] = [
    { kind: 'sa', proposals: offer('ike', connection.config.proposals, new Uint8Array(0), true) },
    { kind: 'ke', group, data: ephemeral.publicValue },
    { kind: 'nonce', data: nonce },
    ...natNotifies(core, connection.config.natTraversal, localSpi, ZERO_SPI, path),
  ];
  // The cookie comes first (RFC 7296 §2.6), so that a responder under load need not read on.
  if (cookie !== undefined) payloads.unshift(notify(NotifyType.COOKIE, cookie));
  const request = encodeMessage(initHeader(localSpi, ZERO_SPI, true), payloads);
  return { kind: 'initRequested', nonce, ephemeral, group, cookie, retries, request, unprotectedError: undefined };
}

/** What the initiator makes of an answer to IKE_SA_INIT; nobody has authenticated it. */
export function onInitResponse(
  core: Core,
  sa: IkeSa,
  state: InitRequested,
  connection: Connection,
  responderSpi: IkeSpi,
  response: IkeSaInitResponse,
  bytes: Uint8Array,
  path: Path,
): Result<Outcome, Refusal> {
  switch (response.kind) {
    case 'cookie':
      if (state.cookie !== undefined && sameBytes(state.cookie, response.cookie)) return drop('a repeated COOKIE');
      return retry(core, sa, state, connection, { group: state.group, cookie: response.cookie });
    case 'invalidKe':
      if (!mayRetryWith(core, connection, state, response.group)) {
        return drop(`INVALID_KE_PAYLOAD asks for group ${response.group}, which we did not offer or just used`);
      }
      return retry(core, sa, state, connection, { group: response.group, cookie: state.cookie });
    case 'refused':
      return ok({ next: { ...state, unprotectedError: response.notify.notifyType } });
    case 'accepted':
      return accept(core, sa, state, connection, responderSpi, response, bytes, path);
  }
}

function mayRetryWith(core: Core, connection: Connection, state: InitRequested, group: number): boolean {
  return group !== state.group && offeredGroups(core, connection.config).includes(group);
}

/** Repeats the request with what the answer asked for; everything else stays (RFC 7296 §2.6, §2.7). */
function retry(
  core: Core,
  sa: IkeSa,
  state: InitRequested,
  connection: Connection,
  wanted: { readonly group: number; readonly cookie: Uint8Array | undefined },
): Result<Outcome, Refusal> {
  if (state.retries >= core.context.limits.initRetries) return drop('the peer keeps asking for another IKE_SA_INIT');
  const next = initRequest(core, connection, sa.localSpi, sa.path, {
    nonce: state.nonce,
    group: wanted.group,
    cookie: wanted.cookie,
    retries: state.retries + 1,
    previous: state,
  });
  return next === undefined ? drop(`group ${wanted.group} is not available`) : ok({ next });
}

function accept(
  core: Core,
  sa: IkeSa,
  state: InitRequested,
  connection: Connection,
  responderSpi: IkeSpi,
  response: Extract<IkeSaInitResponse, { kind: 'accepted' }>,
  bytes: Uint8Array,
  path: Path,
): Result<Outcome, Refusal> {
  if (responderSpi === ZERO_SPI) return drop('the responder chose no SPI');
  const chosen = chosenSuite('ike', response.sa.proposals, connection.config.proposals, true);
  if (chosen === undefined) return drop('the responder chose what we did not offer');
  if (response.ke.group !== state.group || chosen.suite.keyExchange !== state.group) {
    return drop(`the responder's public value is of group ${response.ke.group}, ours of ${state.group}`);
  }
  const cryptography = ikeCryptography(core.context.crypto, chosen.suite);
  if (cryptography === undefined) return drop('the chosen algorithms are not available');
  const derived = state.ephemeral.derive(response.ke.data);
  if (!derived.ok) return drop(`the responder's public value is invalid: ${derived.error.reason}`);
  const keys = IkeKeys.initial(cryptography, derived.value, {
    initiatorNonce: state.nonce,
    responderNonce: response.nonce.data,
    initiatorSpi: spiBytes(sa.localSpi),
    responderSpi: spiBytes(responderSpi),
  });
  derived.value.wipe();
  state.ephemeral.wipe();
  const handshake: Handshake = {
    cryptography,
    request: state.request,
    response: bytes.slice(),
    initiatorNonce: state.nonce,
    responderNonce: response.nonce.data,
  };
  const nat = readNat(core, connection.config.natTraversal, sa.localSpi, responderSpi, path, response.notifies);
  return ok({ ...authRequest(core, connection, handshake, keys, path), nat });
}

/** A responder's answer to IKE_SA_INIT: either an IKE SA that waits for IKE_AUTH, or an error that leaves no state. */
export type InitAnswer =
  | {
      readonly kind: 'accepted';
      readonly state: InitAnswered;
      readonly nat: NatSituation;
      readonly response: Uint8Array;
    }
  | { readonly kind: 'error'; readonly notify: NotifyPayload; readonly text: string };

/** Answers a stranger's IKE_SA_INIT request. */
export function answerInit(
  core: Core,
  at: Instant,
  candidates: readonly Connection[],
  localSpi: IkeSpi,
  initiatorSpi: IkeSpi,
  request: IkeSaInitRequest,
  bytes: Uint8Array,
  path: Path,
): InitAnswer {
  const { random, limits } = core.context;
  const picked = pickSuite(core, candidates, request);
  if (picked === undefined) {
    const offered = request.sa.proposals.map((proposal) => proposal.transforms.map(transformText).join('-')).join(', ');
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
  const ephemeral = cryptography.keyExchange.generate(random.keys);
  const nonce = core.drawNonce();
  const response = encodeMessage(initHeader(initiatorSpi, localSpi, false), [
    { kind: 'sa', proposals: [picked.answer] },
    { kind: 'ke', group, data: ephemeral.publicValue },
    { kind: 'nonce', data: nonce },
    ...natNotifies(core, connection.config.natTraversal, initiatorSpi, localSpi, path),
  ]);
  const state: InitAnswered = {
    kind: 'initAnswered',
    handshake: {
      cryptography,
      request: bytes.slice(),
      response,
      initiatorNonce: request.nonce.data,
      responderNonce: nonce,
    },
    ephemeral,
    peerPublicValue: request.ke.data,
    candidates: picked.candidates,
    keys: undefined,
    integrityFailures: 0,
    expiresAt: at + limits.halfOpenTimeoutMs,
  };
  // The request was made before our SPI was known: its hashes have zero in its place (RFC 7296 §2.23).
  const nat = readNat(core, connection.config.natTraversal, initiatorSpi, ZERO_SPI, path, request.notifies);
  return { kind: 'accepted', state, nat, response };
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

/** The header of an IKE_SA_INIT message. */
export function initHeader(initiatorSpi: IkeSpi, responderSpi: IkeSpi, fromInitiator: boolean): HeaderFields {
  return {
    initiatorSpi,
    responderSpi,
    exchangeType: ExchangeType.IKE_SA_INIT,
    flags: { initiator: fromInitiator, response: !fromInitiator },
    messageId: 0,
  };
}

/** What an unprotected error in IKE_SA_INIT means, in words for people. */
export function unprotectedErrorText(connection: Connection, notifyType: number): string {
  const peer = `${connection.config.name} (${connection.config.remoteAddress})`;
  if (notifyType === NotifyType.NO_PROPOSAL_CHOSEN) {
    const ours = connection.config.proposals
      .map((proposal) => proposal.algorithms.map(algorithmText).join('-'))
      .join(', ');
    return `${peer} accepts none of our IKE proposals (${ours}): give both sides one in common`;
  }
  return `${peer} refused IKE_SA_INIT with ${nameOf('notify', notifyType)}: see its log`;
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
    const choice = choose('ike', request.sa.proposals, proposals, new Uint8Array(0), true, limits);
    const cryptography = choice && ikeCryptography(crypto, choice.suite);
    if (choice === undefined || cryptography === undefined) continue;
    const answer = [{ ...choice.answer, number: 1 }];
    const agreeing = candidates.filter(({ config }) =>
      config.proposals.some((proposal) => chosenSuite('ike', answer, [proposal], true) !== undefined),
    );
    return { connection, cryptography, answer: choice.answer, candidates: agreeing };
  }
  return undefined;
}

/** Groups of all proposals that the provider has, in order of preference. */
function offeredGroups(core: Core, config: ConnectionConfig): readonly number[] {
  const groups = config.proposals.flatMap((proposal) =>
    proposal.algorithms
      .filter((algorithm) => algorithm.type === transformTypes.keyExchange)
      .map((algorithm) => algorithm.id),
  );
  return groups.filter((group) => core.context.crypto.keyExchange(group) !== undefined);
}

function natNotifies(
  core: Core,
  natTraversal: ConnectionConfig['natTraversal'],
  initiatorSpi: IkeSpi,
  responderSpi: IkeSpi,
  path: Path,
): readonly Payload[] {
  if (natTraversal === 'Never') return [];
  const { crypto, random } = core.context;
  const pretend = natTraversal === 'Always' ? random.nonces : undefined;
  const detection = natDetection(crypto, initiatorSpi, responderSpi, path, pretend);
  return [
    notify(NotifyType.NAT_DETECTION_SOURCE_IP, detection.source),
    notify(NotifyType.NAT_DETECTION_DESTINATION_IP, detection.destination),
  ];
}

/** Without NAT detection from the peer there is no NAT traversal; `Always` treats ourselves as behind a NAT. */
function readNat(
  core: Core,
  natTraversal: ConnectionConfig['natTraversal'],
  initiatorSpi: IkeSpi,
  responderSpi: IkeSpi,
  path: Path,
  notifies: readonly NotifyPayload[],
): NatSituation {
  const destination = findNotify(notifies, NotifyType.NAT_DETECTION_DESTINATION_IP);
  const sources = notifies.filter((each) => each.notifyType === NotifyType.NAT_DETECTION_SOURCE_IP);
  if (natTraversal === 'Never' || destination === undefined || sources.length === 0) return NO_NAT;
  const seen = natSituation(
    core.context.crypto,
    initiatorSpi,
    responderSpi,
    path,
    sources.map((source) => source.data),
    destination.data,
  );
  return natTraversal === 'Always' ? { local: true, remote: seen.remote } : seen;
}

function peersText(candidates: readonly Connection[]): string {
  return candidates
    .slice(0, 3)
    .map(({ config }) => `${config.name} (${identityText(config.remoteIdentity)})`)
    .join(' or ');
}

function transformText(transform: {
  readonly type: number;
  readonly id: number;
  readonly attributes: readonly object[];
}): string {
  const [attribute] = transform.attributes;
  const keyBits = attribute !== undefined && 'value' in attribute ? Number(attribute.value) : 0;
  return algorithmText({ type: transform.type, id: transform.id, keyBits });
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function drop(text: string): Result<Outcome, Refusal> {
  return err({ kind: 'drop', reason: 'unexpectedResponse', text });
}

const NO_NAT: NatSituation = { local: false, remote: false };

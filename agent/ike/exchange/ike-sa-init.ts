import { constantTimeEqual } from '../../crypto/constant-time.ts';
import { IkeKeys } from '../../crypto/keymat.ts';
import { err, ok, type Result } from '../../result.ts';
import type { IkeSaInitResponse } from '../../wire/grammar.ts';
import { type HeaderFields, type IkeSpi, spiBytes, ZERO_SPI } from '../../wire/header.ts';
import { MAX_NONCE_BYTES } from '../../wire/limits.ts';
import { encodeMessage } from '../../wire/message.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { ExchangeType, NotifyType } from '../../wire/registry.ts';
import { type Connection, natTraversalOf } from '../connection/connection.ts';
import { type Core, NONCE_BYTES } from '../core.ts';
import { hasNotify, notify } from '../message/notify.ts';
import { isAgent, VENDOR_ID } from '../message/vendor-id.ts';
import { chosenSuite, offer } from '../negotiation/proposal.ts';
import { algorithmText, ikeCryptography } from '../negotiation/suite.ts';
import type { Outcome, Refusal } from '../outcome.ts';
import type { Handshake, IkeSa, InitRequested } from '../state.ts';
import type { ConnectionConfig, Path } from '../types.ts';
import { certificateRequest, peerHashes, requestedAuthorities, signatureHashes } from './certificate-payloads.ts';
import { authRequest } from './ike-auth.ts';
import { groupsOf } from './key-exchange.ts';
import { natNotifies, readNat } from './nat-payloads.ts';

/**
 * IKE_SA_INIT (RFC 7296 §1.2): nothing in it is authenticated until AUTH covers it.
 *
 *     Initiator                         Responder
 *     HDR, SAi1, KEi, Ni  -->
 *                                  <--  HDR, SAr1, KEr, Nr, [CERTREQ]
 */

/** The first request of an attempt; undefined where no proposal names a key exchange that the provider has. */
export function firstInitRequest(
  core: Core,
  connection: Connection,
  localSpi: IkeSpi,
  path: Path,
): InitRequested | undefined {
  const [group] = groupsOf(core, connection.config.proposals);
  if (group === undefined) return undefined;
  return initRequest(core, connection, localSpi, path, {
    nonce: core.drawNonce(nonceBytes(connection.config)),
    group,
    cookie: undefined,
    retries: 0,
    previous: undefined,
  });
}

/**
 * Bytes of our nonce (RFC 7296 §2.10): more by what the responder's CERTREQ will add, if it trusts as many as we do, and
 * its CHILDLESS_IKEV2_SUPPORTED, so that its answer is not longer than the request. Else it would have to ask for a COOKIE first, lest it serve to flood
 * somebody whose address we had made up.
 */
function nonceBytes(config: ConnectionConfig): number {
  const [request] = certificateRequest([config]);
  const certreqBytes = request?.kind === 'certreq' ? CERTREQ_HEADER_BYTES + request.data.length : 0;
  const childlessBytes = config.childless === true ? NOTIFY_BYTES : 0;
  const wanted = NONCE_BYTES + certreqBytes + childlessBytes;
  // OpenIKED takes an odd number for a mistake, and answers NO_PROPOSAL_CHOSEN.
  return Math.min(MAX_NONCE_BYTES, wanted + (wanted % 2));
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
  const { config } = connection;
  const { proposals } = config;
  const spis = { initiatorSpi: localSpi, responderSpi: ZERO_SPI };
  const payloads: Payload[] = [];
  // The cookie comes first (RFC 7296 §2.6), so that a responder under load need not read on.
  if (cookie !== undefined) payloads.push(notify(NotifyType.COOKIE, cookie));
  payloads.push({ kind: 'sa', proposals: offer('ike', proposals, NO_SPI, true) });
  payloads.push({ kind: 'ke', group, data: ephemeral.publicValue });
  payloads.push({ kind: 'nonce', data: nonce });
  // What pretends a NAT is random, and a request with a COOKIE is otherwise that of before (RFC 7296 §2.6).
  const natDetection = previous?.natDetection ?? natNotifies(core, natTraversalOf(connection), spis, path);
  payloads.push(...natDetection);
  payloads.push(...signatureHashes([config]));
  payloads.push(notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED));
  payloads.push(VENDOR_ID);
  const request = encodeMessage(initHeader(localSpi, ZERO_SPI, true), payloads);
  const asked = { proposals, nonce, ephemeral, group, cookie, retries, natDetection, request };
  return { kind: 'initRequested', ...asked, unprotectedError: undefined };
}

/** An answer to IKE_SA_INIT, as it is on the wire and taken apart. */
interface ReceivedInitResponse {
  readonly responderSpi: IkeSpi;
  readonly response: IkeSaInitResponse;
  readonly bytes: Uint8Array;
  readonly path: Path;
}

/** What the initiator makes of an answer to IKE_SA_INIT; nobody has authenticated it. */
export function onInitResponse(
  core: Core,
  sa: IkeSa,
  state: InitRequested,
  connection: Connection,
  received: ReceivedInitResponse,
): Result<Outcome, Refusal> {
  const { response } = received;
  switch (response.kind) {
    case 'cookie':
      if (state.cookie !== undefined && constantTimeEqual(state.cookie, response.cookie))
        return drop('a repeated COOKIE');
      return retry(core, sa, state, connection, { group: state.group, cookie: response.cookie });
    case 'invalidKe':
      if (!mayRetryWith(core, connection, state, response.group)) {
        return drop(`INVALID_KE_PAYLOAD asks for group ${response.group}, which we did not offer or just used`);
      }
      return retry(core, sa, state, connection, { group: response.group, cookie: state.cookie });
    case 'refused':
      return ok({ next: { ...state, unprotectedError: response.notify.notifyType } });
    case 'accepted':
      return accept(core, sa, state, connection, { ...received, response });
  }
}

function mayRetryWith(core: Core, connection: Connection, state: InitRequested, group: number): boolean {
  return group !== state.group && groupsOf(core, connection.config.proposals).includes(group);
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
  received: ReceivedInitResponse & { readonly response: Extract<IkeSaInitResponse, { kind: 'accepted' }> },
): Result<Outcome, Refusal> {
  const { responderSpi, response, bytes, path } = received;
  if (responderSpi === ZERO_SPI) return drop('the responder chose no SPI');
  const chosen = chosenSuite('ike', response.sa.proposals, state.proposals, true);
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
    response: bytes,
    initiatorNonce: state.nonce,
    responderNonce: response.nonce.data,
    peerIsAgent: isAgent(response.vendorIds),
    peerHashes: peerHashes(response.notifies),
    childless: hasNotify(response.notifies, NotifyType.CHILDLESS_IKEV2_SUPPORTED),
    requestedAuthorities: requestedAuthorities(response.certRequests, core.context.limits),
  };
  const spis = { initiatorSpi: sa.localSpi, responderSpi };
  const nat = readNat(core, natTraversalOf(connection), spis, path, response.notifies);
  const fragmentation = hasNotify(response.notifies, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED);
  const requested = authRequest(core, connection, { handshake, keys }, { path, nat }, sa.replaces);
  if (requested.ok) return ok({ ...requested.value, nat, fragmentation });
  keys.wipe();
  return requested;
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

/** In IKE_SA_INIT the SPI stands in the header. */
const NO_SPI = new Uint8Array(0);
/** The generic header and Cert Encoding (RFC 7296 §3.7). */
const CERTREQ_HEADER_BYTES = 5;
/** A notify without data (RFC 7296 §3.10). */
const NOTIFY_BYTES = 8;

function drop(text: string): Result<Outcome, Refusal> {
  return err({ kind: 'drop', reason: 'unexpectedResponse', text });
}

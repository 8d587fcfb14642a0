import type { IkeKeys, IkeRole } from '../../crypto/keymat.ts';
import type { SecretBytes } from '../../crypto/secret.ts';
import { err, ok, type Result } from '../../result.ts';
import type { CreateChildSaRequest, RekeyIkeResponse } from '../../wire/grammar.ts';
import { type IkeSpi, spiBytes, spiFromBytes } from '../../wire/header.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { lowerOf } from '../negotiation/byte-order.ts';
import { choose, chosenSuite, offer } from '../negotiation/proposal.ts';
import { type IkeCryptography, ikeCryptography } from '../negotiation/suite.ts';
import type { AgreedIkeSa, NegotiationFailure, Outcome, Refusal } from '../outcome.ts';
import { decide, react } from '../rekey/collision.ts';
import { timeToRetry } from '../rekey/rekey-time.ts';
import { ownOperation } from '../rekey/under-way.ts';
import type { AskedIkeSa, Established, IkeSa } from '../state.ts';
import type { Instant } from '../types.ts';
import { answerKeyExchange, groupsOf, ownKey } from './key-exchange.ts';

/**
 * CREATE_CHILD_SA for an IKE SA that takes the place of this one (RFC 7296 §1.3.2, §2.18): new keys, new SPIs, message
 * IDs from 0, and whoever asks is the initiator of the new one. Nobody proves anew who he is.
 *
 *     HDR, SK {SA, Ni, KEi}  -->
 *                       <--  HDR, SK {SA, Nr, KEr}
 */

/** Asks for it; `group` is what the peer wants in place of our first guess. Undefined where there is no group at all. */
export function rekeyIkeRequest(
  core: Core,
  connection: Connection,
  state: Established,
  group: number | undefined,
): { readonly asked: AskedIkeSa; readonly payloads: readonly Payload[] } | undefined {
  const { proposals } = connection.config;
  const groups = groupsOf(core, proposals);
  const likely = groups.find((each) => each === state.cryptography.suite.keyExchange) ?? groups[0];
  const key = ownKey(core, group ?? likely);
  if (key === undefined) return undefined;
  const localSpi = core.drawIkeSpi();
  const nonce = core.drawNonce();
  const payloads: Payload[] = [
    { kind: 'sa', proposals: offer('ike', proposals, spiBytes(localSpi), true) },
    { kind: 'nonce', data: nonce },
    { kind: 'ke', group: key.group, data: key.ephemeral.publicValue },
  ];
  const retried = group !== undefined;
  return { asked: { kind: 'rekeyIkeSa', proposals, localSpi, nonce, key, retried, rival: undefined }, payloads };
}

/** Answers the peer's request; what is refused leaves the IKE SA as it is. */
export function onRekeyIkeRequest(
  core: Core,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  request: Extract<CreateChildSaRequest, { kind: 'rekeyIke' }>,
): Result<Outcome, Refusal> {
  const own = ownOperation(sa, state);
  const decision = decide('rekeyIkeSa', own, 'other');
  const { name } = connection.config;
  const facts: Fact[] =
    own === 'none' ? [] : [{ kind: 'collision', connection: name, child: '', request: 'rekeyIkeSa', own, decision }];
  const hasRival = state.asked?.kind === 'rekeyIkeSa' && state.asked.rival !== undefined;
  if (hasRival || hasTooMany(core, connection)) {
    return ok({ next: state, reply: [notify(NotifyType.TEMPORARY_FAILURE)], facts });
  }
  const localSpi = core.drawIkeSpi();
  const { proposals } = connection.config;
  const choice = choose('ike', request.sa.proposals, proposals, spiBytes(localSpi), true, core.context.limits);
  const cryptography = choice && ikeCryptography(core.context.crypto, choice.suite);
  const remoteSpi = choice && spiFromBytes(choice.peerSpi);
  if (choice === undefined || cryptography === undefined || remoteSpi === undefined) {
    const text = `${name} wants to rekey the IKE SA with algorithms that are not configured: give both sides a proposal in common`;
    const failure = { reason: 'noProposalChosen', by: 'us', text } as const;
    return ok({ next: state, reply: [notify(NotifyType.NO_PROPOSAL_CHOSEN)], failure, facts });
  }
  const shared = answerKeyExchange(core, choice.suite.keyExchange, request.ke);
  if (!shared.ok) return shared;
  const { ke, secret } = shared.value;
  const nonce = core.drawNonce();
  const agreed = agreement(state, 'responder', cryptography, secret, {
    localSpi,
    remoteSpi,
    initiatorNonce: request.nonce.data,
    responderNonce: nonce,
  });
  const reply: Payload[] = [{ kind: 'sa', proposals: [choice.answer] }, { kind: 'nonce', data: nonce }, ...ke];
  return ok({ next: state, reply, succession: { agreed, rival: undefined }, facts });
}

/** Each one that has been rekeyed waits for its Delete; a peer that sends none must not fill the memory. */
function hasTooMany(core: Core, connection: Connection): boolean {
  const waiting = connection.ikeSas.filter(({ state }) => state.kind === 'rekeyed').length;
  return waiting >= core.context.limits.rekeyedIkeSas;
}

/** What the side that asked makes of the answer. */
export function onRekeyIkeResponse(
  core: Core,
  at: Instant,
  state: Established,
  connection: Connection,
  asked: AskedIkeSa,
  response: RekeyIkeResponse,
): Result<Outcome, Refusal> {
  const next: Established = { ...state, asked: undefined };
  switch (response.kind) {
    case 'invalidKe':
      return onOtherGroup(core, at, next, connection, asked, response.group);
    case 'refused':
      asked.key.ephemeral.wipe();
      return onRefused(core, at, next, connection, asked, response.notify.notifyType);
    case 'accepted': {
      const agreed = accept(core, state, asked, response);
      asked.key.ephemeral.wipe();
      if (agreed !== undefined) return ok({ next, succession: { agreed, rival: asked.rival } });
      const text = `${connection.config.name} chose for the rekey of the IKE SA what we did not offer: see its log`;
      const failure = { reason: 'peerViolation', by: 'us', text } as const;
      return err({ kind: 'fatal', notify: notify(NotifyType.INVALID_SYNTAX), close: 'protocolViolation', failure });
    }
  }
}

function accept(
  core: Core,
  state: Established,
  asked: AskedIkeSa,
  response: Extract<RekeyIkeResponse, { kind: 'accepted' }>,
): AgreedIkeSa | undefined {
  const { proposals, localSpi, nonce, key } = asked;
  const chosen = chosenSuite('ike', response.sa.proposals, proposals, true);
  const cryptography = chosen && ikeCryptography(core.context.crypto, chosen.suite);
  const remoteSpi = chosen && spiFromBytes(chosen.peerSpi);
  if (chosen === undefined || cryptography === undefined || remoteSpi === undefined) return undefined;
  if (response.ke.group !== key.group || chosen.suite.keyExchange !== key.group) return undefined;
  const derived = key.ephemeral.derive(response.ke.data);
  if (!derived.ok) return undefined;
  const nonces = { initiatorNonce: nonce, responderNonce: response.nonce.data };
  return agreement(state, 'initiator', cryptography, derived.value, { localSpi, remoteSpi, ...nonces });
}

interface AgreementInputs {
  readonly localSpi: IkeSpi;
  readonly remoteSpi: IkeSpi;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
}

/** The keys come from SK_d of the IKE SA that stands (RFC 7296 §2.18). */
function agreement(
  state: Established,
  role: IkeRole,
  cryptography: IkeCryptography,
  secret: SecretBytes | undefined,
  { localSpi, remoteSpi, initiatorNonce, responderNonce }: AgreementInputs,
): AgreedIkeSa {
  if (secret === undefined) throw new Error('an IKE suite has a key exchange');
  const [initiatorSpi, responderSpi] = role === 'initiator' ? [localSpi, remoteSpi] : [remoteSpi, localSpi];
  const keys: IkeKeys = state.keys.rekeyed(cryptography, secret, {
    initiatorNonce,
    responderNonce,
    initiatorSpi: spiBytes(initiatorSpi),
    responderSpi: spiBytes(responderSpi),
  });
  secret.wipe();
  return { role, localSpi, remoteSpi, keys, cryptography, lowestNonce: lowerOf(initiatorNonce, responderNonce) };
}

function onOtherGroup(
  core: Core,
  at: Instant,
  next: Established,
  connection: Connection,
  asked: AskedIkeSa,
  group: number,
): Result<Outcome, Refusal> {
  asked.key.ephemeral.wipe();
  if (asked.retried || asked.rival !== undefined || !groupsOf(core, connection.config.proposals).includes(group)) {
    return onRefused(core, at, next, connection, asked, NotifyType.INVALID_KE_PAYLOAD);
  }
  return ok({ next, enqueue: [{ kind: 'rekeyIkeSa', group }] });
}

function onRefused(
  core: Core,
  at: Instant,
  next: Established,
  connection: Connection,
  { rival }: AskedIkeSa,
  notifyType: number,
): Result<Outcome, Refusal> {
  const { name } = connection.config;
  switch (react('rekeyIkeSa', notifyType, rival !== undefined)) {
    case 'nothing':
      return ok({ next, succession: { agreed: undefined, rival } });
    case 'retryLater':
      return ok({
        next: { ...next, rekeyAt: timeToRetry(core, at) },
        facts: [{ kind: 'rekeyPostponed', connection: name, child: '' }],
      });
    default: {
      const text = `${name} answered the rekey of the IKE SA with ${nameOf('notify', notifyType)}: a new one is made`;
      const failure: NegotiationFailure = { reason: 'refusedByPeer', by: 'peer', text };
      const fact = { kind: 'rekeyFailed', connection: name, child: '', reason: failure.reason, by: 'peer' } as const;
      return ok({ next, failure, reauthenticate: true, facts: [fact] });
    }
  }
}

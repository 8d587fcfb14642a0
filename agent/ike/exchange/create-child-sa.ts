import type { IkeKeys } from '../../crypto/keymat.ts';
import type { SecretBytes } from '../../crypto/secret.ts';
import { transformTypes } from '../../crypto/suites.ts';
import { err, ok, type Result } from '../../result.ts';
import type { CreateChild, CreateChildResponse, CreateChildSaRequest } from '../../wire/grammar.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType } from '../../wire/registry.ts';
import type { ChildAgreement } from '../child-sa.ts';
import type { Connection } from '../connection.ts';
import type { Core } from '../core.ts';
import { notify } from '../notify.ts';
import type { NegotiationFailure, Outcome, Refusal } from '../outcome.ts';
import type { AskedChild, Established, IkeSa } from '../state.ts';
import { espKeyBytes } from '../suite.ts';
import type { ChildConfig, Path } from '../types.ts';
import { acceptChild, grantChild, offerChild } from './child-negotiation.ts';

/**
 * CREATE_CHILD_SA for a further Child SA (RFC 7296 §1.3.1), with a key exchange of its own where the ESP proposals have
 * one. Replacement is by a whole new IKE SA, so requests to rekey are refused, as RFC 7296 §4 allows.
 *
 *     HDR, SK {SA, Ni, [KEi,] TSi, TSr}  -->
 *                                   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
 */

/** Asks for a Child SA on an IKE SA that stands; `group` is what the peer wants in place of our first guess. */
export function createChildRequest(
  core: Core,
  config: ChildConfig,
  path: Path,
  group: number | undefined,
): { readonly asked: AskedChild; readonly payloads: readonly Payload[] } {
  const { crypto, random } = core.context;
  const wanted = group ?? firstGroup(core, config);
  const ephemeral = wanted === undefined ? undefined : crypto.keyExchange(wanted)?.generate(random.keys);
  const { offer, payloads } = offerChild(core, config, path, ephemeral !== undefined);
  const nonce = core.drawNonce();
  const inner: Payload[] = [...payloads, { kind: 'nonce', data: nonce }];
  if (ephemeral !== undefined && wanted !== undefined) {
    inner.push({ kind: 'ke', group: wanted, data: ephemeral.publicValue });
  }
  return {
    asked: { offer, nonce, ephemeral, group: wanted, retried: group !== undefined, deleted: [] },
    payloads: inner,
  };
}

/** Answers a request; what is refused leaves the IKE SA as it is. */
export function onCreateChildRequest(
  core: Core,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  request: CreateChildSaRequest,
): Result<Outcome, Refusal> {
  const full = state.children.length >= core.context.limits.childrenPerIkeSa;
  if (request.kind !== 'createChild' || full) {
    return answer(
      NotifyType.NO_ADDITIONAL_SAS,
      'replacement is by a new IKE SA, and the number of Child SAs is bounded',
    );
  }
  const granted = grantChild(core, connection, request, sa.path, request.ke !== undefined);
  if (!granted.ok) {
    const { notifyType, failure } = granted.error;
    return ok({ next: state, reply: [notify(notifyType)], failure });
  }
  const { agreement, payloads } = granted.value;
  // Both sides ask for the same Child SA at once: the original initiator's request goes through.
  if (sa.role === 'initiator' && state.asked?.offer.config.name === agreement.config.name) {
    core.espSpis.delete(agreement.inboundSpi);
    return answer(NotifyType.TEMPORARY_FAILURE, 'the same Child SA has been asked for from this side');
  }
  const shared = answerKeyExchange(core, agreement, request);
  if (!shared.ok) {
    core.espSpis.delete(agreement.inboundSpi);
    return shared;
  }
  const nonce = core.drawNonce();
  const { ke, secret } = shared.value;
  const keys = childKeys(state.keys, agreement, request.nonce.data, nonce, secret);
  secret?.wipe();
  const reply: Payload[] = [...payloads, { kind: 'nonce', data: nonce }, ...ke];
  return ok({
    next: state,
    reply,
    replyWithoutChild: [notify(NotifyType.TEMPORARY_FAILURE)],
    install: { agreement, keys },
  });
}

/** What the side that asked makes of the answer. */
export function onCreateChildResponse(
  core: Core,
  state: Established,
  connection: Connection,
  asked: AskedChild,
  response: CreateChildResponse,
): Result<Outcome, Refusal> {
  const { offer, ephemeral } = asked;
  const next: Established = { ...state, asked: undefined };
  switch (response.kind) {
    case 'invalidKe': {
      core.espSpis.delete(offer.inboundSpi);
      ephemeral?.wipe();
      const { group } = response;
      if (asked.retried || !groups(core, offer.config).includes(group)) {
        return ok({ next, failure: refusal(connection, offer.config, NotifyType.INVALID_KE_PAYLOAD) });
      }
      return ok({ next, enqueue: [{ kind: 'createChild', child: offer.config.name, group }] });
    }
    case 'refused': {
      core.espSpis.delete(offer.inboundSpi);
      ephemeral?.wipe();
      const { notifyType } = response.notify;
      return ok({
        next,
        failure: refusal(connection, offer.config, notifyType),
        replace: notifyType === NotifyType.NO_ADDITIONAL_SAS,
      });
    }
    case 'accepted': {
      const accepted = acceptChild(core, connection, offer, response, ephemeral !== undefined);
      const secret = accepted.ok ? sharedSecret(asked, accepted.value, response) : undefined;
      ephemeral?.wipe();
      if (!accepted.ok || (ephemeral !== undefined && secret === undefined)) {
        const text = `${connection.config.name} answered the key exchange of Child ${offer.config.name} with a value of another kind`;
        core.espSpis.delete(offer.inboundSpi);
        const failure = accepted.ok ? ({ reason: 'peerViolation', by: 'us', text } as const) : accepted.error;
        const { inboundSpi } = offer;
        return ok({ next, failure, enqueue: [{ kind: 'deleteChild', inboundSpi, reason: 'negotiationFailed' }] });
      }
      if (asked.deleted.includes(accepted.value.outboundSpi)) {
        secret?.wipe();
        core.espSpis.delete(offer.inboundSpi);
        const text = `${connection.config.name} granted Child ${offer.config.name} and deleted it at once: see its log`;
        return ok({ next, failure: { reason: 'refusedByPeer', by: 'peer', text } });
      }
      const keys = childKeys(state.keys, accepted.value, asked.nonce, response.nonce.data, secret);
      secret?.wipe();
      return ok({ next, install: { agreement: accepted.value, keys } });
    }
  }
}

/** Our half of the key exchange that the chosen algorithms ask for. */
function answerKeyExchange(
  core: Core,
  agreement: ChildAgreement,
  request: CreateChild,
): Result<{ readonly ke: readonly Payload[]; readonly secret: SecretBytes | undefined }, Refusal> {
  const group = agreement.suite.keyExchange;
  if (request.ke === undefined || group === 0) return ok({ ke: [], secret: undefined });
  const method = core.context.crypto.keyExchange(group);
  if (method === undefined) return answer(NotifyType.NO_PROPOSAL_CHOSEN, `group ${group} is not available`);
  if (request.ke.group !== group) {
    const data = new Uint8Array([group >> 8, group & 0xff]);
    return answer(NotifyType.INVALID_KE_PAYLOAD, `the chosen group is ${group}`, data);
  }
  const ephemeral = method.generate(core.context.random.keys);
  const derived = ephemeral.derive(request.ke.data);
  const data = ephemeral.publicValue;
  ephemeral.wipe();
  if (!derived.ok) return answer(NotifyType.INVALID_SYNTAX, 'the public value is invalid');
  return ok({ ke: [{ kind: 'ke', group, data }], secret: derived.value });
}

function sharedSecret(asked: AskedChild, agreement: ChildAgreement, response: CreateChild): SecretBytes | undefined {
  if (asked.ephemeral === undefined || response.ke === undefined) return undefined;
  if (response.ke.group !== asked.group || agreement.suite.keyExchange !== asked.group) return undefined;
  const derived = asked.ephemeral.derive(response.ke.data);
  return derived.ok ? derived.value : undefined;
}

function childKeys(
  keys: IkeKeys,
  agreement: ChildAgreement,
  initiatorNonce: Uint8Array,
  responderNonce: Uint8Array,
  secret: SecretBytes | undefined,
) {
  const { encryption, integrity } = espKeyBytes(agreement.suite);
  return keys.childKeys({
    initiatorNonce,
    responderNonce,
    sharedSecret: secret,
    encryptionKeyBytes: encryption,
    integrityKeyBytes: integrity,
  });
}

function groups(core: Core, config: ChildConfig): readonly number[] {
  return config.proposals
    .flatMap((proposal) => proposal.algorithms)
    .filter((algorithm) => algorithm.type === transformTypes.keyExchange)
    .map((algorithm) => algorithm.id)
    .filter((id) => core.context.crypto.keyExchange(id) !== undefined);
}

function firstGroup(core: Core, config: ChildConfig): number | undefined {
  return groups(core, config)[0];
}

function refusal(connection: Connection, config: ChildConfig, notifyType: number): NegotiationFailure {
  const reason =
    notifyType === NotifyType.TS_UNACCEPTABLE
      ? 'trafficSelectorsUnacceptable'
      : notifyType === NotifyType.NO_PROPOSAL_CHOSEN
        ? 'noProposalChosen'
        : 'refusedByPeer';
  const name = nameOf('notify', notifyType);
  const text = `${connection.config.name} answered Child ${config.name} with ${name}: compare selectors, mode and ESP proposals of both sides`;
  return { reason, by: 'peer', text };
}

function answer(notifyType: number, text: string, data?: Uint8Array): Result<never, Refusal> {
  return err({ kind: 'answer', notify: notify(notifyType, data), text });
}

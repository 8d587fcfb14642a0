import { err, ok, type Result } from '../../result.ts';
import type { CreateChildSaRequest } from '../../wire/grammar.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType, Protocol } from '../../wire/registry.ts';
import type { ChildAgreement, ChildSa } from '../child/child-sa.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { lowerOf } from '../negotiation/byte-order.ts';
import type { Outcome, Refusal } from '../outcome.ts';
import { type Decision, decide } from '../rekey/collision.ts';
import { ownOperation, targetOf } from '../rekey/under-way.ts';
import type { Established, IkeSa } from '../state.ts';
import { createdChildKeys, grantChild, spiFromProposal } from './child-negotiation.ts';
import { answerKeyExchange } from './key-exchange.ts';

type ChildRequest = Exclude<CreateChildSaRequest, { kind: 'rekeyIke' }>;

/** Answers a request; what is refused leaves the IKE SA as it is. */
export function onCreateChildRequest(
  core: Core,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  request: ChildRequest,
): Result<Outcome, Refusal> {
  return request.kind === 'rekeyChild'
    ? onRekeyRequest(core, sa, state, connection, request)
    : onFurtherRequest(core, sa, state, connection, request);
}

function onFurtherRequest(
  core: Core,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  request: ChildRequest,
): Result<Outcome, Refusal> {
  if (state.children.length >= core.context.limits.childrenPerIkeSa) {
    return answer(NotifyType.NO_ADDITIONAL_SAS, 'the number of Child SAs is bounded');
  }
  const granted = grantChild(core, connection, request, sa, { withKeyExchange: true, rekeyed: undefined });
  if (!granted.ok) {
    const { notifyType, failure } = granted.error;
    return ok({ next: state, reply: [notify(notifyType)], failure });
  }
  const { agreement, payloads } = granted.value;
  const { asked } = state;
  const same = asked?.kind === 'createChild' && asked.offer.config.name === agreement.config.name;
  const decision = decide('createChild', ownOperation(sa, state), same ? 'same' : 'other');
  if (decision === 'grantToInitiator' && sa.role === 'initiator') {
    core.espSpis.delete(agreement.inboundSpi);
    return answer(NotifyType.TEMPORARY_FAILURE, 'the same Child SA has been asked for from this side');
  }
  return grant(core, state, request, agreement, payloads, undefined);
}

function onRekeyRequest(
  core: Core,
  sa: IkeSa,
  state: Established,
  connection: Connection,
  request: Extract<ChildRequest, { kind: 'rekeyChild' }>,
): Result<Outcome, Refusal> {
  const { rekeyed } = request;
  const spi = rekeyed.protocol === Protocol.ESP ? spiFromProposal(rekeyed.spi) : undefined;
  const old = state.children.find((child) => child.outboundSpi === spi);
  const own = ownOperation(sa, state);
  const target = targetOf(sa, state, spi ?? 0);
  const decision = decide('rekeyChild', own, target);
  const facts: Fact[] = [];
  if (own !== 'none' && target !== 'other') {
    const child = old?.config.name ?? '';
    facts.push({ kind: 'collision', connection: connection.config.name, child, request: 'rekeyChild', own, decision });
  }
  if (decision === 'childSaNotFound' || decision === 'temporaryFailure' || old === undefined) {
    return ok({ next: state, reply: [refusalOf(decision, rekeyed)], facts });
  }
  if (state.children.length >= MOST_TIMES * core.context.limits.childrenPerIkeSa) {
    return answer(NotifyType.NO_ADDITIONAL_SAS, 'the number of Child SAs is bounded');
  }
  const granted = grantChild(core, connection, request, sa, { withKeyExchange: true, rekeyed: old });
  if (!granted.ok) {
    const { notifyType, failure } = granted.error;
    return ok({ next: state, reply: [notify(notifyType)], failure, facts });
  }
  const result = grant(core, state, request, granted.value.agreement, granted.value.payloads, old);
  return result.ok ? ok({ ...result.value, facts }) : result;
}

/** CHILD_SA_NOT_FOUND says which, by the words of the request (RFC 7296 §2.25.1, §3.10.1). */
function refusalOf(decision: Decision, { protocol, spi }: { readonly protocol: number; readonly spi: Uint8Array }) {
  if (decision === 'temporaryFailure') return notify(NotifyType.TEMPORARY_FAILURE);
  return { ...notify(NotifyType.CHILD_SA_NOT_FOUND), protocol, spi };
}

/** What has been agreed on gets its keys. */
function grant(
  core: Core,
  state: Established,
  request: ChildRequest,
  agreement: ChildAgreement,
  payloads: readonly Payload[],
  old: ChildSa | undefined,
): Result<Outcome, Refusal> {
  const shared = answerKeyExchange(core, agreement.suite.keyExchange, request.ke);
  if (!shared.ok) {
    core.espSpis.delete(agreement.inboundSpi);
    return shared;
  }
  const nonce = core.drawNonce();
  const { ke, secret } = shared.value;
  const keys = createdChildKeys(state.keys, agreement, request.nonce.data, nonce, secret);
  secret?.wipe();
  const rekeys = old && { inboundSpi: old.inboundSpi, lowestNonce: lowerOf(request.nonce.data, nonce) };
  return ok({
    next: state,
    reply: [...payloads, { kind: 'nonce', data: nonce }, ...ke],
    replyWithoutChild: [notify(NotifyType.TEMPORARY_FAILURE)],
    install: { agreement, keys, rekeys, redundant: false },
  });
}

function answer(notifyType: number, text: string): Result<never, Refusal> {
  return err({ kind: 'answer', notify: notify(notifyType), text });
}

/** Every Child SA of a full IKE SA may have a successor beside it for a moment. */
const MOST_TIMES = 2;

import type { SecretBytes } from '../../crypto/secret.ts';
import { ok, type Result } from '../../result.ts';
import type { CreateChild, CreateChildResponse } from '../../wire/grammar.ts';
import { nameOf } from '../../wire/name-of.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { NotifyType, Protocol } from '../../wire/registry.ts';
import type { ChildAgreement, ChildSa } from '../child/child-sa.ts';
import type { Connection } from '../connection/connection.ts';
import type { Core } from '../core.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { lowerOf } from '../negotiation/byte-order.ts';
import type { NegotiationFailure, Outcome, Refusal } from '../outcome.ts';
import type { NattedPath } from '../path/natd.ts';
import { react } from '../rekey/collision.ts';
import { timeToRetry } from '../rekey/rekey-time.ts';
import { isRedundant, isReplaced } from '../rekey/under-way.ts';
import type { AskedChild, Established } from '../state.ts';
import type { ChildConfig, Instant } from '../types.ts';
import { acceptChild, createdChildKeys, offerChild, spiToBytes, withdrawOffer } from './child-negotiation.ts';
import { groupsOf, ownKey } from './key-exchange.ts';

/**
 * CREATE_CHILD_SA for a further Child SA (RFC 7296 §1.3.1), or for one that takes the place of another (§1.3.3); with a
 * key exchange of its own where the ESP proposals have one.
 *
 *     HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr}  -->
 *                                                  <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
 */

/** What of a request is not in the configuration. */
export interface Wanted {
  /** The pair that the new one is to take the place of. */
  readonly rekeyed: ChildSa | undefined;
  /** What the peer wants in place of our first guess. */
  readonly group: number | undefined;
  readonly peerIsAgent: boolean;
}

/** Asks for a Child SA on an IKE SA that stands. */
export function createChildRequest(
  core: Core,
  config: ChildConfig,
  { path, nat }: NattedPath,
  { rekeyed, group, peerIsAgent }: Wanted,
): { readonly asked: AskedChild; readonly payloads: readonly Payload[] } {
  const key = ownKey(core, group ?? likelyGroup(core, config, rekeyed));
  const { offer, payloads } = offerChild(
    core,
    config,
    { path, nat },
    { withKeyExchange: key !== undefined, peerIsAgent },
  );
  const nonce = core.drawNonce();
  const inner: Payload[] = [...payloads, { kind: 'nonce', data: nonce }];
  if (key !== undefined) inner.push({ kind: 'ke', group: key.group, data: key.ephemeral.publicValue });
  const pair = { offer, nonce, key, retried: group !== undefined, deleted: [] };
  if (rekeyed === undefined) return { asked: { kind: 'createChild', ...pair }, payloads: inner };
  return { asked: { kind: 'rekeyChild', ...pair, rekeyed }, payloads: [rekeyNotify(rekeyed), ...inner] };
}

/** Names the pair as its owner does, by what it receives on (RFC 7296 §1.3.3). */
function rekeyNotify({ inboundSpi }: ChildSa): Payload {
  return { ...notify(NotifyType.REKEY_SA), protocol: Protocol.ESP, spi: spiToBytes(inboundSpi) };
}

/** What the side that asked makes of the answer. */
export function onCreateChildResponse(
  core: Core,
  at: Instant,
  state: Established,
  connection: Connection,
  asked: AskedChild,
  response: CreateChildResponse,
): Result<Outcome, Refusal> {
  const next: Established = { ...state, asked: undefined };
  switch (response.kind) {
    case 'invalidKe':
      return onOtherGroup(core, at, next, connection, asked, response.group);
    case 'refused':
      return onRefused(core, at, next, connection, asked, response.notify.notifyType);
    case 'accepted':
      return onAccepted(core, next, connection, asked, response);
  }
}

function onOtherGroup(
  core: Core,
  at: Instant,
  next: Established,
  connection: Connection,
  asked: AskedChild,
  group: number,
): Result<Outcome, Refusal> {
  const { config } = asked.offer;
  if (asked.retried || !groupsOf(core, config.proposals).includes(group)) {
    return onRefused(core, at, next, connection, asked, NotifyType.INVALID_KE_PAYLOAD);
  }
  release(core, asked);
  return ok({
    next,
    enqueue: [
      asked.kind === 'rekeyChild'
        ? { kind: 'rekeyChild', inboundSpi: asked.rekeyed.inboundSpi, group }
        : { kind: 'createChild', child: config.name, group },
    ],
  });
}

function onRefused(
  core: Core,
  at: Instant,
  next: Established,
  connection: Connection,
  asked: AskedChild,
  notifyType: number,
): Result<Outcome, Refusal> {
  release(core, asked);
  const { config } = asked.offer;
  const old = asked.kind === 'rekeyChild' ? asked.rekeyed : undefined;
  const failure = refusal(connection, config, notifyType, old !== undefined);
  switch (react(asked.kind, notifyType, old !== undefined && isOvertaken(next, old))) {
    case 'nothing':
      return ok({ next });
    case 'retryLater':
      return ok({
        next: withRetry(core, at, next, old),
        facts: [{ kind: 'rekeyPostponed', connection: connection.config.name, child: config.name }],
      });
    case 'createAnew': {
      const inboundSpis = old === undefined ? [] : [old.inboundSpi];
      const enqueue = [{ kind: 'createChild', child: config.name, group: undefined }] as const;
      return ok({ next, failure, remove: { inboundSpis, reason: 'deletedByPeer' }, enqueue });
    }
    case 'reauthenticate':
      return ok({ next, failure, reauthenticate: true, facts: rekeyFailed(connection, old, failure) });
    case 'fail':
      return ok({ next, failure });
  }
}

function rekeyFailed(connection: Connection, old: ChildSa | undefined, failure: NegotiationFailure): readonly Fact[] {
  const { reason, by } = failure;
  if (old === undefined) return [];
  return [{ kind: 'rekeyFailed', connection: connection.config.name, child: old.config.name, reason, by }];
}

/** Whether the peer has deleted or rekeyed meanwhile what we wanted to rekey. */
function isOvertaken({ children }: Established, old: ChildSa): boolean {
  const there = children.find(({ inboundSpi }) => inboundSpi === old.inboundSpi);
  return there === undefined || isReplaced(children, there);
}

function withRetry(core: Core, at: Instant, state: Established, old: ChildSa | undefined): Established {
  const rekey = { at: timeToRetry(core, at), since: old?.rekey?.since ?? at };
  const children = state.children.map((child) => (child.inboundSpi === old?.inboundSpi ? { ...child, rekey } : child));
  return { ...state, children };
}

function onAccepted(
  core: Core,
  next: Established,
  connection: Connection,
  asked: AskedChild,
  response: Extract<CreateChildResponse, { kind: 'accepted' }>,
): Result<Outcome, Refusal> {
  const { offer, key } = asked;
  const { config, inboundSpi } = offer;
  const old = asked.kind === 'rekeyChild' ? asked.rekeyed : undefined;
  const accepted = acceptChild(core, connection, offer, response, { withKeyExchange: key !== undefined, rekeyed: old });
  const secret = accepted.ok ? sharedSecret(asked, accepted.value, response) : undefined;
  key?.ephemeral.wipe();
  const reauthenticate = old !== undefined;
  if (!accepted.ok || secret === 'invalid') {
    const text = `${connection.config.name} answered the key exchange of Child ${config.name} with a value of another kind`;
    withdrawOffer(core, offer);
    const failure = accepted.ok ? ({ reason: 'peerViolation', by: 'us', text } as const) : accepted.error;
    const enqueue = [{ kind: 'deleteChild', inboundSpi, outboundSpi: undefined, reason: 'negotiationFailed' }] as const;
    return ok({ next, failure, enqueue, reauthenticate, facts: rekeyFailed(connection, old, failure) });
  }
  if (asked.deleted.includes(accepted.value.outboundSpi)) {
    secret?.wipe();
    withdrawOffer(core, offer);
    const text = `${connection.config.name} granted Child ${config.name} and deleted it at once: see its log`;
    return ok({ next, failure: { reason: 'refusedByPeer', by: 'peer', text } });
  }
  const keys = createdChildKeys(next.keys, accepted.value, asked.nonce, response.nonce.data, secret);
  secret?.wipe();
  const rekeys = old && { inboundSpi: old.inboundSpi, lowestNonce: lowerOf(asked.nonce, response.nonce.data) };
  const redundant = isRedundant(next.children, rekeys);
  return ok({ next, install: { agreement: accepted.value, keys, rekeys, redundant } });
}

function release(core: Core, { offer, key }: AskedChild): void {
  withdrawOffer(core, offer);
  key?.ephemeral.wipe();
}

/** Undefined where none was agreed on: of proposals with a key exchange and without one the peer may choose either. */
function sharedSecret(
  { key }: AskedChild,
  { suite }: ChildAgreement,
  { ke }: CreateChild,
): SecretBytes | 'invalid' | undefined {
  if (key === undefined || (ke === undefined && suite.keyExchange === 0)) return undefined;
  if (ke?.group !== key.group || suite.keyExchange !== key.group) return 'invalid';
  const derived = key.ephemeral.derive(ke.data);
  return derived.ok ? derived.value : 'invalid';
}

/** The group that both sides agreed on the last time, or the first of the configuration. */
function likelyGroup(core: Core, config: ChildConfig, rekeyed: ChildSa | undefined): number | undefined {
  const groups = groupsOf(core, config.proposals);
  return groups.find((group) => group === rekeyed?.suite.keyExchange) ?? groups[0];
}

function refusal(connection: Connection, config: ChildConfig, notifyType: number, rekey: boolean): NegotiationFailure {
  const reason =
    notifyType === NotifyType.TS_UNACCEPTABLE
      ? 'trafficSelectorsUnacceptable'
      : notifyType === NotifyType.NO_PROPOSAL_CHOSEN
        ? 'noProposalChosen'
        : 'refusedByPeer';
  const what = rekey ? `the rekey of Child ${config.name}` : `Child ${config.name}`;
  const name = nameOf('notify', notifyType);
  const text = `${connection.config.name} answered ${what} with ${name}: ${remedy(notifyType)}`;
  return { reason, by: 'peer', text };
}

function remedy(notifyType: number): string {
  switch (notifyType) {
    case NotifyType.TEMPORARY_FAILURE:
      return 'it is busy with something else, and is asked again';
    case NotifyType.NO_ADDITIONAL_SAS:
      return 'it takes no more on this IKE SA, a new one is made';
    case NotifyType.CHILD_SA_NOT_FOUND:
      return 'it has lost it, and is asked for a new one';
    default:
      return 'compare selectors, mode and ESP proposals of both sides';
  }
}

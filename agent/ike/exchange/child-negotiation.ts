import type { IkeKeys } from '../../crypto/keymat.ts';
import type { SecretBytes } from '../../crypto/secret.ts';
import type { SaId, Selector } from '../../dataplane/types.ts';
import { err, ok, type Result } from '../../result.ts';
import type { ChildPayloads } from '../../wire/grammar.ts';
import { withoutZone } from '../../wire/ip-address.ts';
import type { NotifyPayload } from '../../wire/payloads/notify.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import { NotifyType } from '../../wire/registry.ts';
import { setUint32, uint32At } from '../../wire/uint32.ts';
import type { ChildAgreement, ChildSa } from '../child/child-sa.ts';
import { configuredNow } from '../connection/configured.ts';
import { type Connection, isForgone } from '../connection/connection.ts';
import { hasRoomForChild } from '../connection/room.ts';
import type { Core } from '../core.ts';
import { hasNotify, notify } from '../message/notify.ts';
import { choose, chosenSuite, offer } from '../negotiation/proposal.ts';
import { collides, isWithin, selectorText } from '../negotiation/selector.ts';
import { espKeyBytes } from '../negotiation/suite.ts';
import { configuredTraffic, grantedPart, liesWithin, offeredPart } from '../negotiation/traffic.ts';
import type { NegotiationFailure } from '../outcome.ts';
import type { NattedPath } from '../path/natd.ts';
import type { ChildOffer } from '../state.ts';
import type { ChildConfig, Path } from '../types.ts';
import { selectorsHere, withAddress } from './nat-selectors.ts';

/**
 * The three payloads of a Child SA and the notifies beside them, whichever exchange they stand in (RFC 7296 §1.3.1).
 */
interface ChildRequest extends ChildPayloads {
  readonly notifies: readonly NotifyPayload[];
}

/** A Child SA that a responder granted: what was agreed, and the payloads that say so. */
export interface GrantedChild {
  readonly agreement: ChildAgreement;
  readonly payloads: readonly Payload[];
}

/** A Child SA that came to nothing; the IKE SA stands (RFC 7296 §1.2, §2.21.2). */
export interface RefusedChild {
  readonly notifyType: number;
  readonly failure: NegotiationFailure;
}

/**
 * Asks for a Child SA: the offer to remember, and the payloads. A responder may send on it as soon as it has answered
 * (RFC 7296 §2.8). An agent does not before it knows that we can receive; what anybody else sends is kept until the SA
 * is there, which it cannot be before: its keys follow from the answer, or the answer proves whose they are.
 */
export function offerChild(
  core: Core,
  config: ChildConfig,
  { path, nat }: NattedPath,
  { withKeyExchange, peerIsAgent }: { readonly withKeyExchange: boolean; readonly peerIsAgent: boolean },
): { readonly offer: ChildOffer; readonly payloads: readonly Payload[] } {
  const inboundSpi = core.drawEspSpi();
  const traffic = configuredTraffic(config, path.localAddress, path.remoteAddress, core.context.limits);
  const payloads: Payload[] = [
    { kind: 'sa', proposals: offer('esp', config.proposals, spiToBytes(inboundSpi), withKeyExchange) },
    { kind: 'tsi', selectors: traffic.localSelectors, others: [] },
    { kind: 'tsr', selectors: traffic.remoteSelectors, others: [] },
  ];
  if (config.mode === 'transport') payloads.unshift(notify(NotifyType.USE_TRANSPORT_MODE));
  const offered: ChildOffer = { config, inboundSpi, traffic, path, nat, awaited: !peerIsAgent };
  if (offered.awaited) core.command({ kind: 'awaitSa', id: inboundId(offered) }, undefined, 0, 0);
  return { offer: offered, payloads };
}

/**
 * An offer as its answer is to be read now that the peer is elsewhere. In transport mode packets bear the address that its
 * NAT gives it (RFC 7296 §2.23.1), which is that of the SAs to come; in tunnel mode no NAT sees what they bear.
 */
export function movedOffer(core: Core, asked: ChildOffer, path: Path): ChildOffer {
  if (asked.config.mode === 'tunnel') return asked;
  const traffic = configuredTraffic(asked.config, path.localAddress, path.remoteAddress, core.context.limits);
  return { ...asked, path, traffic };
}

/** Nothing will come of an offer. */
export function withdrawOffer(core: Core, offered: ChildOffer): void {
  core.espSpis.delete(offered.inboundSpi);
  if (offered.awaited) core.command({ kind: 'forgetSa', id: inboundId(offered) }, undefined, 0, 0);
}

function inboundId({ path, inboundSpi }: ChildOffer): SaId {
  return { destination: withoutZone(path.localAddress), spi: inboundSpi };
}

/**
 * In IKE_AUTH a Child SA has no key exchange of its own (RFC 7296 §1.2); in CREATE_CHILD_SA it has one where the
 * proposals have, and may be to take the place of another one.
 */
interface ChildExchange {
  readonly withKeyExchange: boolean;
  readonly rekeyed: ChildSa | undefined;
}

/**
 * Answers a request for a Child SA: the first configured Child whose selectors, mode and algorithms fit, or that of
 * `rekeyed`, which the new one is to take the place of.
 */
export function grantChild(
  core: Core,
  connection: Connection,
  request: ChildRequest,
  way: NattedPath,
  exchange: ChildExchange,
): Result<GrantedChild, RefusedChild> {
  if (!hasRoomForChild(connection, core.context.limits)) return err(tooMany(connection));
  const wantsTransport = hasNotify(request.notifies, NotifyType.USE_TRANSPORT_MODE);
  let refusal: RefusedChild | undefined;
  const { rekeyed } = exchange;
  const configured = rekeyed === undefined ? connection.config.children : successorsOf(connection, rekeyed);
  for (const config of configured) {
    // The initiator alone may propose transport mode (RFC 7296 §1.3.1): a Child configured for it cannot be tunnel.
    if (config.mode === 'transport' && !wantsTransport) continue;
    const granted = grantConfigured(core, connection, config, request, way, exchange);
    if (granted.ok) return granted;
    if (refusal === undefined || granted.error.notifyType === NotifyType.NO_PROPOSAL_CHOSEN) refusal = granted.error;
  }
  const asked = wantsTransport ? 'transport' : 'tunnel';
  return err(
    refusal ?? {
      notifyType: NotifyType.NO_PROPOSAL_CHOSEN,
      failure: {
        reason: 'noProposalChosen',
        by: 'us',
        text: `${connection.config.name} asks for ${asked} mode, no Child is configured for it: set traffic.mode alike on both sides`,
      },
    },
  );
}

/** What a pair may be replaced by: what its Child is for by now, where that covers it, or else what it was made for. */
function successorsOf({ config: { children } }: Connection, { config }: ChildSa): readonly ChildConfig[] {
  const now = children.find(({ name }) => name === config.name);
  return now === undefined || now === config ? [config] : [now, config];
}

function tooMany({ config: { name } }: Connection): RefusedChild {
  const text = `${name} asks for one Child SA after the other: it may have no more here until inbound SAs of it have gone; see its log`;
  return { notifyType: NotifyType.NO_ADDITIONAL_SAS, failure: { reason: 'peerViolation', by: 'us', text } };
}

function grantConfigured(
  core: Core,
  connection: Connection,
  config: ChildConfig,
  request: ChildRequest,
  way: NattedPath,
  { withKeyExchange, rekeyed }: ChildExchange,
): Result<GrantedChild, RefusedChild> {
  const { limits } = core.context;
  const { path } = way;
  const peer = connection.config.name;
  const allowed = configuredTraffic(config, path.localAddress, path.remoteAddress, limits);
  const offered = selectorsHere(config.mode, way, { local: request.tsr.selectors, remote: request.tsi.selectors });
  const agreed = offeredPart(allowed, offered.local, offered.remote, limits);
  if (agreed.outbound.length === 0) {
    const theirs = `${texts(offered.local)} to ${texts(offered.remote)}`;
    const ours = `${texts(allowed.localSelectors)} to ${texts(allowed.remoteSelectors)}`;
    const text = `no common traffic selectors with ${peer}: it offers ${theirs}, configured is ${ours}`;
    return refused(NotifyType.TS_UNACCEPTABLE, 'trafficSelectorsUnacceptable', text);
  }
  if (rekeyed !== undefined && !covers(path, agreed.localSelectors, agreed.remoteSelectors, rekeyed)) {
    const text = `${peer} wants to rekey Child ${config.name} with less traffic than it has: compare the selectors of both sides`;
    return refused(NotifyType.TS_UNACCEPTABLE, 'trafficSelectorsUnacceptable', text);
  }
  const rival = rivalOf(core, connection, path, agreed.outbound);
  if (rival !== undefined) return refused(NotifyType.TS_UNACCEPTABLE, 'trafficSelectorsUnacceptable', rival);
  const inboundSpi = core.drawEspSpi();
  const spi = spiToBytes(inboundSpi);
  const choice = choose('esp', request.sa.proposals, config.proposals, spi, withKeyExchange, limits);
  if (choice === undefined) {
    core.espSpis.delete(inboundSpi);
    const text = `no common ESP algorithms with ${peer} for Child ${config.name}: give both sides a proposal in common`;
    return refused(NotifyType.NO_PROPOSAL_CHOSEN, 'noProposalChosen', text);
  }
  const outboundSpi = spiFromProposal(choice.peerSpi);
  if (outboundSpi === undefined) {
    core.espSpis.delete(inboundSpi);
    return refused(NotifyType.NO_PROPOSAL_CHOSEN, 'peerViolation', `${peer} proposed a reserved ESP SPI`);
  }
  const { suite, answer } = choice;
  const { mode } = config;
  const payloads: Payload[] = [
    { kind: 'sa', proposals: [answer] },
    { kind: 'tsi', selectors: agreed.remoteSelectors, others: [] },
    { kind: 'tsr', selectors: agreed.localSelectors, others: [] },
  ];
  if (mode === 'transport') payloads.unshift(notify(NotifyType.USE_TRANSPORT_MODE));
  const agreement: ChildAgreement = {
    config,
    suite,
    mode,
    inboundSpi,
    outboundSpi,
    traffic: agreed,
    weInitiated: false,
  };
  return ok({ agreement, payloads });
}

/** What an initiator makes of a granted Child SA; a failure means that the peer must be told to delete it again. */
export function acceptChild(
  core: Core,
  connection: Connection,
  asked: ChildOffer,
  answer: ChildRequest,
  { withKeyExchange, rekeyed }: ChildExchange,
): Result<ChildAgreement, NegotiationFailure> {
  const peer = connection.config.name;
  const { config, inboundSpi } = asked;
  const violation = (text: string): Result<ChildAgreement, NegotiationFailure> =>
    err({ reason: 'peerViolation', by: 'us', text: `${peer} ${text}` });
  const chosen = chosenSuite('esp', answer.sa.proposals, config.proposals, withKeyExchange);
  if (chosen === undefined) return violation(`chose ESP algorithms for Child ${config.name} that we did not offer`);
  const outboundSpi = spiFromProposal(chosen.peerSpi);
  if (outboundSpi === undefined) return violation('chose a reserved ESP SPI');
  const granted = selectorsHere(config.mode, asked, { local: answer.tsi.selectors, remote: answer.tsr.selectors });
  const { local: localSelectors, remote: remoteSelectors } = granted;
  const { traffic } = asked;
  if (!isWithin(localSelectors, traffic.localSelectors) || !isWithin(remoteSelectors, traffic.remoteSelectors)) {
    return violation(
      `widened the traffic selectors of Child ${config.name} to ${texts(localSelectors)} and ${texts(remoteSelectors)}`,
    );
  }
  if (rekeyed !== undefined && !covers(asked.path, localSelectors, remoteSelectors, rekeyed)) {
    return violation(`rekeyed Child ${config.name} with less traffic than it had`);
  }
  const agreed = grantedPart(traffic, localSelectors, remoteSelectors, core.context.limits);
  if (agreed.outbound.length === 0) {
    return violation(
      `narrowed Child ${config.name} to ${texts(localSelectors)} and ${texts(remoteSelectors)}, which the kernel cannot express`,
    );
  }
  const transport = hasNotify(answer.notifies, NotifyType.USE_TRANSPORT_MODE);
  if (transport !== (config.mode === 'transport')) {
    const text = transport ? 'chose transport mode although we asked for tunnel' : 'declined transport mode';
    return violation(`${text} for Child ${config.name}: set the mode alike on both sides`);
  }
  return ok({
    config: configuredNow(connection.config, config),
    suite: chosen.suite,
    mode: config.mode,
    inboundSpi,
    outboundSpi,
    traffic: agreed,
    weInitiated: true,
  });
}

/**
 * Whether selectors leave out nothing that a pair has: a rekey must not narrow them (RFC 7296 §2.9.2). In transport mode
 * a peer that its NAT has given another address is meant by that.
 */
function covers(
  { remoteAddress }: Path,
  local: readonly TrafficSelector[],
  remote: readonly TrafficSelector[],
  pair: ChildSa,
): boolean {
  const moved = pair.mode === 'transport' && pair.remoteAddress !== withoutZone(remoteAddress);
  const { traffic } = pair;
  const remoteSelectors = moved ? withAddress(traffic.remoteSelectors, remoteAddress) : traffic.remoteSelectors;
  return liesWithin({ ...traffic, remoteSelectors }, local, remote);
}

/**
 * Why traffic cannot be this peer's: a packet between the same addresses and ports is another one's already, and there
 * is no telling them apart. So it is with two hosts behind one NAT in transport mode (RFC 7296 §2.23.1).
 */
function rivalOf(core: Core, connection: Connection, path: Path, outbound: readonly Selector[]): string | undefined {
  for (const other of core.connections.candidates(path)) {
    // One that calls from anywhere has a claim to where it is, not to where it was.
    if (other === connection || (other.config.remoteAddress === 'any' && isForgone(other))) continue;
    const taken = [...other.policies.values()].filter(({ direction }) => direction === 'out');
    if (!taken.some(({ selector }) => outbound.some((wanted) => collides(wanted, selector)))) continue;
    const peers = `${connection.config.name} and ${other.config.name}`;
    return `${peers} cannot be told apart: packets of both have the addresses ${path.localAddress} and ${path.remoteAddress}, and the same ports; behind one NAT use tunnel mode, or selectors with different ports`;
  }
  return undefined;
}

/** The keys of a Child SA made in CREATE_CHILD_SA: from its own nonces and key exchange (RFC 7296 §2.17). */
export function createdChildKeys(
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

/** The four bytes of an ESP SPI as proposals, notifies and deletes carry it. */
export function spiToBytes(spi: number): Uint8Array {
  const bytes = new Uint8Array(4);
  setUint32(bytes, 0, spi);
  return bytes;
}

/** An ESP SPI from its four bytes; undefined for other lengths and for the reserved ones (RFC 4303 §2.1). */
export function spiFromProposal(bytes: Uint8Array): number | undefined {
  if (bytes.length !== 4) return undefined;
  const spi = uint32At(bytes, 0);
  return spi < FIRST_ESP_SPI ? undefined : spi;
}

function refused(
  notifyType: number,
  reason: NegotiationFailure['reason'],
  text: string,
): Result<GrantedChild, RefusedChild> {
  return err({ notifyType, failure: { reason, by: 'us', text } });
}

function texts(selectors: readonly TrafficSelector[]): string {
  return selectors.slice(0, 8).map(selectorText).join(', ');
}

const FIRST_ESP_SPI = 256;

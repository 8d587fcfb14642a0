import { IkeKeys, type IkeRole, preSharedKeyAuth } from '../../crypto/keymat.ts';
import { SecretBytes } from '../../crypto/secret.ts';
import { toyProvider } from '../../crypto/toy/toy-provider.ts';
import type { EphemeralKey } from '../../crypto/types.ts';
import { decodeHeader, type IkeSpi, spiBytes, spiFromBytes, ZERO_SPI } from '../../wire/header.ts';
import { decodeMessage, decodePayloads, encodeMessage, type Message, type PayloadChain } from '../../wire/message.ts';
import { type IdPayload, idPayloadBody } from '../../wire/payloads/identification.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import type { Proposal, Transform } from '../../wire/payloads/sa.ts';
import type { TrafficSelector } from '../../wire/payloads/ts.ts';
import { AuthMethod, ExchangeType, NotifyType } from '../../wire/registry.ts';
import { encodeFragments, encodeProtected, openProtected, type ProtectedMessage } from '../../wire/sk.ts';
import type { Fact } from '../fact.ts';
import { notify } from '../message/notify.ts';
import { offer } from '../negotiation/proposal.ts';
import { trafficSelectors } from '../negotiation/selector.ts';
import { type IkeCryptography, ikeCryptography, suiteOf } from '../negotiation/suite.ts';
import type { ConnectionConfig, Identity, ProposalConfig } from '../types.ts';
import { fqdn, Pair, present, proposal, type Side, seededRandom } from './pair.ts';

/** What a scripted peer is by default: the right side of a `Pair`, with the right key and the default suites. */
export interface PeerOptions {
  readonly identity?: Identity;
  readonly secret?: string;
  readonly ike?: ProposalConfig;
  readonly group?: number;
  readonly nonceBytes?: number;
  /** Whether it says that it takes fragments. */
  readonly fragmentation?: boolean;
}

/**
 * The right side of a pair, played by the test: it knows all keys and keeps to no rules. What it says is written payload
 * by payload.
 */
export class ScriptedPeer {
  readonly pair: Pair;
  readonly options: PeerOptions;
  role: IkeRole = 'responder';
  localSpi: IkeSpi = spiFromBytes(Uint8Array.of(0xee, 1, 2, 3, 4, 5, 6, 7));
  remoteSpi: IkeSpi = ZERO_SPI;
  /** ESP SPI on which it receives. */
  espSpi = 0x0e0e0e0e;
  nonce: Uint8Array;
  /** The next message ID of its own requests. */
  nextId = 0;
  keys: IkeKeys | undefined;
  readonly #ephemeral: EphemeralKey;
  readonly #cryptography: IkeCryptography;
  readonly #secret: SecretBytes;
  #remoteNonce: Uint8Array = new Uint8Array(0);
  #ownInit: Uint8Array = new Uint8Array(0);
  #peerInit: Uint8Array = new Uint8Array(0);
  #iv = 0;

  constructor(pair: Pair, options: PeerOptions = {}) {
    this.pair = pair;
    this.options = options;
    const random = seededRandom(77);
    this.nonce = new Uint8Array(options.nonceBytes ?? LONG_NONCE_BYTES);
    random.fill(this.nonce);
    const { algorithms } = this.#proposal;
    this.#cryptography = present(ikeCryptography(toyProvider, present(suiteOf('ike', algorithms))));
    this.#ephemeral = this.#cryptography.keyExchange.generate(random);
    this.#secret = new SecretBytes(new TextEncoder().encode(options.secret ?? 'a secret between two sides'));
  }

  /** The left side, under test. */
  get subject(): Side {
    return this.pair.left;
  }

  get group(): number {
    return this.options.group ?? this.#cryptography.suite.keyExchange;
  }

  get ke(): Payload {
    return { kind: 'ke', group: this.group, data: this.#ephemeral.publicValue };
  }

  get ni(): Payload {
    return { kind: 'nonce', data: this.nonce };
  }

  /** The SA payload of IKE_SA_INIT, as an offer or as the choice of the only proposal. */
  get sa(): Payload {
    return { kind: 'sa', proposals: offer('ike', [this.#proposal], new Uint8Array(0), true) };
  }

  /** The bytes of the last datagram that the subject sent; it is taken off the wire. */
  take(): Uint8Array {
    const mine = this.pair.wire.findIndex((datagram) => datagram.from === this.subject);
    if (mine < 0) throw new Error('the subject has sent nothing');
    const [datagram] = this.pair.wire.splice(mine, 1);
    return present(datagram).bytes;
  }

  /** How many datagrams of the subject wait to be taken. */
  get waiting(): number {
    return this.pair.wire.filter((datagram) => datagram.from === this.subject).length;
  }

  send(bytes: Uint8Array, port = 500): void {
    this.pair.inject(this.subject, bytes, port);
  }

  /** An IKE_SA_INIT request of these payloads. */
  initRequest(payloads: readonly Payload[] = this.#initPayloads): Uint8Array {
    this.role = 'initiator';
    this.nextId = 1;
    this.remoteSpi = ZERO_SPI;
    this.#ownInit = this.unprotected(ExchangeType.IKE_SA_INIT, 0, false, payloads);
    return this.#ownInit.slice();
  }

  /** An answer to an IKE_SA_INIT request: by default the one that goes on. */
  initResponse(request: Uint8Array, payloads: readonly Payload[] = this.#initPayloads): Uint8Array {
    this.role = 'responder';
    this.remoteSpi = parsed(request).header.initiatorSpi;
    this.#peerInit = request.slice();
    this.#ownInit = this.unprotected(ExchangeType.IKE_SA_INIT, 0, true, payloads);
    this.#derive(request);
    return this.#ownInit.slice();
  }

  /** An error, or a COOKIE, in answer to an IKE_SA_INIT request: no state, no SPI of the responder. */
  initRefusal(request: Uint8Array, payload: Payload): Uint8Array {
    const { initiatorSpi } = parsed(request).header;
    return encodeMessage(
      {
        initiatorSpi,
        responderSpi: ZERO_SPI,
        exchangeType: ExchangeType.IKE_SA_INIT,
        flags: { initiator: false, response: true },
        messageId: 0,
      },
      [payload],
    );
  }

  /** Takes in the subject's answer to its IKE_SA_INIT request. */
  takeInitResponse(response: Uint8Array): Message {
    const message = parsed(response);
    this.remoteSpi = message.header.responderSpi;
    this.#peerInit = response.slice();
    this.#derive(response);
    return message;
  }

  /** Identity, proof and INITIAL_CONTACT aside: what IKE_AUTH begins with. */
  proof(changes: { readonly identity?: Identity; readonly reserved?: number } = {}): Payload[] {
    const identity = changes.identity ?? this.options.identity ?? fqdn('right');
    const kind = this.role === 'initiator' ? 'idi' : 'idr';
    const id: IdPayload = { kind, reserved: changes.reserved ?? 0, ...identity };
    const octets = present(this.keys).signedOctets(this.role, this.#ownInit, this.#remoteNonce, idPayloadBody(id));
    const data = preSharedKeyAuth(this.#cryptography.prf, this.#secret, octets);
    return [id as Payload, { kind: 'auth', method: AuthMethod.SHARED_KEY_MIC, data }];
  }

  /** Whether the subject's AUTH covers the IKE_SA_INIT message that it sent last. */
  believes(payloads: readonly Payload[]): boolean {
    const auth = payloads.find((payload) => payload.kind === 'auth');
    const id = payloads.find((payload) => payload.kind === (this.role === 'initiator' ? 'idr' : 'idi'));
    if (auth === undefined || id === undefined) return false;
    const sender = this.role === 'initiator' ? 'responder' : 'initiator';
    const octets = present(this.keys).signedOctets(sender, this.#peerInit, this.nonce, idPayloadBody(id as IdPayload));
    const expected = preSharedKeyAuth(this.#cryptography.prf, this.#secret, octets);
    return expected.every((byte, index) => byte === auth.data[index]);
  }

  /** Payloads that ask for, or grant, the transport-mode Child SA of the default configuration. */
  child(changes: Partial<ChildPayloads> = {}): Payload[] {
    const all = [{ protocol: 0, fromPort: 0, toPort: 65535 }];
    const { address: right } = this.pair.right;
    const { address: left } = this.pair.left;
    const ours = changes.ours ?? trafficSelectors(all, right);
    const theirs = changes.theirs ?? trafficSelectors(all, left);
    const [tsi, tsr] = this.role === 'initiator' ? [ours, theirs] : [theirs, ours];
    const sa = changes.sa ?? [espProposal(this.espSpi)];
    return [
      ...(changes.transport === false ? [] : [notify(NotifyType.USE_TRANSPORT_MODE)]),
      { kind: 'sa', proposals: sa },
      { kind: 'tsi', selectors: tsi, others: [] },
      { kind: 'tsr', selectors: tsr, others: [] },
    ];
  }

  /** Payloads that ask for, or grant, an IKE SA in the place of this one (RFC 7296 §1.3.2). */
  ikeSa(localSpi: IkeSpi): Payload[] {
    const proposals = offer('ike', [this.#proposal], spiBytes(localSpi), true);
    return [{ kind: 'sa', proposals }, this.ni, this.ke];
  }

  /** This peer on the IKE SA that payloads of its own, by `ikeSa`, and of the subject have made: `theirs`. */
  successor(role: IkeRole, localSpi: IkeSpi, theirs: readonly Payload[]): ScriptedPeer {
    const sa = present(theirs.find((payload) => payload.kind === 'sa'));
    const remoteSpi = spiFromBytes(present(sa.proposals[0]).spi);
    const { data: remoteNonce } = present(theirs.find((payload) => payload.kind === 'nonce'));
    const secret = this.#ephemeral.derive(present(theirs.find((payload) => payload.kind === 'ke')).data);
    if (!secret.ok) throw new Error(secret.error.reason);
    const next = new ScriptedPeer(this.pair, this.options);
    const initiator = role === 'initiator';
    const [initiatorNonce, responderNonce] = initiator ? [this.nonce, remoteNonce] : [remoteNonce, this.nonce];
    const [initiatorSpi, responderSpi] = initiator ? [localSpi, remoteSpi] : [remoteSpi, localSpi];
    const inputs = { initiatorSpi: spiBytes(initiatorSpi), responderSpi: spiBytes(responderSpi) };
    const keys = present(this.keys).rekeyed(this.#cryptography, secret.value, {
      initiatorNonce,
      responderNonce,
      ...inputs,
    });
    return Object.assign(next, { role, localSpi, remoteSpi, keys, espSpi: this.espSpi });
  }

  unprotected(exchangeType: number, messageId: number, response: boolean, payloads: readonly Payload[]): Uint8Array {
    return encodeMessage(this.#header(exchangeType, messageId, response), payloads);
  }

  protected(exchangeType: number, messageId: number, response: boolean, payloads: readonly Payload[]): Uint8Array {
    return encodeProtected(this.#message(exchangeType, messageId, response, payloads));
  }

  /** The same in datagrams of at most `maxBytes`. */
  fragments(
    exchangeType: number,
    messageId: number,
    response: boolean,
    payloads: readonly Payload[],
    maxBytes: number,
  ): readonly Uint8Array[] {
    return encodeFragments(this.#message(exchangeType, messageId, response, payloads), maxBytes);
  }

  /** A protected request of its own under the next message ID. */
  request(exchangeType: number, payloads: readonly Payload[]): Uint8Array {
    const bytes = this.protected(exchangeType, this.nextId, false, payloads);
    this.nextId += 1;
    return bytes;
  }

  /** A protected answer to a request of the subject. */
  respond(request: Uint8Array, payloads: readonly Payload[]): Uint8Array {
    const { exchangeType, messageId } = parsed(request).header;
    return this.protected(exchangeType, messageId, true, payloads);
  }

  /** The payloads of a message that the subject protected. */
  open(bytes: Uint8Array): readonly Payload[] {
    return this.openFragments([bytes]);
  }

  /** The payloads of a message that the subject protected and sent in these datagrams. */
  openFragments(datagrams: readonly Uint8Array[]): readonly Payload[] {
    const chains = datagrams.map((bytes) => this.#decrypt(bytes));
    const bytes = Uint8Array.from(chains.flatMap((chain) => [...chain.bytes]));
    const payloads = decodePayloads(present(chains[0]).first, bytes);
    if (!payloads.ok) throw new Error(`cannot be read: ${payloads.error.reason}`);
    return payloads.value;
  }

  /** As initiator, up to its IKE_AUTH request, which it returns unsent. */
  begin(payloads: (peer: this) => readonly Payload[] = (peer) => [...peer.proof(), ...peer.child()]): Uint8Array {
    this.send(this.initRequest());
    this.takeInitResponse(this.take());
    return this.request(ExchangeType.IKE_AUTH, payloads(this));
  }

  /** As initiator, an IKE_AUTH request of these payloads and the payloads of the answer. */
  authenticate(payloads?: (peer: this) => readonly Payload[]): readonly Payload[] {
    this.send(this.begin(payloads));
    return this.open(this.take());
  }

  /** As initiator, up to an established IKE SA with a Child SA. */
  establish(): this {
    this.send(this.begin());
    this.open(this.take());
    return this;
  }

  /** As responder, up to the subject's IKE_AUTH request, which it returns unanswered. */
  accept(): Uint8Array {
    this.send(this.initResponse(this.take()));
    return this.take();
  }

  #decrypt(bytes: Uint8Array): PayloadChain {
    const direction = present(this.keys).direction(this.role === 'initiator' ? 'responder' : 'initiator');
    const chain = openProtected(bytes, present(parsed(bytes).protected), this.#cryptography.protection, direction);
    if (!chain.ok) throw new Error(`cannot be opened: ${chain.error.kind}`);
    return chain.value;
  }

  #message(exchangeType: number, messageId: number, response: boolean, payloads: readonly Payload[]): ProtectedMessage {
    const { protection } = this.#cryptography;
    return {
      header: this.#header(exchangeType, messageId, response),
      payloads,
      protection,
      keys: present(this.keys).direction(this.role),
      iv: {
        fill: (target) => {
          this.#iv += 1;
          target.fill(this.#iv);
        },
      },
    };
  }

  get #initPayloads(): readonly Payload[] {
    const fragmentation = notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED);
    return [this.sa, this.ke, this.ni, ...(this.options.fragmentation === true ? [fragmentation] : [])];
  }

  #header(exchangeType: number, messageId: number, response: boolean) {
    const initiator = this.role === 'initiator';
    const [initiatorSpi, responderSpi] = initiator ? [this.localSpi, this.remoteSpi] : [this.remoteSpi, this.localSpi];
    return { initiatorSpi, responderSpi, exchangeType, flags: { initiator, response }, messageId };
  }

  #derive(peerInit: Uint8Array): void {
    const { payloads } = parsed(peerInit);
    const ke = payloads.find((payload) => payload.kind === 'ke');
    const nonce = payloads.find((payload) => payload.kind === 'nonce');
    if (ke === undefined || nonce === undefined) return;
    const derived = this.#ephemeral.derive(ke.data);
    if (!derived.ok) return;
    this.#remoteNonce = nonce.data.slice();
    const initiator = this.role === 'initiator';
    const [initiatorNonce, responderNonce] = initiator ? [this.nonce, nonce.data] : [nonce.data, this.nonce];
    const [initiatorSpi, responderSpi] = initiator ? [this.localSpi, this.remoteSpi] : [this.remoteSpi, this.localSpi];
    this.keys = IkeKeys.initial(this.#cryptography, derived.value, {
      initiatorNonce,
      responderNonce,
      initiatorSpi: spiBytes(initiatorSpi),
      responderSpi: spiBytes(responderSpi),
    });
  }

  get #proposal(): ProposalConfig {
    return this.options.ike ?? proposal('aes256gcm16', 'prfsha384', 'x25519');
  }
}

/** The left side of a pair has sent its first message to a peer that the test plays. */
export function calling(changes: Partial<ConnectionConfig> = {}, options: PeerOptions = {}): ScriptedPeer {
  const pair = new Pair({ limits: { invitationMs: 0 } });
  pair.configureLeft(changes);
  pair.fire();
  return new ScriptedPeer(pair, options);
}

/** The left side of a pair waits for the call of a peer that the test plays. */
export function waiting(
  changes: Partial<ConnectionConfig> = {},
  options: PeerOptions = {},
  pair: Pair = new Pair({ limits: { invitationMs: 0 } }),
): ScriptedPeer {
  pair.configureLeft({ initiation: 'respond', ...changes });
  return new ScriptedPeer(pair, options);
}

/** The texts of a side's facts of one kind. */
export function texts(side: Side, kind: Fact['kind']): readonly string[] {
  return side.facts.flatMap((fact) => (fact.kind === kind && 'text' in fact ? [fact.text] : []));
}

/** What a Child SA's payloads may be changed to. */
export interface ChildPayloads {
  readonly sa: readonly Proposal[];
  /** The scripted peer's side and the subject's. */
  readonly ours: readonly TrafficSelector[];
  readonly theirs: readonly TrafficSelector[];
  readonly transport: boolean;
}

/** The default ESP proposal, its transforms replaced if given. */
export function espProposal(spi: number, transforms: readonly Transform[] = DEFAULT_ESP, number = 1): Proposal {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, spi);
  return { number, protocol: 3, spi: bytes, transforms };
}

/** A transform with the key-length attribute where one is given. */
export function transform(type: number, id: number, keyBits = 0): Transform {
  return { type, id, attributes: keyBits === 0 ? [] : [{ type: 14, value: keyBits }] };
}

/** A message taken apart; a test that builds nonsense fails. */
export function parsed(bytes: Uint8Array): Message {
  const message = decodeMessage(bytes);
  if (!message.ok) throw new Error(`${message.error.field}: ${message.error.reason}`);
  return message.value;
}

/** The exchange type, message ID and response flag of a datagram. */
export function headline(bytes: Uint8Array): readonly [number, number, 'request' | 'response'] {
  const header = decodeHeader(bytes);
  if (!header.ok) throw new Error(header.error.reason);
  return [header.value.exchangeType, header.value.messageId, header.value.flags.response ? 'response' : 'request'];
}

/** The types of the notifies among payloads. */
export function notifyTypes(payloads: readonly Payload[]): readonly number[] {
  return payloads.flatMap((payload) => (payload.kind === 'notify' ? [payload.notifyType] : []));
}

/** Long, so that no answer to IKE_SA_INIT is longer than the request, whose sender has not proved its address. */
const LONG_NONCE_BYTES = 200;
const DEFAULT_ESP: readonly Transform[] = [transform(1, 20, 256), transform(5, 1)];

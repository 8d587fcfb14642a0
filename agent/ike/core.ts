import type { DataplaneCommand } from '../dataplane/types.ts';
import { type IkeSpi, spiFromBytes, ZERO_SPI } from '../wire/header.ts';
import type { Payload } from '../wire/payloads/payload.ts';
import { PrfId } from '../wire/registry.ts';
import { uint32At } from '../wire/uint32.ts';
import type { PolicyRemoval } from './child/order-policies.ts';
import type { PolicyIndexes } from './child/policies.ts';
import type { RefusedCommands } from './child/refused-commands.ts';
import type { UnselectedSa } from './child/unselected.ts';
import { type Connection, connectionDeadline } from './connection/connection.ts';
import { Connections } from './connection/connections.ts';
import { Pacing } from './connection/pacing.ts';
import type { DropReason, Fact } from './fact.ts';
import type { Limits } from './limits.ts';
import { ReassemblyRoom } from './message/fragment.ts';
import type { HandledRequest } from './outcome.ts';
import type { IkeSa } from './state.ts';
import { Cookies } from './stranger/cookie.ts';
import { ErrorReplies } from './stranger/error-replies.ts';
import { HalfOpen } from './stranger/half-open.ts';
import { Timers } from './timers.ts';
import type { EndpointContext, IkeAction, Instant, Path } from './types.ts';

/** The response that grants a Child SA, and what to say in its place if it has not left. */
interface Fallback {
  readonly sa: IkeSa;
  readonly request: HandledRequest;
  readonly response: readonly Uint8Array[];
  readonly payloads: readonly Payload[];
}

/** Everything that an endpoint knows, and the list of actions that it is writing. */
export class Core {
  readonly context: EndpointContext;
  readonly connections = new Connections();
  /** By our own SPI. */
  readonly ikeSas = new Map<IkeSpi, IkeSa>();
  readonly halfOpen: HalfOpen;
  readonly cookies: Cookies;
  /** Whether cookies were demanded when it was last looked at. */
  demandsCookies = false;
  readonly errorReplies: ErrorReplies;
  /** Messages in fragments of peers that have not authenticated, and of those that have. */
  readonly strangersRoom: ReassemblyRoom;
  readonly peersRoom: ReassemblyRoom;
  /** Inbound ESP SPIs in use or in negotiation. */
  readonly espSpis = new Set<number>();
  /** IKE SAs that wait for a verifier, by job. */
  readonly jobs = new Map<number, IkeSa>();
  /** How many exchanges of ours are under way, and who waits to begin. */
  readonly pacing: Pacing;
  readonly connectionTimers: Timers<Connection>;
  readonly ikeSaTimers: Timers<IkeSa>;
  readonly policyIndexes: PolicyIndexes;
  /** Who has put the policy that stands in a place of the kernel, by the place's key. */
  readonly policyPlaces = new Map<string, Connection>();
  /** What goes when all connections of a change have got their policies; undefined where none is under way. */
  policyRemovals: PolicyRemoval[] | undefined;
  /** Connections that are configured no more and still have policies. */
  readonly departing = new Set<Connection>();
  /** Whether what an earlier run left and no connection wants stays: it may be of what nobody could tell so far. */
  leavesUnwanted = false;
  /** What to answer instead if the kernel refuses the Child SA that the action list in the making installs. */
  fallback: Fallback | undefined;
  readonly refused: RefusedCommands = {
    retryAt: undefined,
    refusals: 0,
    triedAt: Number.NEGATIVE_INFINITY,
    deletions: [],
  };
  /** In the order of their ends. */
  readonly unselected: UnselectedSa[] = [];
  #actions: IkeAction[] = [];
  #touched: IkeSa[] = [];
  #lastNumber = 0;

  /** `ikeSaDeadline` tells when something is to be done for an IKE SA. */
  constructor(context: EndpointContext, ikeSaDeadline: (sa: IkeSa, limits: Limits) => Instant | undefined) {
    this.context = context;
    const { crypto, random, limits } = context;
    const prf = crypto.prf(COOKIE_PRF);
    if (prf === undefined) throw new Error('a crypto provider without HMAC-SHA2-256');
    this.cookies = new Cookies(prf, random.keys, limits.cookieSecretMs);
    this.halfOpen = new HalfOpen(limits);
    this.connectionTimers = new Timers((connection) => connectionDeadline(connection, context.limits));
    this.ikeSaTimers = new Timers((sa) => ikeSaDeadline(sa, limits));
    this.pacing = new Pacing(limits.attemptsUnderWay);
    this.errorReplies = new ErrorReplies(limits);
    this.strangersRoom = new ReassemblyRoom(limits.strangersFragments);
    this.peersRoom = new ReassemblyRoom(limits.peersFragments);
    this.policyIndexes = { next: context.firstPolicySequence ?? 0 };
  }

  /** The actions since the last call. */
  takeActions(): readonly IkeAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** Notes that the deadlines of an IKE SA may have changed. */
  touch(sa: IkeSa): void {
    if (!this.#touched.includes(sa)) this.#touched.push(sa);
  }

  /** The IKE SAs touched since the last call. */
  takeTouched(): readonly IkeSa[] {
    const touched = this.#touched;
    if (touched.length > 0) this.#touched = [];
    return touched;
  }

  act(action: IkeAction): void {
    this.#actions.push(action);
  }

  report(fact: Fact): void {
    this.#actions.push({ kind: 'report', fact });
  }

  /** Reports that a datagram has had no effect. */
  drop(path: Path, reason: DropReason, text: string): void {
    this.report({ kind: 'datagramDropped', reason, path, text });
  }

  transmit(path: Path, datagrams: readonly Uint8Array[], doNotFragment = false): void {
    const how = doNotFragment ? { doNotFragment } : undefined;
    for (const bytes of datagrams) this.#actions.push({ kind: 'transmit', path, bytes, ...how });
  }

  /** Orders something from the kernel on behalf of a Child SA, of a connection alone, or of nobody any more. */
  command(command: DataplaneCommand, connection: Connection | undefined, ikeSa: number, childSpi: number): void {
    const owner = { connection: connection?.config.name ?? '', ikeSa, childSpi };
    this.#actions.push({ kind: 'dataplane', command, owner });
  }

  /** Makes sure that the connection is called when its deadline comes. */
  schedule(connection: Connection): void {
    this.connectionTimers.set(connection, connectionDeadline(connection, this.context.limits));
  }

  nextNumber(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /** A random IKE SPI that is neither zero nor in use. */
  drawIkeSpi(): IkeSpi {
    for (;;) {
      this.context.random.spis.fill(ikeSpiBytes);
      const spi = spiFromBytes(ikeSpiBytes);
      if (spi !== ZERO_SPI && !this.ikeSas.has(spi)) return spi;
    }
  }

  /** A random inbound ESP SPI that is not reserved (RFC 4303 §2.1) and not in use; it counts as in use from here on. */
  drawEspSpi(): number {
    for (;;) {
      this.context.random.spis.fill(espSpiBytes);
      const spi = uint32At(espSpiBytes, 0);
      if (spi < FIRST_ESP_SPI || this.espSpis.has(spi)) continue;
      this.espSpis.add(spi);
      return spi;
    }
  }

  drawNonce(bytes = NONCE_BYTES): Uint8Array {
    const nonce = new Uint8Array(bytes);
    this.context.random.nonces.fill(nonce);
    return nonce;
  }
}

/** What is drawn goes here and is read at once. */
const ikeSpiBytes = new Uint8Array(8);
const espSpiBytes = new Uint8Array(4);
/** SPIs 1 to 255 are reserved (RFC 4303 §2.1). */
const FIRST_ESP_SPI = 256;
/** At least half the key size of the PRF (RFC 7296 §2.10): enough for HMAC-SHA2-512. */
export const NONCE_BYTES = 32;
const COOKIE_PRF = PrfId.PRF_HMAC_SHA2_256;

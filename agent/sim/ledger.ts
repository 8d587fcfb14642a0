import type { SaId } from '../dataplane/types.ts';
import { DEFAULT_LIMITS } from '../ike/limits.ts';
import { Refusals } from './refusals.ts';

/** Why SAs of a pair may end without a successor. */
export type Cause =
  /** Somebody ordered it: terminate, terminateChild, a connection taken out of the configuration. */
  | 'order'
  | 'reboot'
  /** The kernel ended an SA at its hard limit. */
  | 'hardLimit'
  /** A kernel refused an SA or policy of the pair. */
  | 'refusal'
  /** Liveness failed at one end. */
  | 'peerDead'
  /** Somebody changed a message of IKE_SA_INIT, which the proofs of IKE_AUTH bring to light. */
  | 'tampering';

/** How an SA went at the host that receives on it. */
export interface Departure {
  readonly cause: 'agent' | 'reboot' | 'hardLimit';
  readonly atMs: number;
}

/** What happened that others may have to suffer for: the checks look here before they complain. Times are the clock's. */
export class Ledger {
  readonly #causes = new Map<number, Map<Cause, number>>();
  readonly #installed = new Map<string, number>();
  readonly #departures = new Map<string, Departure>();
  readonly #refusals = new Map<number, Refusals>();
  readonly #tampered = new Map<string, number>();
  readonly #takenOut = new Map<string, number>();
  readonly #putIn = new Map<string, number>();
  readonly #distrusted = new Map<string, number>();
  readonly #reboots = new Map<number, number>();

  /** Notes something by which SAs of a pair may end. */
  noteCause(pair: number, cause: Cause, atMs: number): void {
    const causes = this.#causes.get(pair) ?? new Map<Cause, number>();
    this.#causes.set(pair, causes.set(cause, atMs));
  }

  /** What happened to a pair since an instant. */
  causesSince(pair: number, sinceMs: number): readonly Cause[] {
    return [...(this.#causes.get(pair) ?? [])].filter(([, atMs]) => atMs >= sinceMs).map(([cause]) => cause);
  }

  /** Notes that the host with the SA's destination has it from now on. */
  noteInstalled(id: SaId, atMs: number): void {
    this.#installed.set(`${id.spi} ${id.destination}`, atMs);
  }

  /** When it was; undefined where it never had it. */
  installedAt(id: SaId): number | undefined {
    return this.#installed.get(`${id.spi} ${id.destination}`);
  }

  /** Notes that the host with the SA's destination does not have it any more. */
  noteGone(id: SaId, departure: Departure): void {
    this.#departures.set(`${id.spi} ${id.destination}`, departure);
  }

  /** How an SA went; undefined where it never was, or is still there. */
  gone(id: SaId): Departure | undefined {
    return this.#departures.get(`${id.spi} ${id.destination}`);
  }

  /** Notes that a node has, or may have had, a reason not to believe a peer. */
  noteDistrust(node: string, peer: string, atMs: number): void {
    this.#distrusted.set(pairText(node, peer), atMs);
  }

  /** When either of them had that last; undefined if neither ever had. */
  distrustedAt(node: string, peer: string): number | undefined {
    return this.#distrusted.get(pairText(node, peer));
  }

  noteTakenOut(node: number, peer: number, atMs: number): void {
    this.#takenOut.set(`${node} ${peer}`, atMs);
  }

  /** When a node's connection with a peer was last taken out of its configuration; undefined if it never was. */
  takenOutAt(node: number, peer: number): number | undefined {
    return this.#takenOut.get(`${node} ${peer}`);
  }

  notePutIn(node: number, peer: number, atMs: number): void {
    this.#putIn.set(`${node} ${peer}`, atMs);
  }

  /** When a node's connection with a peer was last put into its configuration again; undefined if it never was. */
  putInAt(node: number, peer: number): number | undefined {
    return this.#putIn.get(`${node} ${peer}`);
  }

  noteReboot(node: number, atMs: number): void {
    this.#reboots.set(node, atMs);
    this.#refusals.delete(node);
  }

  /** When a node last lost its kernel's state; undefined if it never did. */
  rebootedAt(node: number): number | undefined {
    return this.#reboots.get(node);
  }

  /** What a node's kernel has refused. */
  refusalsOf(node: number): Refusals {
    const known = this.#refusals.get(node);
    if (known !== undefined) return known;
    const refusals = new Refusals();
    this.#refusals.set(node, refusals);
    return refusals;
  }

  /** Notes that a node got a message of IKE_SA_INIT from a peer that the peer has not sent so. */
  noteTampered(node: number, peer: number, atMs: number): void {
    this.#tampered.set(`${node} ${peer}`, atMs);
  }

  /** When that happened last to either of them; undefined if it never did. */
  tamperedAt(node: number, peer: number): number | undefined {
    const times = [this.#tampered.get(`${node} ${peer}`), this.#tampered.get(`${peer} ${node}`)];
    return times.reduce((last, atMs) => (last === undefined || (atMs ?? 0) > last ? atMs : last));
  }

  /**
   * Whether an attempt between two nodes cannot come to anything because a message of IKE_SA_INIT was changed on its way,
   * and goes on all the same: whoever began it asks for a proof until its time is over, for the peer may have one to give
   * that is only late.
   */
  isHopeless(node: number, peer: number, startedAtMs: number, nowMs: number): boolean {
    return startedAtMs <= (this.tamperedAt(node, peer) ?? NEVER) && nowMs <= startedAtMs + LONGEST_ATTEMPT_MS;
  }
}

const NEVER = Number.NEGATIVE_INFINITY;
/** IKE_SA_INIT and IKE_AUTH, each as long as it is repeated, a verification, and a moment. */
const LONGEST_ATTEMPT_MS = 2 * DEFAULT_LIMITS.handshakeTimeoutMs + DEFAULT_LIMITS.verificationTimeoutMs + 1_000;

function pairText(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

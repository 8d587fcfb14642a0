import type { SaId } from '../dataplane/types.ts';

/** Why SAs of a pair may end without a successor. */
export type Cause =
  /** Somebody ordered it: terminate, terminateChild, a connection taken out of the configuration. */
  | 'order'
  | 'reboot'
  /** The kernel ended an SA at its hard limit. */
  | 'hardLimit'
  /** A kernel refused a command. */
  | 'refusal'
  /** Liveness failed at one end. */
  | 'peerDead';

/** How an SA went at the host that receives on it. */
export interface Departure {
  readonly cause: 'agent' | 'reboot' | 'hardLimit';
  readonly atMs: number;
}

/** What happened that others may have to suffer for: the checks look here before they complain. Times are the clock's. */
export class Ledger {
  readonly #causes = new Map<number, Map<Cause, number>>();
  readonly #departures = new Map<string, Departure>();
  readonly #policyRefusals = new Map<number, number>();
  readonly #refusals = new Map<number, number>();
  readonly #takenOut = new Map<string, number>();
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

  /** Notes that the host with the SA's destination does not have it any more. */
  noteGone(id: SaId, departure: Departure): void {
    this.#departures.set(`${id.spi} ${id.destination}`, departure);
  }

  /** How an SA went; undefined where it never was, or is still there. */
  gone(id: SaId): Departure | undefined {
    return this.#departures.get(`${id.spi} ${id.destination}`);
  }

  noteTakenOut(node: number, peer: number, atMs: number): void {
    this.#takenOut.set(`${node} ${peer}`, atMs);
  }

  /** When a node's connection with a peer was last taken out of its configuration; undefined if it never was. */
  takenOutAt(node: number, peer: number): number | undefined {
    return this.#takenOut.get(`${node} ${peer}`);
  }

  noteReboot(node: number, atMs: number): void {
    this.#reboots.set(node, atMs);
  }

  /** When a node last lost its kernel's state; undefined if it never did. */
  rebootedAt(node: number): number | undefined {
    return this.#reboots.get(node);
  }

  noteRefused(node: number, atMs: number): void {
    this.#refusals.set(node, atMs);
  }

  /** When a node's kernel last refused a command; undefined if it never did. */
  refusedAt(node: number): number | undefined {
    return this.#refusals.get(node);
  }

  notePolicyRefused(node: number, atMs: number): void {
    this.#policyRefusals.set(node, atMs);
  }

  /** When a node's kernel last refused a policy; undefined if it never did. */
  policyRefusedAt(node: number): number | undefined {
    return this.#policyRefusals.get(node);
  }
}

import type { DataplaneCommand, DataplaneError, DataplaneEvent, KernelSnapshot } from './dataplane/types.ts';
import type { Fact } from './ike/fact.ts';
import type { Path, VerificationJob, VerificationRefusal } from './ike/types.ts';
import type { Trust } from './pki/credential.ts';
import type { Result } from './result.ts';

export type { Random } from './crypto/types.ts';

/** Time, in two forms: one that never jumps for deadlines, one that people and certificates know. */
export interface Clock {
  /** Milliseconds from an arbitrary start, never going back. */
  monotonicMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
}

/** Calls back later. */
export interface Timers {
  /** Calls `callback` once after about `delayMs` milliseconds; the returned function calls it off. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The UDP sockets of IKE. Datagrams carry no non-ESP marker on this side: the transport adds and removes it on port 4500. */
export interface Transport {
  /** With `doNotFragment` in one IP packet, however long the path lets packets be, or not at all. */
  send(path: Path, bytes: Uint8Array, doNotFragment?: boolean): void;
  /** Sends a NAT keepalive, the single octet 0xFF without a marker (RFC 3948 §2.3). */
  sendKeepalive(path: Path): void;
  /** Registers the one receiver of datagrams. */
  onDatagram(receiver: (path: Path, bytes: Uint8Array) => void): void;
  /** Lets go of the sockets. */
  close(): void;
}

/** The kernel's SAs and policies, or a fake of them. */
export interface Dataplane {
  /** Whether the kernel sends NAT keepalives for the SAs that ask for them. */
  readonly sendsKeepalives: boolean;
  /** Carries out one command and answers when the kernel has. */
  execute(command: DataplaneCommand): Result<void, DataplaneError>;
  /** Everything that is installed, foreign objects included. */
  dump(): Result<KernelSnapshot, DataplaneError>;
  /** Registers the one receiver of events. */
  onEvent(receiver: (event: DataplaneEvent) => void): void;
  close(): void;
}

/** The largest segment that TCP connections through a Child SA may have, by the IP version of what is encrypted. */
export interface SegmentSizes {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** Why segments are not clamped, in a sentence for people. */
export interface SegmentClampFailure {
  readonly kind: 'segmentClampFailure';
  readonly text: string;
}

/** The host's packet filter, as far as it makes the MSS that TCP connections through Child SAs agree on smaller, or a fake of it. */
export interface SegmentClamps {
  /** What is in force by reqid: empty where nothing of ours is, undefined where it is not as it was put. */
  read(): Result<ReadonlyMap<number, SegmentSizes> | undefined, SegmentClampFailure>;
  /** Puts these in the place of all others in one go. With none nothing of ours is left. */
  replace(sizes: ReadonlyMap<number, SegmentSizes>): Result<void, SegmentClampFailure>;
  close(): void;
}

/** Checks certificates and signatures, which takes a while and is done elsewhere. */
export interface Verifier {
  /** Settles once; whoever asks sets the bound on how long it may take. */
  verify(job: VerificationJob): PromiseLike<Result<void, VerificationRefusal>>;
}

/** What people want to know of a certificate that a peer has proven itself by. */
export interface ShownCertificate {
  /** Distinguished names, the most specific part first. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal. */
  readonly serial: string;
  readonly notAfterMs: number;
}

/**
 * Remembers by which certificates peers have proven themselves, to look at them again when revocation lists change and to
 * show them.
 */
export interface RevocationMemory {
  /** The certificate that the peer of a connection has proven itself by last; undefined where there is none. */
  shownCertificate(connection: string): ShownCertificate | undefined;
  /** Why the certificate that the peer of a connection showed last has been revoked, by this trust; it is told once. */
  revocationFault(connection: string, trust: Trust): string | undefined;
  /** A connection has got another name. */
  rename(from: string, to: string): void;
  /** Forgets the peers of all other connections. */
  retain(connections: ReadonlySet<string>): void;
}

/** Receives every fact; logs, metrics and status are folds over them. */
export interface Observer {
  note(fact: Fact): void;
}

import type { IkeKeys, IkeRole } from '../crypto/keymat.ts';
import type { EphemeralKey } from '../crypto/types.ts';
import type { KeyHash } from '../pki/credential.ts';
import type { IkeAuthRequest, IkeAuthResponse } from '../wire/grammar.ts';
import type { IkeSpi } from '../wire/header.ts';
import type { Payload } from '../wire/payloads/payload.ts';
import type { ChildSa } from './child/child-sa.ts';
import type { Connection } from './connection/connection.ts';
import type { CloseReason } from './fact.ts';
import type { Reassembly } from './message/fragment.ts';
import type { Window } from './message/window.ts';
import type { IkeCryptography } from './negotiation/suite.ts';
import type { Traffic } from './negotiation/traffic.ts';
import type { NatSituation, NattedPath } from './path/natd.ts';
import type { PathMtuSearch } from './path/path-mtu-search.ts';
import type { ChildConfig, Instant, Path, ProposalConfig } from './types.ts';

/** What both sides said in IKE_SA_INIT; kept until AUTH has covered it (RFC 7296 §2.15). */
export interface Handshake {
  readonly cryptography: IkeCryptography;
  /** The last IKE_SA_INIT request and its response, as they were on the wire. */
  readonly request: Uint8Array;
  readonly response: Uint8Array;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  /** Whether the peer says that it is an agent as we are. */
  readonly peerIsAgent: boolean;
  /** Hashes that the peer accepts in signatures (RFC 7427 §4); undefined where it does not say. */
  readonly peerHashes: readonly number[] | undefined;
  /** Whether a responder takes IKE_AUTH without a Child SA (RFC 6023). */
  readonly childless: boolean;
  /** Authorities whose certificates a responder asks for; an initiator asks in IKE_AUTH. */
  readonly requestedAuthorities: readonly KeyHash[];
}

/** What IKE_SA_INIT has led to: with whom is for IKE_AUTH to show. */
export interface Negotiated {
  readonly handshake: Handshake;
  readonly keys: IkeKeys;
}

/** A Child SA that we have asked for, and on which way. */
export interface ChildOffer extends NattedPath {
  readonly config: ChildConfig;
  readonly inboundSpi: number;
  readonly traffic: Traffic;
  /** Whether what the peer sends on it before it is installed is kept. */
  readonly awaited: boolean;
}

/** Initiator: HDR, SAi1, KEi, Ni --> sent; nothing of the peer is believed yet. */
export interface InitRequested {
  readonly kind: 'initRequested';
  /** What was offered: the configuration may be another one when the answer comes. */
  readonly proposals: readonly ProposalConfig[];
  readonly nonce: Uint8Array;
  readonly ephemeral: EphemeralKey;
  readonly group: number;
  readonly cookie: Uint8Array | undefined;
  /** COOKIE and INVALID_KE_PAYLOAD answers that were followed so far. */
  readonly retries: number;
  /** The NAT detection of all requests of the attempt. */
  readonly natDetection: readonly Payload[];
  readonly request: Uint8Array;
  /** The last unprotected error, told only if no better answer comes (RFC 7296 §2.21.1). */
  readonly unprotectedError: number | undefined;
}

/** Responder: <-- HDR, SAr1, KEr, Nr sent. The shared secret is computed when the first protected message comes. */
export interface InitAnswered {
  readonly kind: 'initAnswered';
  readonly handshake: Handshake;
  readonly ephemeral: EphemeralKey;
  readonly peerPublicValue: Uint8Array;
  /** Peers of this address that accept the chosen suite; the identity in IKE_AUTH decides among them. */
  readonly candidates: readonly Connection[];
  readonly keys: IkeKeys | undefined;
  readonly integrityFailures: number;
  readonly expiresAt: Instant;
}

/** Initiator: HDR, SK {IDi, AUTH, SAi2, TSi, TSr} --> sent. */
export interface AuthRequested extends Negotiated {
  readonly kind: 'authRequested';
  /** Undefined where IKE_AUTH asks for no Child SA (RFC 6023). */
  readonly offer: ChildOffer | undefined;
}

/** Either side: the peer's certificate and signature are with the Verifier; repeated messages are absorbed. */
export interface Verifying extends Negotiated {
  readonly kind: 'verifying';
  readonly job: number;
  /** When the message came. */
  readonly since: Instant;
  readonly expiresAt: Instant;
  readonly inner: SuspendedMessage;
}

/** An IKE_AUTH message that is acted on when the Verifier has answered. */
export type SuspendedMessage =
  | {
      readonly kind: 'request';
      readonly connection: Connection;
      readonly request: IkeAuthRequest;
      readonly datagram: Uint8Array;
      readonly messageId: number;
      readonly path: Path;
      readonly way: NattedPath;
    }
  | {
      readonly kind: 'response';
      readonly response: Extract<IkeAuthResponse, { kind: 'authenticated' }>;
      readonly offer: ChildOffer | undefined;
    };

/** Both sides have authenticated. */
export interface Established {
  readonly kind: 'established';
  readonly keys: IkeKeys;
  readonly cryptography: IkeCryptography;
  readonly establishedAt: Instant;
  /** When both sides proved who they are; a rekey does not change it. */
  readonly authenticatedAt: Instant;
  /** min(Ni, Nr): decides between crossing initial exchanges; the same at both ends. */
  readonly lowestNonce: Uint8Array;
  readonly peerIsAgent: boolean;
  readonly children: readonly ChildSa[];
  /** What our open request asks for, where requests of the peer may collide with it. */
  readonly asked: Asked | undefined;
  readonly followUp: FollowUp | undefined;
  /** When to rekey the IKE SA, and since when that has been tried. */
  readonly rekeyAt: Instant;
  readonly rekeyingSince: Instant | undefined;
  /** When to replace it by one with new proofs of identity; undefined for never. */
  readonly reauthenticateAt: Instant | undefined;
  /** The same because the peer demands it (RFC 4478). */
  readonly demandedAt: Instant | undefined;
  /** When to end what this IKE SA or a newer pair in it has taken the place of; undefined where there is nothing. */
  readonly settleAt: Instant | undefined;
  /** When it ends without a Delete, because the peer has forgotten it; else undefined. */
  readonly endsAt: Instant | undefined;
  /**
   * Of one by which the peer has rekeyed another one while a rekey of ours is open: which of the two stays is known when
   * ours is answered, by min(Ni, Nr) of both exchanges (RFC 7296 §2.8.2).
   */
  readonly rivalOf: { readonly ikeSa: number; readonly lowestNonce: Uint8Array } | undefined;
}

/** Another IKE SA has taken its place by a rekey, and its Child SAs: only its Delete is awaited, which is the peer's. */
export interface Rekeyed {
  readonly kind: 'rekeyed';
  readonly reason: CloseReason;
  /** The other one, by number. */
  readonly successor: number;
  /** When we delete it all the same. */
  readonly deleteAt: Instant;
  readonly keys: IkeKeys;
  readonly cryptography: IkeCryptography;
}

/** Our Delete for the IKE SA is out; only its answer is awaited. */
export interface Deleting {
  readonly kind: 'deleting';
  readonly reason: CloseReason;
  /** Whether it was established before. */
  readonly established: boolean;
  readonly peerIsAgent: boolean;
  /** When somebody said first, without proof, that the peer knows nothing of it; undefined where nobody has. */
  readonly disownedAt: Instant | undefined;
  readonly keys: IkeKeys;
  readonly cryptography: IkeCryptography;
}

/** Gone, but for the last response, which answers a repeated Delete until `expiresAt`. */
export interface Closed {
  readonly kind: 'closed';
  readonly expiresAt: Instant;
}

export type IkeSaState =
  | InitRequested
  | InitAnswered
  | AuthRequested
  | Verifying
  | Established
  | Rekeyed
  | Deleting
  | Closed;

/**
 * Requests that wait until the kernel has had its say about what was just installed: a further request tells the peer
 * that we have it.
 */
export interface FollowUp {
  readonly at: Instant;
  /** Configured Child SAs to ask for, by name. */
  readonly missing: readonly string[];
  /** To show that we have the pair, if nothing else does. */
  readonly show: boolean;
}

/** What our open request asks for. */
export type Asked = AskedChild | AskedIkeSa | AskedDelete;

/** The Child SA that our open CREATE_CHILD_SA asks for. */
export type AskedChild = AskedFurtherChild | AskedSuccessor;

interface AskedFurtherChild extends AskedPair {
  readonly kind: 'createChild';
}

/** A pair to take the place of another one, which was as it is here when it was asked for. */
export interface AskedSuccessor extends AskedPair {
  readonly kind: 'rekeyChild';
  readonly rekeyed: ChildSa;
}

interface AskedPair {
  readonly offer: ChildOffer;
  readonly nonce: Uint8Array;
  /** Where the proposals have a key exchange of their own. */
  readonly key: { readonly group: number; readonly ephemeral: EphemeralKey } | undefined;
  /** Whether the peer has asked for another group once. */
  readonly retried: boolean;
  /**
   * What the peer has deleted meanwhile and we do not know: perhaps the pair that its answer, still under way, grants.
   */
  readonly deleted: readonly number[];
}

/** The IKE SA that our open CREATE_CHILD_SA asks for, to take the place of this one. */
export interface AskedIkeSa {
  readonly kind: 'rekeyIkeSa';
  /** What was offered: the configuration may be another one when the answer comes. */
  readonly proposals: readonly ProposalConfig[];
  readonly localSpi: IkeSpi;
  readonly nonce: Uint8Array;
  readonly key: { readonly group: number; readonly ephemeral: EphemeralKey };
  /** Whether the peer has asked for another group once. */
  readonly retried: boolean;
  /** The IKE SA by which the peer has rekeyed this one meanwhile, by number. */
  readonly rival: number | undefined;
}

/** A pair that is out of use, which the peer has been told and has not answered yet. */
interface AskedDelete {
  readonly kind: 'deleteChild';
  readonly outboundSpi: number;
}

/** A request of ours that waits until the window is free. */
export type QueuedRequest =
  | { readonly kind: 'liveness' }
  /** Shows whether a packet of the next size of this search arrives. */
  | { readonly kind: 'probePath'; readonly search: PathMtuSearch }
  /** Asks the peer to begin a new IKE SA with new proofs (RFC 4478). */
  | { readonly kind: 'inviteReauthentication' }
  | { readonly kind: 'deleteIkeSa'; readonly reason: CloseReason }
  | {
      readonly kind: 'deleteChild';
      readonly inboundSpi: number;
      /** By this the peer calls it; undefined where there is none yet. */
      readonly outboundSpi: number | undefined;
      readonly reason: CloseReason;
    }
  /** By the name of its configuration; `group` where the peer asked for another one. */
  | { readonly kind: 'createChild'; readonly child: string; readonly group: number | undefined }
  | { readonly kind: 'rekeyChild'; readonly inboundSpi: number; readonly group: number | undefined }
  | { readonly kind: 'rekeyIkeSa'; readonly group: number | undefined }
  /** Tells the peer why its proof was refused, and deletes (RFC 7296 §2.21.2). */
  | { readonly kind: 'authenticationFailed' };

/**
 * In what datagrams protected messages are sent: in one each to a peer that does not take fragments (RFC 7383 §2.3), of
 * the size that is configured, or of the smallest, where larger ones seem not to arrive.
 */
export type Fragmentation = 'none' | 'configured' | 'smallest';

/** An IKE SA: its identity and what it owns. Only `ike-sa.ts` and `endpoint.ts` write to it. */
export interface IkeSa {
  /** Unique in this endpoint, never reused. */
  readonly number: number;
  readonly role: IkeRole;
  readonly startedAt: Instant;
  readonly localSpi: IkeSpi;
  remoteSpi: IkeSpi;
  /** Undefined on a responder until the peer has said who it is. */
  connection: Connection | undefined;
  path: Path;
  nat: NatSituation;
  /** How often ESP has moved the peer since an instant less than a second ago. */
  mappings: { readonly since: Instant; readonly count: number };
  /** When a NAT in front of us is to be kept from forgetting us. */
  keepaliveAt: Instant;
  state: IkeSaState;
  readonly window: Window;
  readonly queue: QueuedRequest[];
  fragmentation: Fragmentation;
  /** At most one message of the peer in each direction that is there in part. */
  reassemblies: readonly Reassembly[];
  /** Its key among the half-open IKE SAs; undefined where it is none of them, or none any more. */
  halfOpenKey: string | undefined;
  /** Last authenticated message of the peer. */
  lastHeardAt: Instant;
  /** The IKE SA that this one is to replace, by number; 0 for none. Of a responder's the peer says it. */
  replaces: number;
  /** Counter of IVs that must not repeat under a key (RFC 5282 §3.1). */
  nextIv: number;
  /** Position of the earliest timer that was set for it; see `timers.ts`. */
  timerAt: Instant | undefined;
}

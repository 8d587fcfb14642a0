import type { DataplaneError } from '../dataplane/types.ts';
import type { InboundArrival, OutboundArrival } from './child/arrival.ts';
import type { Traffic } from './negotiation/traffic.ts';
import type { Decision, OwnOperation, PeerRequest } from './rekey/collision.ts';
import type { Path, SuiteText } from './types.ts';

/** Why a datagram was dropped without changing any state. */
export type DropReason =
  | 'malformed'
  | 'majorVersion'
  | 'unknownSpi'
  | 'unknownPeer'
  | 'integrity'
  | 'unexpectedMessageId'
  | 'unexpectedExchange'
  | 'unexpectedResponse'
  | 'differentRetransmission'
  | 'unauthenticatedNotify'
  | 'halfOpenLimit'
  /** IKE_SA_INIT from an address that has to be proved first (RFC 7296 §2.6). */
  | 'cookieRequired'
  | 'cookieInvalid'
  /** A repeated request from an address that the peer has not shown to have, whose answer is longer than it. */
  | 'unprovedAddress'
  | 'reflected'
  /** SKF of a peer with which fragmentation was not agreed on. */
  | 'unexpectedFragment'
  /** A fragment that has come before, or belongs to a request that has been answered. */
  | 'repeatedFragment'
  /** A fragment of a message that its sender has begun anew in smaller ones. */
  | 'obsoleteFragment'
  | 'reassemblyLimit'
  | 'reassemblyTimeout'
  | 'busy';

/** Why an IKE SA ended. */
export type CloseReason =
  | 'deletedByPeer'
  /** The peer did not accept our proof, or a message of ours, and gave this one up. */
  | 'refusedByPeer'
  | 'deletedLocally'
  | 'peerDead'
  | 'replaced'
  | 'rekeyed'
  | 'duplicate'
  | 'negotiationFailed'
  | 'protocolViolation'
  | 'dataplaneFailed'
  | 'expired';

/** Why a negotiation came to nothing, grouped by whose move it is. */
export type FailureReason =
  /** No common algorithms (either side's NO_PROPOSAL_CHOSEN). */
  | 'noProposalChosen'
  /** The peer refused our proof, or we refused its. */
  | 'authenticationFailed'
  | 'trafficSelectorsUnacceptable'
  /** No answer within the time allowed. */
  | 'timeout'
  /** The peer broke the protocol. */
  | 'peerViolation'
  | 'dataplane'
  /** An error notify that has no name of its own here; the text tells its number. */
  | 'refusedByPeer';

/** What ends at a known time: our own certificate, that of an authority we trust, a revocation list. */
export type CredentialKind = 'own' | 'authority' | 'revocationList';

/** What happened. Logs, metrics and status are folds over facts; the core has no logger. */
export type Fact =
  | {
      readonly kind: 'ikeSaEstablished';
      readonly connection: string;
      readonly ikeSa: number;
      readonly role: 'initiator' | 'responder';
      readonly path: Path;
      readonly initiatorSpi: string;
      readonly responderSpi: string;
      readonly suite: SuiteText;
      readonly handshakeMs: number;
      /** Another IKE SA with the peer is established, which this one is to replace. */
      readonly renews: boolean;
    }
  | {
      readonly kind: 'ikeSaClosed';
      readonly connection: string;
      readonly ikeSa: number;
      readonly path: Path;
      readonly reason: CloseReason;
      readonly established: boolean;
    }
  | {
      readonly kind: 'childSaEstablished';
      readonly connection: string;
      readonly ikeSa: number;
      readonly child: string;
      readonly inboundSpi: number;
      readonly outboundSpi: number;
      readonly reqid: number;
      readonly suite: SuiteText;
      readonly traffic: Traffic;
    }
  | {
      readonly kind: 'childSaClosed';
      readonly connection: string;
      readonly ikeSa: number;
      readonly child: string;
      readonly inboundSpi: number;
      readonly outboundSpi: number;
      readonly reason: CloseReason;
    }
  /** A Child SA has got a successor, which `by` asked for. */
  | {
      readonly kind: 'childSaRekeyed';
      readonly connection: string;
      readonly child: string;
      readonly by: 'us' | 'peer';
      readonly replacedInboundSpi: number;
      readonly inboundSpi: number;
    }
  /** An IKE SA has taken the place of another one by a rekey, in which the initiator is the side that asked. */
  | {
      readonly kind: 'ikeSaRekeyed';
      readonly connection: string;
      readonly ikeSa: number;
      readonly replaced: number;
      readonly role: 'initiator' | 'responder';
      readonly path: Path;
      readonly initiatorSpi: string;
      readonly responderSpi: string;
      readonly suite: SuiteText;
    }
  /** A rekey came to nothing on the IKE SA that stands; a new one is negotiated. `child` is empty for the IKE SA itself. */
  | {
      readonly kind: 'rekeyFailed';
      readonly connection: string;
      readonly child: string;
      readonly reason: FailureReason;
      readonly by: 'us' | 'peer';
    }
  /** The peer believes our proof for so long only (RFC 4478): a new IKE SA is negotiated in time. */
  | { readonly kind: 'reauthenticationDemanded'; readonly connection: string; readonly seconds: number }
  /** The peer has no time for a rekey now; it is asked again. */
  | { readonly kind: 'rekeyPostponed'; readonly connection: string; readonly child: string }
  /** A request of the peer has met something of ours that is under way (`collision.ts`). */
  | {
      readonly kind: 'collision';
      readonly connection: string;
      readonly child: string;
      readonly request: PeerRequest;
      readonly own: OwnOperation;
      readonly decision: Decision;
    }
  /** `text` says what happened, with which peer, and what to do. `connection` is empty where the peer is unknown. */
  | {
      readonly kind: 'negotiationFailed';
      readonly connection: string;
      readonly path: Path;
      readonly reason: FailureReason;
      readonly by: 'us' | 'peer';
      readonly text: string;
    }
  | { readonly kind: 'retransmitted'; readonly connection: string; readonly path: Path; readonly attempt: number }
  | { readonly kind: 'livenessChecked'; readonly connection: string; readonly path: Path }
  | { readonly kind: 'datagramDropped'; readonly reason: DropReason; readonly path: Path; readonly text: string }
  /** Whether strangers have to prove their address by a COOKIE from now on. */
  | { readonly kind: 'cookiesDemanded'; readonly demanded: boolean; readonly halfOpen: number }
  | { readonly kind: 'responseReplayed'; readonly connection: string; readonly path: Path }
  | { readonly kind: 'natDetected'; readonly connection: string; readonly local: boolean; readonly remote: boolean }
  /** Behind its NAT a peer has got another address or port; IKE and ESP in UDP go there from here on. */
  | { readonly kind: 'peerMoved'; readonly connection: string; readonly from: Path; readonly to: Path }
  /** A status or error notify that has no meaning here; RFC 7296 §3.10.1 asks that it be ignored. */
  | { readonly kind: 'notifyIgnored'; readonly connection: string; readonly notifyType: number }
  | { readonly kind: 'acquired'; readonly connection: string; readonly child: string }
  | { readonly kind: 'saExpired'; readonly connection: string; readonly child: string; readonly hard: boolean }
  /** Somebody else has deleted an SA of ours, or put another one in its place; the pair is negotiated anew. */
  | { readonly kind: 'saTampered'; readonly connection: string; readonly child: string; readonly spi: number }
  /** Somebody else has removed a policy of ours, which was put back. */
  | { readonly kind: 'policyRestored'; readonly object: string }
  /** Packets of a pair do not get through, or do so again. */
  | {
      readonly kind: 'arrivalChanged';
      readonly connection: string;
      readonly child: string;
      readonly inbound: InboundArrival;
      readonly outbound: OutboundArrival;
    }
  /** What we send as ESP does not arrive: from a new IKE SA on it goes in UDP. */
  | { readonly kind: 'espFallback'; readonly connection: string }
  /** Packets of so many bytes arrive at the peer, and longer ones do not, or the interface sends no longer ones. */
  | {
      readonly kind: 'pathMtuFound';
      readonly connection: string;
      readonly path: Path;
      readonly bytes: number;
      readonly most: number;
    }
  | { readonly kind: 'orphanRemoved'; readonly connection: string; readonly spi: number }
  /** A file with a key, certificate, bundle or list cannot be used; what was read before stays in use. */
  | { readonly kind: 'credentialHeldBack'; readonly text: string }
  /** A certificate, of our own or of an authority, or a revocation list is in use from here on. */
  | {
      readonly kind: 'credentialTaken';
      readonly what: CredentialKind;
      readonly name: string;
      readonly notAfterMs: number;
    }
  /** It ends soon and nothing has come in its place; `leftMs` is not positive once it has ended. */
  | {
      readonly kind: 'credentialEnding';
      readonly what: CredentialKind;
      readonly name: string;
      readonly file: string;
      readonly notAfterMs: number;
      readonly leftMs: number;
    }
  /** The peer's certificate has been revoked since it was verified; its SAs end. */
  | { readonly kind: 'peerRevoked'; readonly connection: string; readonly text: string }
  | { readonly kind: 'dataplaneFailed'; readonly connection: string; readonly error: DataplaneError };

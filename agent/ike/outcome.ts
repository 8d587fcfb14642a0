import type { ChildKeys, IkeKeys, IkeRole } from '../crypto/keymat.ts';
import type { IkeSpi } from '../wire/header.ts';
import type { NotifyPayload } from '../wire/payloads/notify.ts';
import type { Payload } from '../wire/payloads/payload.ts';
import type { ReceivedCount } from '../wire/received-notify.ts';
import type { Answer } from './child/arrival.ts';
import type { ChildAgreement, ChildSa } from './child/child-sa.ts';
import type { Connection } from './connection/connection.ts';
import type { PeerPast } from './connection/instance.ts';
import type { CloseReason, DropReason, Fact, FailureReason } from './fact.ts';
import type { IkeCryptography } from './negotiation/suite.ts';
import type { NatSituation } from './path/natd.ts';
import type { IkeSaState, QueuedRequest } from './state.ts';
import type { Path, VerificationJob } from './types.ts';

/** What an exchange handler decided. Nothing of it has happened until `ike-sa.ts` commits it. */
export interface Outcome {
  readonly next: IkeSaState;
  /** Payloads of the response to the request that was handled; undefined for none (yet). */
  readonly reply?: readonly Payload[];
  /** The response in case the kernel refuses the Child SA that `reply` grants. */
  readonly replyWithoutChild?: readonly Payload[];
  /** The next request of an initial exchange, sent at once. */
  readonly request?: { readonly exchangeType: number; readonly payloads: readonly Payload[] };
  /** Requests for when the window is free. */
  readonly enqueue?: readonly QueuedRequest[];
  readonly install?: NewPair;
  /**
   * The IKE SA is rekeyed: by what was agreed on, or, where our request came to nothing, by `rival`, which the peer has
   * made meanwhile.
   */
  readonly succession?: { readonly agreed: AgreedIkeSa | undefined; readonly rival: number | undefined };
  /** Inbound SPIs of Child SAs that end. */
  readonly remove?: { readonly inboundSpis: readonly number[]; readonly reason: CloseReason };
  /** What was asked for is not to be had on this IKE SA: a new one is to take its place. */
  readonly reauthenticate?: boolean;
  /** The IKE SA ends with this. */
  readonly close?: CloseReason;
  /** The peer has turned out to be this one. */
  readonly connection?: Connection;
  readonly nat?: NatSituation;
  /** Both sides take messages in fragments (RFC 7383 §2.3). */
  readonly fragmentation?: boolean;
  /** What the peer says of what was before. */
  readonly past?: PeerPast;
  /** What the peer's kernel has counted of what we send; in an answer, when the question was first sent. */
  readonly received?: { readonly counts: readonly ReceivedCount[]; readonly answer: Answer };
  readonly verify?: VerificationJob;
  readonly failure?: NegotiationFailure;
  readonly facts?: readonly Fact[];
}

/** An IKE SA that a rekey has agreed on. */
export interface AgreedIkeSa {
  /** Ours in it: whoever has asked is the initiator. */
  readonly role: IkeRole;
  readonly localSpi: IkeSpi;
  readonly remoteSpi: IkeSpi;
  readonly keys: IkeKeys;
  readonly cryptography: IkeCryptography;
  /** min(Ni, Nr) of the exchange. */
  readonly lowestNonce: Uint8Array;
}

/** A Child SA that was agreed on. */
export interface NewPair {
  readonly agreement: ChildAgreement;
  readonly keys: ChildKeys;
  readonly rekeys: ChildSa['rekeys'];
  /** A rekey of the peer has crossed ours and stays: this pair is only received on, until it is deleted again. */
  readonly redundant: boolean;
}

/** Why a negotiation failed, in words for the person who has to mend it. */
export interface NegotiationFailure {
  readonly reason: FailureReason;
  readonly by: 'us' | 'peer';
  readonly text: string;
}

/** Why a message is not acted on. */
export type Refusal =
  /** Nothing that an authenticated peer said: no state changes, nobody is answered. */
  | { readonly kind: 'drop'; readonly reason: DropReason; readonly text: string }
  /** An authenticated request that gets an error and changes nothing. */
  | { readonly kind: 'answer'; readonly notify: NotifyPayload; readonly text: string }
  /** An authenticated message after which the IKE SA cannot stand (RFC 7296 §2.21.2, §2.21.3). */
  | {
      readonly kind: 'fatal';
      /** Sent in the response, or in a request of our own where a response was refused. */
      readonly notify: NotifyPayload | undefined;
      readonly close: CloseReason;
      readonly failure: NegotiationFailure;
      /** Whose configuration it concerns, where that has become clear. */
      readonly connection?: Connection | undefined;
    };

/** The authenticated request that an outcome answers. */
export interface HandledRequest {
  readonly exchangeType: number;
  readonly messageId: number;
  /** By the end of which a repetition is known; of a message in fragments, that of the first. */
  readonly datagram: Uint8Array;
  readonly path: Path;
}

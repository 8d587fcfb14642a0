import { endsWith } from '../../crypto/bytes.ts';
import type { Random } from '../../crypto/types.ts';
import type { Payload } from '../../wire/payloads/payload.ts';
import { uint32At } from '../../wire/uint32.ts';
import type { Limits } from '../limits.ts';
import type { PathMtuSearch } from '../path/path-mtu-search.ts';
import type { Instant } from '../types.ts';

/** A request of ours as it is sent. */
interface OpenRequest {
  readonly exchangeType: number;
  /** What is protected in it; nothing of IKE_SA_INIT is. */
  readonly payloads: readonly Payload[];
  readonly datagrams: readonly Uint8Array[];
  /** Where it is to show whether a packet of its length arrives: what is known of that. */
  readonly probe?: PathMtuSearch | undefined;
}

/** A request of ours that waits for its answer. All datagrams of it are repeated as they are (RFC 7296 §2.1). */
export interface PendingRequest extends OpenRequest {
  readonly messageId: number;
  /** The same in smaller datagrams, once these have been tried. */
  readonly smaller: readonly Uint8Array[] | undefined;
  readonly openedAt: Instant;
  /** The longest wait before it is repeated. */
  readonly ceilingMs: number;
  readonly attempt: number;
  readonly repeatAt: Instant;
  readonly giveUpAt: Instant;
}

/** What a message ID of a request means in the window of one (RFC 7296 §2.2, §2.3). */
export type RequestPosition =
  | { readonly kind: 'next' }
  | { readonly kind: 'repeated'; readonly datagrams: readonly Uint8Array[] }
  | { readonly kind: 'differentRetransmission'; readonly datagrams: readonly Uint8Array[] }
  | { readonly kind: 'outside' };

/** The message IDs of both directions of an IKE SA, with a window of one each. */
export class Window {
  #nextRequestId = 0;
  #expectedRequestId = 0;
  #pending: PendingRequest | undefined;
  /** The last response of ours: what a repeated request is answered with (RFC 7296 §2.1). */
  #stored: readonly Uint8Array[] | undefined;
  #storedId = 0;
  /** See `store`. */
  #storedTag: Uint8Array = NO_TAG;
  #protectedTag: Uint8Array | undefined;

  /** The message ID that our next request bears. */
  get nextRequestId(): number {
    return this.#nextRequestId;
  }

  /** The request that is open now, if any. */
  get pending(): PendingRequest | undefined {
    return this.#pending;
  }

  /** Whether a response is kept that a repeated request may still ask for; that to IKE_SA_INIT does not count. */
  get hasAnsweredProtected(): boolean {
    return this.#stored !== undefined && this.#storedId > 0;
  }

  /** Whether message IDs run out soon, so that the IKE SA must be replaced (RFC 7296 §2.2). */
  get exhausted(): boolean {
    return this.#nextRequestId >= LAST_MESSAGE_ID || this.#expectedRequestId >= LAST_MESSAGE_ID;
  }

  /** Starts waiting for the answer to a request that is being sent for the first time. */
  open(
    at: Instant,
    { exchangeType, payloads, datagrams, probe }: OpenRequest,
    timeoutMs: number,
    limits: Limits,
    jitter: Random,
  ): void {
    if (this.#pending !== undefined) throw new Error('a request is open already');
    const ceilingMs = Math.max(
      limits.retransmitFirstMs,
      Math.min(limits.retransmitCeilingMs, timeoutMs / limits.retransmitsBeforeTimeout),
    );
    this.#pending = {
      messageId: this.#nextRequestId,
      exchangeType,
      payloads,
      datagrams,
      probe,
      smaller: undefined,
      openedAt: at,
      ceilingMs,
      attempt: 0,
      repeatAt: at + waitMs(0, ceilingMs, limits, jitter),
      giveUpAt: at + timeoutMs,
    };
    this.#nextRequestId += 1;
  }

  /** Notes that the open request was sent once more. */
  repeat(at: Instant, limits: Limits, jitter: Random): PendingRequest {
    const pending = this.#pending;
    if (pending === undefined) throw new Error('no request is open');
    const attempt = pending.attempt + 1;
    this.#pending = { ...pending, attempt, repeatAt: at + waitMs(attempt, pending.ceilingMs, limits, jitter) };
    return this.#pending;
  }

  /**
   * Replaces the bytes of the open request under the same message ID: IKE_SA_INIT after COOKIE or INVALID_KE_PAYLOAD.
   */
  replace(at: Instant, datagrams: readonly Uint8Array[], limits: Limits, jitter: Random): void {
    const pending = this.#pending;
    if (pending === undefined) throw new Error('no request is open');
    this.#pending = {
      ...pending,
      datagrams,
      attempt: 0,
      repeatAt: at + waitMs(0, pending.ceilingMs, limits, jitter),
    };
  }

  /** Notes in which smaller datagrams the open request can be repeated too (RFC 7383 §2.5). */
  shrink(smaller: readonly Uint8Array[]): void {
    if (this.#pending !== undefined) this.#pending = { ...this.#pending, smaller };
  }

  /** Gives up on the open request by `at` at the latest. */
  hasten(at: Instant): void {
    const pending = this.#pending;
    if (pending !== undefined && at < pending.giveUpAt) this.#pending = { ...pending, giveUpAt: at };
  }

  /** Goes on with the open request until `at`. */
  extend(at: Instant): void {
    if (this.#pending !== undefined) this.#pending = { ...this.#pending, giveUpAt: at };
  }

  /** Repeats the open request at once. */
  repeatSoon(at: Instant): void {
    if (this.#pending !== undefined) this.#pending = { ...this.#pending, repeatAt: at };
  }

  /** Whether a response answers the open request. */
  answers(messageId: number, exchangeType: number): boolean {
    return this.#pending?.messageId === messageId && this.#pending.exchangeType === exchangeType;
  }

  /** Notes that the open request has been answered, or is of no interest any more. */
  close(): void {
    this.#pending = undefined;
  }

  /** Where a request of the peer stands; `bytes` is the datagram. */
  position(messageId: number, bytes: Uint8Array): RequestPosition {
    if (messageId === this.#expectedRequestId) return { kind: 'next' };
    const datagrams = this.#stored;
    if (datagrams === undefined || messageId !== this.#storedId) return { kind: 'outside' };
    return { kind: endsWith(bytes, this.#storedTag) ? 'repeated' : 'differentRetransmission', datagrams };
  }

  /**
   * Keeps the response to the request that was just handled; it replaces the one before (window of one). `tag` is the
   * `requestTag` of a protected request and the whole of an unprotected one, whose end proves nothing.
   */
  store(messageId: number, tag: Uint8Array, datagrams: readonly Uint8Array[]): void {
    this.#stored = datagrams;
    this.#storedId = messageId;
    this.#storedTag = tag.length === TAG_BYTES ? this.#copyOf(tag) : tag;
    this.#expectedRequestId = messageId + 1;
  }

  /** An array that is new with every message and stays until the next would outlive the young generation: one serves all. */
  #copyOf(tag: Uint8Array): Uint8Array {
    this.#protectedTag ??= new Uint8Array(TAG_BYTES);
    this.#protectedTag.set(tag);
    return this.#protectedTag;
  }
}

/** Exponential, capped, stretched by chance. */
function waitMs(attempt: number, ceilingMs: number, limits: Limits, jitter: Random): number {
  const base = Math.min(limits.retransmitFirstMs * limits.retransmitFactor ** attempt, ceilingMs);
  return Math.round(base * (1 + limits.retransmitJitter * fraction(jitter)));
}

/** A number in [0, 1) from a stream of random bytes. */
export function fraction(random: Random): number {
  random.fill(drawn);
  return uint32At(drawn, 0) / 0x1_0000_0000;
}

/** By what a protected request is known again: its end, which is its ICV or contains it. */
export function requestTag(datagram: Uint8Array): Uint8Array {
  return datagram.slice(Math.max(0, datagram.length - TAG_BYTES));
}

const NO_TAG = new Uint8Array(0);
/** As long as the longest common ICV half: no two different authentic requests under one message ID share it. */
const TAG_BYTES = 16;
/** Far enough from 2^32 that a successor is there in time, whatever is said until then. */
const LAST_MESSAGE_ID = 0xffff_0000;
/** What is drawn goes here and is read at once. */
const drawn = new Uint8Array(4);

import type { ReceivedCount } from '../../wire/received-notify.ts';
import type { Instant } from '../types.ts';

/** What the kernel has counted of a pair. */
export interface PairCount {
  readonly sent: number;
  readonly received: number;
  /** Packets for its inbound SA that were not made with its keys. */
  readonly undecryptable: number;
}

/** What is known of the packets that the peer has sent on a pair. */
export type InboundArrival =
  /** None has come. */
  | 'unused'
  | 'received'
  /** Since the last good one only such have come as its keys did not make. */
  | 'undecryptable';

/** What is known of the packets that we have sent on a pair. */
export type OutboundArrival =
  /** There was none. */
  | 'unused'
  /** The peer has not said what has arrived; one that is no agent never does. */
  | 'unconfirmed'
  /** The peer has counted them. */
  | 'arrived'
  /** The peer has counted none of those that were sent since. */
  | 'lost'
  /** They arrive, and the peer cannot decrypt them. */
  | 'undecryptable';

/** How far the packets of a pair are known to arrive: by the counters of our kernel, and by what the peer says of its own. */
export interface Arrival extends PairCount {
  readonly inbound: InboundArrival;
  readonly outbound: OutboundArrival;
  /** When our kernel was asked last, when it was seen last to have sent, and to have received. */
  readonly countedAt: Instant;
  readonly sentAt: Instant | undefined;
  readonly receivedAt: Instant | undefined;
  /** Of `undecryptable`, what there was when the last packet was received. */
  readonly undecryptableBefore: number;
  /**
   * That the peer has not shown to have since it had `sent` packets of ours; `enoughAt`: when these were known to be so
   * many that not all can have been lost by chance.
   */
  readonly unshown: { readonly sent: number; readonly enoughAt: Instant | undefined } | undefined;
  /** Whether the peer may have counted none of those, and has to be asked. */
  readonly doubted: boolean;
  /** What the peer has said last. */
  readonly reported: { readonly at: Instant; readonly received: number };
}

/** Nothing is known yet of a pair that was installed at this time. */
export function unknownArrival(at: Instant): Arrival {
  return {
    inbound: 'unused',
    outbound: 'unused',
    sent: 0,
    received: 0,
    undecryptable: 0,
    countedAt: at,
    sentAt: undefined,
    receivedAt: undefined,
    undecryptableBefore: 0,
    unshown: undefined,
    doubted: false,
    reported: { at: Number.NEGATIVE_INFINITY, received: 0 },
  };
}

/** What is known once our kernel has been asked; `packets` that all fail are no chance. */
export function counted(before: Arrival, at: Instant, count: PairCount, packets: number): Arrival {
  const hasSent = count.sent > before.sent;
  const hasReceived = count.received > before.received;
  const undecryptableBefore = hasReceived ? count.undecryptable : before.undecryptableBefore;
  const fails = count.undecryptable - undecryptableBefore >= packets;
  return {
    ...before,
    ...count,
    inbound: hasReceived ? 'received' : fails ? 'undecryptable' : before.inbound,
    outbound: hasSent && before.outbound === 'unused' ? 'unconfirmed' : before.outbound,
    countedAt: at,
    sentAt: hasSent ? at : before.sentAt,
    receivedAt: hasReceived ? at : before.receivedAt,
    undecryptableBefore,
    unshown: unshown(before, at, count.sent, packets),
  };
}

function unshown(before: Arrival, at: Instant, sent: number, packets: number): Arrival['unshown'] {
  if (before.unshown?.enoughAt !== undefined) return before.unshown;
  // The peer may have counted packets before our kernel was asked for them.
  const since = before.unshown?.sent ?? Math.max(before.sent, before.reported.received);
  if (sent <= since) return undefined;
  return { sent: since, enoughAt: sent - since >= packets ? at : undefined };
}

/**
 * What is known once the peer has said what its kernel has counted of what we send. Where that answers a question of ours,
 * first sent at `askedAt`, its kernel was asked no earlier than the age before then. Of what comes otherwise nobody knows how
 * long it was on the way, as of an answer that was lost and sent again: it shows what has arrived, never what has not.
 */
export function reported(
  before: Arrival,
  at: Instant,
  askedAt: Instant | undefined,
  { packets: received, undecryptable, ageMs }: Pick<ReceivedCount, 'packets' | 'undecryptable' | 'ageMs'>,
  packets: number,
): Arrival {
  const now = { ...before, reported: { at, received: Math.max(received, before.reported.received) } };
  if (undecryptable >= packets) return { ...now, outbound: 'undecryptable' };
  if (received > before.reported.received) return { ...now, outbound: 'arrived', unshown: undefined, doubted: false };
  const enoughAt = before.unshown?.enoughAt;
  // Packets may have been under way when the peer's kernel was asked.
  const seemsLost = enoughAt !== undefined && (askedAt ?? at) - ageMs >= enoughAt + UNDER_WAY_MS;
  if (askedAt === undefined) return { ...now, doubted: before.doubted || seemsLost };
  return seemsLost ? { ...now, outbound: 'lost' } : now;
}

/** Whether packets are known not to get through. */
export function fails({ inbound, outbound }: Pick<Arrival, 'inbound' | 'outbound'>): boolean {
  return inbound === 'undecryptable' || outbound === 'undecryptable' || outbound === 'lost';
}

const UNDER_WAY_MS = 1_000;

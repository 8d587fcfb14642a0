import type { ReceivedCount } from '../../wire/received-notify.ts';
import type { Limits } from '../limits.ts';
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
  readonly trial: Trial;
  /** Since when what we send is known to be lost; undefined where it is not. */
  readonly lostAt: Instant | undefined;
  /** What the peer has said last. */
  readonly reported: { readonly at: Instant; readonly received: number };
}

/**
 * What the peer was asked for in vain. That it has counted none of a few packets shows nothing: the path may be bad, or was cut
 * off for a while. So what was sent counts only where the peer has then answered at once, and of what was sent between two
 * answers only a few do: a path that lets several questions and answers pass, and none of the packets sent between them,
 * drops ESP.
 */
export interface Trial {
  /** Packets that count. */
  readonly lost: number;
  /** The packets before this one are done with; undefined: those that the next survey finds. */
  readonly from: number | undefined;
  /** The packets that the peer is asked for: those before this one, which our kernel had sent by then. */
  readonly open: { readonly sent: number; readonly at: Instant } | undefined;
}

/** How the peer came to tell: in answer to a question of ours, first sent then; undefined where nobody has asked. */
export type Answer = { readonly askedAt: Instant; readonly repeated: boolean } | undefined;

type ArrivalLimits = Pick<Limits, 'arrivalPackets' | 'lossPackets' | 'lossPacketsAtOnce'>;

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
    trial: NO_TRIAL,
    lostAt: undefined,
    reported: { at: Number.NEGATIVE_INFINITY, received: 0 },
  };
}

/** What is known once our kernel has been asked. */
export function counted(before: Arrival, at: Instant, count: PairCount, limits: ArrivalLimits): Arrival {
  const packets = limits.arrivalPackets;
  const hasSent = count.sent > before.sent;
  const hasReceived = count.received > before.received;
  const undecryptableBefore = hasReceived ? count.undecryptable : before.undecryptableBefore;
  const fails = count.undecryptable - undecryptableBefore >= packets;
  const unshown = unshownBy(before, at, count.sent, packets);
  return {
    ...before,
    ...count,
    inbound: hasReceived ? 'received' : fails ? 'undecryptable' : before.inbound,
    outbound: hasSent && before.outbound === 'unused' ? 'unconfirmed' : before.outbound,
    countedAt: at,
    sentAt: hasSent ? at : before.sentAt,
    receivedAt: hasReceived ? at : before.receivedAt,
    undecryptableBefore,
    unshown,
    trial: unshown === undefined ? NO_TRIAL : continued(before.trial, at, count.sent, unshown.sent),
  };
}

function unshownBy(before: Arrival, at: Instant, sent: number, packets: number): Arrival['unshown'] {
  if (before.unshown?.enoughAt !== undefined) return before.unshown;
  // The peer may have counted packets before our kernel was asked for them.
  const since = before.unshown?.sent ?? Math.max(before.sent, before.reported.received);
  if (sent <= since) return undefined;
  return { sent: since, enoughAt: sent - since >= packets ? at : undefined };
}

/** What a survey adds to a trial: the packets that the peer is to be asked for next. */
function continued(trial: Trial, at: Instant, sent: number, unshownFrom: number): Trial {
  if (trial === NO_TRIAL) return opened({ lost: 0, from: unshownFrom, open: undefined }, sent, at);
  if (trial.from === undefined) return { ...trial, from: sent };
  return trial.open === undefined ? opened(trial, sent, at) : trial;
}

function opened(trial: Trial, sent: number, at: Instant): Trial {
  return sent > (trial.from ?? sent) ? { ...trial, open: { sent, at } } : trial;
}

/**
 * What is known once the peer has said what its kernel has counted of what we send. Where that answers a question of ours,
 * its kernel was asked no earlier than the age before that. Of what comes otherwise nobody knows how long it was on the
 * way, as of an answer that was lost and sent again: it shows what has arrived, never what has not.
 */
export function reported(
  before: Arrival,
  at: Instant,
  answer: Answer,
  { packets: received, undecryptable, ageMs }: Pick<ReceivedCount, 'packets' | 'undecryptable' | 'ageMs'>,
  limits: ArrivalLimits,
): Arrival {
  const now = { ...before, reported: { at, received: Math.max(received, before.reported.received) } };
  if (undecryptable >= limits.arrivalPackets) return { ...now, outbound: 'undecryptable' };
  if (received > before.reported.received) {
    return { ...now, outbound: 'arrived', unshown: undefined, doubted: false, trial: NO_TRIAL, lostAt: undefined };
  }
  const enoughAt = before.unshown?.enoughAt;
  const seemsLost = enoughAt !== undefined && (answer?.askedAt ?? at) - ageMs >= enoughAt + UNDER_WAY_MS;
  const doubted = before.doubted || seemsLost;
  if (answer === undefined || before.trial === NO_TRIAL) return { ...now, doubted };
  // The path was bad meanwhile: what was sent until now tells nothing.
  if (answer.repeated) return { ...now, doubted, trial: { lost: 0, from: undefined, open: undefined } };
  const trial = tried(before, answer.askedAt - ageMs, limits);
  const isLost = trial.lost >= limits.lossPackets;
  return { ...now, doubted, trial, ...(isLost && { outbound: 'lost', lostAt: before.lostAt ?? at }) };
}

/** The trial once the peer's kernel, asked no earlier than then, has counted nothing. */
function tried({ trial, sent, countedAt }: Arrival, lookedAt: Instant, { lossPacketsAtOnce }: ArrivalLimits): Trial {
  const { lost, from, open } = trial;
  if (open === undefined || lookedAt < open.at) return trial;
  const count = Math.min(open.sent - (from ?? open.sent), lossPacketsAtOnce);
  return opened({ lost: lost + count, from: open.sent, open: undefined }, sent, countedAt);
}

/** Whether packets are known not to get through. */
export function fails({ inbound, outbound }: Pick<Arrival, 'inbound' | 'outbound'>): boolean {
  return inbound === 'undecryptable' || outbound === 'undecryptable' || outbound === 'lost';
}

const NO_TRIAL: Trial = { lost: 0, from: undefined, open: undefined };
/** Packets may have been under way when the peer's kernel was asked. */
const UNDER_WAY_MS = 1_000;

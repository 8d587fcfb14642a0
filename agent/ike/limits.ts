import { MAX_FRAGMENTS } from '../wire/limits.ts';

/** Bounds of what is kept of messages of which fragments are missing; bytes are those that it costs to keep them. */
export interface FragmentLimits {
  /** Of one message. */
  readonly fragments: number;
  readonly messageBytes: number;
  /** Over all IKE SAs. */
  readonly messages: number;
  readonly bytes: number;
}

/** Every bound of the core in one place. Times are milliseconds. */
export interface Limits {
  /** First wait for an answer; doubled roughly by `retransmitFactor` up to `retransmitCeilingMs`. */
  readonly retransmitFirstMs: number;
  readonly retransmitFactor: number;
  readonly retransmitCeilingMs: number;
  /** At least about as often a request is repeated before its peer is given up: a bad line is not a dead peer. */
  readonly retransmitsBeforeTimeout: number;
  /** Each wait is stretched by up to this share, so that many peers do not repeat in step. */
  readonly retransmitJitter: number;
  /** How long a request of an initial exchange is repeated before the attempt fails. */
  readonly handshakeTimeoutMs: number;
  /** How long a better answer is waited for after an error that nobody has authenticated (RFC 7296 §2.21.1). */
  readonly unprotectedErrorPatienceMs: number;
  /** How long a Delete is repeated before the SA is dropped all the same. */
  readonly deleteTimeoutMs: number;
  /** How long a responder keeps an IKE SA that has not authenticated. */
  readonly halfOpenTimeoutMs: number;
  /** The longest IKE_SA_INIT request that is read: all of it is kept until its sender has authenticated. */
  readonly initRequestBytes: number;
  /** Unauthenticated IKE SAs as responder; a new request beyond is dropped. */
  readonly halfOpenTotal: number;
  /** The same for one source address; of IPv6 for one /64, unless a peer is configured for the very address. */
  readonly halfOpenPerSource: number;
  /** From so many on, of all sources or of one, a COOKIE is demanded (RFC 7296 §2.6), and so long after there are fewer. */
  readonly cookieThreshold: number;
  readonly cookieThresholdPerSource: number;
  readonly cookieCalmMs: number;
  /** How long one secret makes cookies; they are accepted for as long again. */
  readonly cookieSecretMs: number;
  /**
   * Messages with a wrong ICV that an unauthenticated IKE SA survives (each costs us a key derivation at most once).
   */
  readonly integrityFailuresHalfOpen: number;
  /** IKE_SA_INIT retries of one attempt for COOKIE and INVALID_KE_PAYLOAD together (RFC 7296 §2.6). */
  readonly initRetries: number;
  /** Largest IP packet that a message of ours is sent in to a peer that takes fragments, where not configured. */
  readonly fragmentBytes: number;
  /** What every path lets pass: packets are no larger once a request has gone unanswered this often. */
  readonly smallestFragmentBytes: { readonly ipv4: number; readonly ipv6: number };
  readonly repeatsBeforeSmallest: number;
  /** The longest packet that is tried to find out how long packets may be, and how often a size is tried before it is too long. */
  readonly pathProbeMostBytes: number;
  readonly pathProbeTries: number;
  /** How long the fragments of a message are kept while others are missing (RFC 7383 §2.6). */
  readonly reassemblyMs: number;
  /** Messages in fragments of peers that have not authenticated, and of those that have. */
  readonly strangersFragments: FragmentLimits;
  readonly peersFragments: FragmentLimits;
  /** Requests of ours that wait for the window of one. */
  readonly queuedRequests: number;
  /** Child SAs of one IKE SA. */
  readonly childrenPerIkeSa: number;
  /** IKE SAs of one peer that it has begun and that have not ended; inbound SAs of it in the kernel. */
  readonly ikeSasBegunByPeer: number;
  readonly inboundSasPerPeer: number;
  /** Traffic selectors in one payload that we consider; the product of both sides is what the kernel gets. */
  readonly selectorsPerSide: number;
  /** Policies of one Child SA after ranges are cut into prefixes. */
  readonly policiesPerChild: number;
  /** Kernel selectors of what is exempt of the traffic of one Child, port ranges cut into blocks. */
  readonly exemptSelectorsPerChild: number;
  /** Proposals of one SA payload that we consider, and transforms of one proposal. */
  readonly proposalsConsidered: number;
  readonly transformsConsidered: number;
  /** CERT payloads kept from one IKE_AUTH. */
  readonly certificates: number;
  /** Authorities of a peer's CERTREQs that are compared with ours. */
  readonly requestedAuthorities: number;
  /** How long a Verifier may take. */
  readonly verificationTimeoutMs: number;
  /** Unprotected error replies per second over all sources, so that we are no reflector. */
  readonly errorRepliesPerSecond: number;
  /** The least time between two to one address, and how many addresses are remembered for it. */
  readonly errorReplyIntervalMs: number;
  readonly errorReplyAddresses: number;
  /** Wait before the first new attempt after a failure, and the longest. */
  readonly reconnectFirstMs: number;
  readonly reconnectCeilingMs: number;
  /**
   * Peers to whom a new certificate is shown are called one in so many milliseconds, and all of them within the latter.
   */
  readonly reauthenticationPaceMs: number;
  readonly reauthenticationSpreadMs: number;
  /** The least time from one proof of identity to the next that the peer can demand (RFC 4478). */
  readonly authenticationLeastMs: number;
  /** IKE SAs that we begin at a time. A peer that has had to be asked twice does not count. */
  readonly attemptsUnderWay: number;
  /** Peers of a start are called one in so many milliseconds on average, and all of them within the latter. */
  readonly startPaceMs: number;
  readonly startSpreadMs: number;
  /** How long a peer that was asked to replace an IKE SA is waited for, before we do it; 0 asks nobody. */
  readonly invitationMs: number;
  /** How long the side that should not initiate waits for the one that should. */
  readonly takeoverMs: number;
  /**
   * How long two IKE SAs of one pair may stand side by side before one is chosen, and the grace for the peer to choose.
   */
  readonly duplicateDelayMs: number;
  readonly duplicateGraceMs: number;
  /** How long an inbound SA outlives its replacement, for packets under way. */
  readonly supersededGraceMs: number;
  /** How long an inbound one stays on which a peer goes on sending all the same. */
  readonly retiringLongestMs: number;
  /** How long an outbound SA outlives the policies that selected it, for packets that the kernel has given to it; 0 for not at all. */
  readonly unselectedGraceMs: number;
  /** Wait, up to twice as long, before the peer is asked again that had no time for a rekey. */
  readonly temporaryFailureMs: number;
  /** After this a rekey that came to nothing is begun again; that of a Child SA sooner where its hard limit is near. */
  readonly rekeyRetryMs: number;
  /** How long a rekey is tried on the IKE SA that stands before a new one is negotiated. */
  readonly rekeyPatienceMs: number;
  /** How long the peer has to delete what its rekey has replaced, before we do. */
  readonly rekeyedGraceMs: number;
  /** IKE SAs of one peer that have been rekeyed and wait for their Delete. */
  readonly rekeyedIkeSas: number;
  /** How often a responder looks whether the initiator sends on a new pair, which is when it does so too. */
  readonly switchCheckMs: number;
  /** Packets of which none arrives, or none can be decrypted: as many are not lost by chance. */
  readonly arrivalPackets: number;
  /** So many packets in a row are lost when ESP itself is, which has it go in UDP, for good. */
  readonly lossPackets: number;
  /** Of those between two answers of the peer no more count: a path may be cut off for so long. */
  readonly lossPacketsAtOnce: number;
  /** How long the responder leaves it to the initiator to go over to ESP in UDP. */
  readonly fallbackPatienceMs: number;
  /** How often a peer that sends, too, is asked what has arrived; and for how long one is after the last packet. */
  readonly arrivalConfirmationMs: number;
  readonly arrivalRestMs: number;
  /** How often a pair is replaced because its packets cannot be decrypted. */
  readonly mendingMs: number;
  /** Longest silence towards a peer that a NAT stands in front of us for. */
  readonly keepaliveMs: number;
  /** How often in a second ESP from elsewhere may move a peer; IKE does each time. */
  readonly mappingsPerSecond: number;
  /** How long SAs stay that the peer says it knows nothing of, so that the new ones are in use by then. */
  readonly forgottenGraceMs: number;
  /** Wait before an order that the kernel refused is given again, and the longest. */
  readonly kernelRetryMs: number;
  readonly kernelRetryCeilingMs: number;
  /** Refused deletions that are remembered; more stay in the kernel until the next start. */
  readonly refusedDeletions: number;
}

/** The production values. */
export const DEFAULT_LIMITS: Limits = {
  retransmitFirstMs: 1_000,
  retransmitFactor: 1.8,
  retransmitCeilingMs: 20_000,
  // With every third datagram lost, eight round trips fail once in 200 times.
  retransmitsBeforeTimeout: 8,
  retransmitJitter: 0.1,
  // A peer that reboots needs about a minute to answer; beyond, a new attempt with new keys is as good.
  handshakeTimeoutMs: 60_000,
  unprotectedErrorPatienceMs: 3_000,
  deleteTimeoutMs: 10_000,
  // As charon: an honest initiator answers within its own retransmissions.
  halfOpenTimeoutMs: 30_000,
  // Dozens of proposals and a public value of 1 kB leave most of it empty.
  initRequestBytes: 8_192,
  // 2,000 honest peers may start at once; each costs about 3 kB until it has proved itself, and a stranger 12 kB at most.
  halfOpenTotal: 4_000,
  // A node has one at a time; many nodes behind one NAT begin within seconds of one another.
  halfOpenPerSource: 64,
  // Far less than a second of public-key operations; a mesh that starts goes on with one round trip more.
  cookieThreshold: 256,
  cookieThresholdPerSource: 8,
  // As charon. Copies of requests from before do not take longer to arrive.
  cookieCalmMs: 10_000,
  // An honest initiator answers at once; RFC 7296 §2.6 wants secrets to change often under attack.
  cookieSecretMs: 60_000,
  integrityFailuresHalfOpen: 8,
  // COOKIE, then INVALID_KE_PAYLOAD, then a renewed COOKIE is the longest honest sequence; one to spare.
  initRetries: 4,
  // The least MTU of IPv6 passes nearly every IPv4 path too, tunnels included.
  fragmentBytes: 1_280,
  // RFC 791 and RFC 8200 §5: every host takes in the one, every link carries the other.
  smallestFragmentBytes: { ipv4: 576, ipv6: 1_280 },
  // Two repetitions are most often plain loss.
  repeatsBeforeSmallest: 2,
  // Jumbo frames; a loopback's 65,536 tell nothing.
  pathProbeMostBytes: 9_216,
  // As RFC 8899 §5.1.2 (MAX_PROBES).
  pathProbeTries: 3,
  // Four repetitions of the request, each of which may bring what was lost before.
  reassemblyMs: 15_000,
  // Twice the fragments seen in the field, and a chain of four RSA certificates with all requests several times. The
  // messages are a quarter of those of 2,000 peers that begin at once and lose a fragment each.
  strangersFragments: { fragments: 64, messageBytes: 40_000, messages: 512, bytes: 4_194_304 },
  // The largest message that there can be, in the most fragments; two for each of 1,000 peers.
  peersFragments: { fragments: MAX_FRAGMENTS, messageBytes: 100_000, messages: 2_048, bytes: 16_777_216 },
  queuedRequests: 64,
  childrenPerIkeSa: 64,
  // Three a second, as long as a Delete is repeated that nobody answers.
  ikeSasBegunByPeer: 32,
  // Every Child of a full IKE SA replaced 32 times within the grace of what it has replaced.
  inboundSasPerPeer: 2_048,
  selectorsPerSide: 32,
  policiesPerChild: 128,
  // Each is a policy in every direction, for each peer.
  exemptSelectorsPerChild: 256,
  proposalsConsidered: 32,
  transformsConsidered: 128,
  certificates: 16,
  // The public authorities that a host trusts by default are some 150.
  requestedAuthorities: 256,
  verificationTimeoutMs: 20_000,
  errorRepliesPerSecond: 100,
  errorReplyIntervalMs: 1_000,
  errorReplyAddresses: 1_024,
  reconnectFirstMs: 1_000,
  reconnectCeilingMs: 60_000,
  // A handshake costs both ends about a millisecond: a twentieth of a core.
  reauthenticationPaceMs: 20,
  reauthenticationSpreadMs: 60_000,
  authenticationLeastMs: 5_000,
  // Their keys and signatures take a core some 20 ms, the longest that anything else has to wait behind them.
  attemptsUnderWay: 32,
  startPaceMs: 1,
  startSpreadMs: 5_000,
  invitationMs: 5_000,
  takeoverMs: 10_000,
  duplicateDelayMs: 2_000,
  duplicateGraceMs: 10_000,
  supersededGraceMs: 5_000,
  // A packet is through in microseconds, but its sender may wait for memory.
  unselectedGraceMs: 1_000,
  // As long as an agent may be away: what it has left in its kernel sends on.
  retiringLongestMs: 3_600_000,
  // Some seconds (RFC 7296 §2.25): the collision that it waits for is over after a few round trips.
  temporaryFailureMs: 4_000,
  rekeyRetryMs: 60_000,
  // "Several minutes" (RFC 7296 §2.25), and far less than lies between the soft and the hard limit.
  rekeyPatienceMs: 180_000,
  // A Delete is repeated for ten seconds.
  rekeyedGraceMs: 15_000,
  // Two of a crossing, and one of the rekey before.
  rekeyedIkeSas: 3,
  switchCheckMs: 500,
  // One SYN and two repetitions of it.
  arrivalPackets: 3,
  // With every third packet lost twelve are lost in a row once in half a million times, and three questions and answers
  // meanwhile get through once in ten.
  lossPackets: 12,
  // So that at least three pass between, at six seconds.
  lossPacketsAtOnce: 4,
  // The initiator notices, if at all, at the next two surveys.
  fallbackPatienceMs: 4_000,
  // As often as liveness is asked about by default.
  arrivalConfirmationMs: 30_000,
  // Several times what the kernel is asked in between.
  arrivalRestMs: 10_000,
  // A stranger who forges packets has us do no more than this.
  mendingMs: 60_000,
  // The default of RFC 3948 §4; NATs forget UDP after 30 s at the earliest.
  keepaliveMs: 20_000,
  // A NAT that restarts may waver; whoever holds back ESP and sends it from many ports keeps us no busier than this.
  mappingsPerSecond: 5,
  forgottenGraceMs: 2_000,
  kernelRetryMs: 1_000,
  kernelRetryCeilingMs: 10_000,
  // All SAs of 1,000 peers, were the kernel to refuse every one.
  refusedDeletions: 4_096,
};

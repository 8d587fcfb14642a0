import type { SecretBytes } from '../crypto/secret.ts';
import type { CryptoProvider, Random } from '../crypto/types.ts';
import type {
  DataplaneCommand,
  DataplaneError,
  DataplaneEvent,
  IpsecMode,
  KernelSnapshot,
  PolicySpec,
  SaId,
  SaLifetime,
} from '../dataplane/types.ts';
import type { Credential, SignaturePreferences, Trust } from '../pki/credential.ts';
import type { SignatureScheme } from '../pki/signature-scheme.ts';
import type { Result } from '../result.ts';
import type { IpAddress } from '../wire/ip-address.ts';
import type { Arrival } from './child/arrival.ts';
import type { Fact } from './fact.ts';
import type { Limits } from './limits.ts';

/** Monotonic milliseconds from an arbitrary start; the core's only notion of time. */
export type Instant = number;

/** The addresses and ports of one datagram, seen from this host. */
export interface Path {
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
}

/** An IKE identity as it stands in IDi and IDr (RFC 7296 §3.5). */
export interface Identity {
  readonly idType: number;
  readonly data: Uint8Array;
}

/** One algorithm of a proposal: a transform of RFC 7296 §3.3.2; `keyBits` is 0 for algorithms of one key length. */
export interface Algorithm {
  readonly type: number;
  readonly id: number;
  readonly keyBits: number;
}

/**
 * Algorithms that may be combined freely, one of each type; AEADs and non-AEADs never stand in one suite (RFC 5282 §8).
 */
export interface ProposalConfig {
  readonly algorithms: readonly Algorithm[];
}

/** One side of a traffic selector. An absent prefix means the address that this side uses for IKE itself. */
export interface SelectorConfig {
  readonly prefix?: { readonly address: IpAddress; readonly length: number };
  /** IP protocol number, 0 for any. */
  readonly protocol: number;
  readonly fromPort: number;
  readonly toPort: number;
}

/**
 * Packets of a Child's traffic that stay in plaintext: those between these networks, of this protocol, with these ports.
 * They are received in plaintext, and encrypted as well: whether the peer has begun or ended it makes no difference.
 */
export interface ExemptionConfig {
  /** What people call it; several that stand for one and the same have one name. */
  readonly name: string;
  /** Absent: wherever the Child's own traffic is. */
  readonly local?: { readonly address: IpAddress; readonly length: number };
  readonly remote?: { readonly address: IpAddress; readonly length: number };
  /** IP protocol number, 0 for any. */
  readonly protocol: number;
  readonly localPorts: { readonly from: number; readonly to: number };
  readonly remotePorts: { readonly from: number; readonly to: number };
  /** Whether we send them in plaintext: not before whoever is to get them receives them so. */
  readonly isSent: boolean;
}

/** A Child SA that a connection is to have. */
export interface ChildConfig {
  readonly name: string;
  readonly mode: IpsecMode;
  readonly local: readonly SelectorConfig[];
  readonly remote: readonly SelectorConfig[];
  readonly proposals: readonly ProposalConfig[];
  /** From our range, the same for as long as the peer and the selectors are. */
  readonly reqid: number;
  /** Required: what the selectors match is dropped while there is no SA. Permissive: it passes in plaintext. */
  readonly enforcement: 'Required' | 'Permissive';
  /** The same for what is received and forwarded, where that is to be another: on the way from one to the other. */
  readonly inboundEnforcement?: 'Required' | 'Permissive';
  /** What of its traffic stays in plaintext all the same. */
  readonly exempt?: readonly ExemptionConfig[];
  /** Packets, at least one: without a window a recorded packet could be sent again. */
  readonly replayWindow: number;
  /** Limits of each SA of this Child; the soft ones are when a successor is negotiated. */
  readonly lifetime: SaLifetime;
}

/** How we prove who we are. */
export type LocalAuthentication =
  | { readonly kind: 'preSharedKey'; readonly secret: SecretBytes }
  /** By the credential that the peer's CERTREQ asks for; by the first where it asks for none of them. */
  | {
      readonly kind: 'certificate';
      readonly credentials: readonly [Credential, ...Credential[]];
      readonly signatures: SignaturePreferences;
    };

/** How the peer proves who it is. */
export type RemoteAuthentication =
  | { readonly kind: 'preSharedKey'; readonly secret: SecretBytes }
  /** By signature; chain and signature go to the Verifier. */
  | {
      readonly kind: 'certificate';
      readonly trust: Trust;
      /** Whether method 1, which is RSA with SHA-1, is accepted. */
      readonly rsaSha1: boolean;
    };

/** A peer and what is wanted with it. */
export interface ConnectionConfig {
  /** Unique; what people and logs call it. */
  readonly name: string;
  readonly localAddress: IpAddress;
  /** `any`: the peer is known by its identity alone and always initiates. */
  readonly remoteAddress: IpAddress | 'any';
  readonly remotePort: number;
  readonly localIdentity: Identity;
  readonly remoteIdentity: Identity;
  readonly localAuthentication: LocalAuthentication;
  readonly remoteAuthentication: RemoteAuthentication;
  readonly proposals: readonly ProposalConfig[];
  readonly children: readonly ChildConfig[];
  /** When to begin by ourselves: at once, only for traffic (acquire), never, or if the peer has not done so by then. */
  readonly initiation: 'start' | 'onDemand' | 'respond' | 'takeover';
  readonly natTraversal: 'Auto' | 'Always' | 'Never';
  /**
   * The largest segment that TCP connections through its Child SAs may agree on: bytes, or what fits; absent: any. The kernel's
   * packet filter does that, the core has nothing to do with it.
   */
  readonly mssClamp?: number | 'auto';
  readonly liveness: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Largest IP packet in which a message may be sent once the peer takes fragments; the limit's where left out. */
  readonly fragmentBytes?: number;
  /** Whether IKE_AUTH is to be without a Child SA where the responder takes that (RFC 6023): all have own key exchanges. */
  readonly childless?: boolean;
  /** Milliseconds until the IKE SA is rekeyed. */
  readonly ikeLifetimeMs: number;
  /** Milliseconds until both sides prove anew who they are; absent: never because of time. */
  readonly reauthenticationMs?: number;
}

/** Orders from the runtime. */
export type Command =
  /** With a snapshot it takes over what `start` has left in the kernel of it. */
  | { readonly kind: 'addConnection'; readonly connection: ConnectionConfig; readonly snapshot?: KernelSnapshot }
  /** Takes over what did not change; SAs stay where only timing did, or the name, which was `formerName` until now. */
  | { readonly kind: 'updateConnection'; readonly connection: ConnectionConfig; readonly formerName?: string }
  /** Deletes its SAs, telling the peer, and its policies. */
  | { readonly kind: 'removeConnection'; readonly name: string }
  /** Several of these three at once: what moves from one connection to another is protected at every moment. */
  | { readonly kind: 'changeConnections'; readonly changes: readonly ConnectionChange[] }
  /** Begins now, whatever `initiation` says. */
  | { readonly kind: 'initiate'; readonly name: string }
  /** Makes a new IKE SA, with new proofs of who both sides are; the old one is in use until then. */
  | { readonly kind: 'reauthenticate'; readonly name: string }
  /** Rekeys the IKE SA now. */
  | { readonly kind: 'rekey'; readonly name: string }
  /** Rekeys one Child SA now. */
  | { readonly kind: 'rekeyChild'; readonly name: string; readonly child: string }
  /** Deletes the connection's SAs, telling the peer; its policies stay. */
  | { readonly kind: 'terminate'; readonly name: string }
  /** Deletes one Child SA, telling the peer. */
  | { readonly kind: 'terminateChild'; readonly name: string; readonly child: string }
  /** Checks now whether the peer is alive. */
  | { readonly kind: 'checkLiveness'; readonly name: string }
  /** Finds out how long packets to the peer may be, if it is an agent; the interface sends `most`. */
  | { readonly kind: 'searchPathMtu'; readonly name: string; readonly most: number }
  /** The first order: these connections, and what the kernel holds of an earlier run, which goes on protecting them. */
  | {
      readonly kind: 'start';
      readonly connections: readonly ConnectionConfig[];
      readonly snapshot: KernelSnapshot;
      /** What no connection wants stays until `removeUnwanted`; left out: it goes at once. */
      readonly leavesUnwanted?: boolean;
    }
  /** Removes what an earlier run has left in the kernel and no connection wants. */
  | { readonly kind: 'removeUnwanted'; readonly snapshot: KernelSnapshot };

/** An order that changes what is configured. */
export type ConnectionChange = Extract<
  Command,
  { readonly kind: 'addConnection' | 'updateConnection' | 'removeConnection' }
>;

/** Why a peer's proof was refused. */
export interface VerificationRefusal {
  readonly kind: 'verificationRefusal';
  readonly reason: string;
}

/** A signature to check: by the key of the first certificate, whose chain must lead to a trusted one. */
export interface VerificationJob {
  readonly id: number;
  readonly connection: string;
  /** DER certificates as received, the signer's first. */
  readonly certificates: readonly Uint8Array[];
  readonly identity: Identity;
  readonly trust: Trust;
  readonly scheme: SignatureScheme;
  readonly signature: Uint8Array;
  /** The octets that were signed (RFC 7296 §2.15). */
  readonly signedOctets: Uint8Array;
}

/** What happens to an endpoint. */
export type IkeEvent =
  /** `bytes` stay as they are from here on: what has to be kept of them is kept without a copy. */
  | { readonly kind: 'datagram'; readonly path: Path; readonly bytes: Uint8Array }
  /** A deadline may have passed. */
  | { readonly kind: 'deadline' }
  | { readonly kind: 'command'; readonly command: Command }
  /** A command of an action list failed; the rest of that list was not carried out. */
  | {
      readonly kind: 'dataplaneFailed';
      readonly command: DataplaneCommand;
      readonly owner: ActionOwner;
      readonly error: DataplaneError;
      readonly dropped: readonly IkeAction[];
    }
  | { readonly kind: 'kernel'; readonly event: DataplaneEvent }
  | { readonly kind: 'verified'; readonly job: number; readonly outcome: Result<void, VerificationRefusal> };

/** Whose an action is, so that a failure finds its way back. */
export interface ActionOwner {
  readonly connection: string;
  /** Number of the IKE SA in this endpoint, 0 where none is concerned. */
  readonly ikeSa: number;
  /** Inbound SPI of the Child SA, 0 where none is concerned. */
  readonly childSpi: number;
}

/** What an endpoint wants done, in this order; a dataplane failure stops the list. */
export type IkeAction =
  | {
      readonly kind: 'transmit';
      readonly path: Path;
      readonly bytes: Uint8Array;
      /** In one IP packet, or not at all. */
      readonly doNotFragment?: boolean;
    }
  /** A NAT keepalive (RFC 3948 §2.3). */
  | { readonly kind: 'keepalive'; readonly path: Path }
  | { readonly kind: 'dataplane'; readonly command: DataplaneCommand; readonly owner: ActionOwner }
  | { readonly kind: 'verify'; readonly job: VerificationJob }
  | { readonly kind: 'report'; readonly fact: Fact };

/** Names of an agent's run, for peers that are agents too. */
export interface AgentInstance {
  /** 16 bytes that change when the machine boots, and so when its kernel has lost all SAs. */
  readonly bootId: Uint8Array;
  /** 8 bytes that change when the agent starts. */
  readonly instance: Uint8Array;
}

/** Everything an endpoint is given. Same values, same events: same bytes (with a provider that draws from `random`). */
export interface EndpointContext {
  readonly crypto: CryptoProvider;
  /** Separate streams, so that one more draw of one kind does not shift the others. */
  readonly random: { readonly keys: Random; readonly nonces: Random; readonly spis: Random; readonly jitter: Random };
  readonly limits: Limits;
  /** What is said of this run; nothing where it is unknown whether the kernel has forgotten. */
  readonly instance?: AgentInstance | undefined;
  /** The first policy index to hand out, as a sequence of our range: above those that the kernel has already. */
  readonly firstPolicySequence?: number;
  /** Whether the kernel sends the NAT keepalives of SAs that ask for them. */
  readonly kernelSendsKeepalives?: boolean;
}

/** The IKE core: data in, data out (`endpoint.ts` makes one). */
export interface Endpoint {
  /** Takes in one event and returns what to do. `at` never goes back. */
  handle(at: Instant, event: IkeEvent): readonly IkeAction[];
  /** When a `deadline` event is due; undefined when nothing is pending. */
  nextDeadline(): Instant | undefined;
  /**
   * A picture of all connections and SAs for people and status; building it costs time in proportion to their number.
   */
  status(at: Instant): EndpointStatus;
}

/** An algorithm suite in strongSwan's proposal syntax, such as `aes256gcm16-prfsha384-ecp384`. */
export type SuiteText = string;

/** A Child SA as `agent status` shows it. */
export interface ChildSaStatus {
  readonly name: string;
  readonly state: 'installed' | 'superseded' | 'deleting';
  readonly mode: IpsecMode;
  readonly reqid: number;
  readonly inboundSpi: number;
  readonly outboundSpi: number;
  readonly suite: SuiteText;
  readonly udpEncapsulation: boolean;
  /** `10.1.0.0/16[tcp/443]` */
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  readonly installedAt: Instant;
  /** Whether its packets get through; undefined while the kernel has not been asked. */
  readonly arrival: Arrival | undefined;
  /** When it is rekeyed and when the kernel removes it, as far as time decides; undefined where it does not. */
  readonly rekeyAt: Instant | undefined;
  readonly expiresAt: Instant | undefined;
}

/** An IKE SA as `agent status` shows it. */
export interface IkeSaStatus {
  readonly number: number;
  /** `rekeyed`: another one has taken its place, and it waits for its Delete. */
  readonly state: 'connecting' | 'established' | 'rekeyed' | 'deleting';
  readonly role: 'initiator' | 'responder';
  readonly path: Path;
  readonly initiatorSpi: string;
  readonly responderSpi: string;
  readonly suite: SuiteText;
  readonly nat: { readonly local: boolean; readonly remote: boolean };
  readonly startedAt: Instant;
  readonly establishedAt: Instant | undefined;
  /** When it is rekeyed, and replaced by one with new proofs; undefined where that is not planned. */
  readonly rekeyAt: Instant | undefined;
  readonly reauthenticateAt: Instant | undefined;
  readonly lastHeardAt: Instant;
  /** Since when a request of ours has been repeated without an answer; undefined where none is. */
  readonly unansweredSince: Instant | undefined;
  readonly children: readonly ChildSaStatus[];
}

/** A connection as `agent status` shows it. */
export interface ConnectionStatus {
  readonly name: string;
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress | 'any';
  readonly localIdentity: string;
  readonly remoteIdentity: string;
  readonly ikeSas: readonly IkeSaStatus[];
  /** ESP itself does not arrive, and so goes in UDP. */
  readonly espInUdp: boolean;
  /** The longest IP packet that was found to arrive; undefined where nobody has tried. */
  readonly pathMtu: number | undefined;
  /** What was ordered of the kernel for it. */
  readonly policies: readonly PolicySpec[];
  /** The last failure since the connection was last established. */
  readonly lastFailure: { readonly at: Instant; readonly text: string } | undefined;
  /** When the next attempt is due; undefined when none is planned. */
  readonly nextAttemptAt: Instant | undefined;
}

/** See {@link Endpoint.status}. */
export interface EndpointStatus {
  readonly connections: readonly ConnectionStatus[];
  readonly halfOpen: number;
  /** Whether strangers have to prove their addresses first (RFC 7296 §2.6). */
  readonly demandsCookies: boolean;
  /** Outbound SAs that nothing is to be sent on any more, which go in a moment. */
  readonly unselected: readonly SaId[];
  readonly tables: TableSizes;
}

/** How much the endpoint remembers, by which a leak shows. */
export interface TableSizes {
  /** IKE SAs in any state, those included whose last answer may have to be repeated. */
  readonly ikeSas: number;
  /** Inbound ESP SPIs in use or in negotiation. */
  readonly espSpis: number;
  readonly verifications: number;
  /** Requests that wait for their turn. */
  readonly queuedRequests: number;
  /** Messages of which not all fragments have arrived. */
  readonly incompleteMessages: number;
}

import type { SecretBytes } from '../crypto/secret.ts';
import type { IpAddress } from '../wire/ip-address.ts';

/** Where a policy is consulted: packets to this host, from it, or forwarded through it. */
export type PolicyDirection = 'in' | 'out' | 'fwd';

/** How ESP wraps a packet: its payload only, or the whole packet in a new IP header. */
export type IpsecMode = 'transport' | 'tunnel';

/** An address prefix, host bits zero. */
export interface Prefix {
  readonly address: IpAddress;
  readonly length: number;
}

/** Matches ports p with (p & mask) === value; mask 0 matches any. ICMP type and code stand in source and destination. */
export interface PortMatch {
  readonly value: number;
  readonly mask: number;
}

/** What an xfrm_selector can say about a packet; both prefixes are of one family. */
export interface Selector {
  readonly source: Prefix;
  readonly destination: Prefix;
  /** IP protocol number, 0 for any. */
  readonly protocol: number;
  readonly sourcePort: PortMatch;
  readonly destinationPort: PortMatch;
  /**
   * Name of the interface by which the packet leaves, or decimal digits of its index once it is gone. Only out policies
   * say it: an in policy that does lets plaintext in (measured).
   */
  readonly interface?: string;
}

/** What names an ESP SA in the kernel. */
export interface SaId {
  readonly destination: IpAddress;
  /** 32-bit SPI, 256 or more. */
  readonly spi: number;
}

/** Limits of an SA; an absent member is no limit. A soft limit raises `expire`, a hard one also removes the SA. */
export interface SaLifetime {
  readonly softSeconds?: number;
  readonly hardSeconds?: number;
  readonly softBytes?: number;
  readonly hardBytes?: number;
  readonly softPackets?: number;
  readonly hardPackets?: number;
}

/** Outer ports of ESP in UDP (RFC 3948), as seen from an SA's source to its destination. */
export interface UdpEncapsulation {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** An ESP SA to install. */
export interface SaSpec {
  readonly id: SaId;
  readonly source: IpAddress;
  readonly direction: 'in' | 'out';
  readonly mode: IpsecMode;
  /** Fixed per (peer, selector set); from our range (`ownership.ts`). */
  readonly reqid: number;
  /** IKE transform IDs as negotiated; the suites table names the kernel's algorithms. `integrity` is 0 for AEADs. */
  readonly algorithms: { readonly encryption: number; readonly keyBits: number; readonly integrity: number };
  /** Ownership of both keys passes with the command: whoever executes it wipes them, also when it fails. */
  readonly encryptionKey: SecretBytes;
  readonly integrityKey: SecretBytes;
  readonly esn: boolean;
  /** Packets; inbound only. */
  readonly replayWindow: number;
  /** ESP in UDP; absent for ESP in IP. */
  readonly udpEncapsulation?: UdpEncapsulation;
  /**
   * Silence after which the kernel sends a NAT keepalive (RFC 3948 §2.3), where it can; of outbound SAs in UDP only. It
   * does so while no agent runs, too.
   */
  readonly natKeepaliveSeconds?: number;
  /**
   * Restricts a transport SA to the first selector's addresses; absent for tunnel SAs. A transport SA without one is
   * also used for packets from other addresses of this host, whenever two hashes in the kernel collide (measured).
   */
  readonly selector?: Selector;
  /**
   * Of an inbound SA the packets that it is for, decrypted. The kernel knows them by policies; they are compared here with
   * what came before the SA and is handed over to it. Absent: nothing is handed over.
   */
  readonly traffic?: readonly Selector[];
  readonly lifetime: SaLifetime;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly ifId?: number;
}

/** What a policy demands of a packet that it matches. */
export interface PolicyTemplate {
  readonly mode: IpsecMode;
  /** Outer addresses; tunnel mode only. Inbound an absent one lets pass any. */
  readonly source?: IpAddress;
  readonly destination?: IpAddress;
  readonly reqid: number;
  /** The one outbound SA to use; 0 leaves the choice to the kernel. Only out policies are pinned. */
  readonly spi: number;
  /** `optional` lets packets pass in plaintext when there is no SA. */
  readonly level: 'required' | 'optional';
}

/** The identity of a policy in the kernel: priority is not part of it. */
export interface PolicyKey {
  readonly direction: PolicyDirection;
  readonly selector: Selector;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly ifId?: number;
}

/** A policy to install or replace. */
export interface PolicySpec extends PolicyKey {
  /** Lower wins. */
  readonly priority: number;
  /** Kernel policy index from our range, by which a policy is known as ours; low three bits are the direction. */
  readonly index: number;
  readonly action: 'allow' | 'block';
  /** Absent: the packet passes (allow) or is dropped (block) as it is. */
  readonly template?: PolicyTemplate;
}

/** Orders to the kernel. Each is answered at once; a failure stops the list that it stands in. */
export type DataplaneCommand =
  | { readonly kind: 'addSa'; readonly sa: SaSpec }
  /**
   * Keeps what arrives for an inbound SA that is not there yet, until `addSa` hands it over to it or `forgetSa` lets it
   * go: a peer may send as soon as it has answered, which is before we have read the answer.
   */
  | { readonly kind: 'awaitSa'; readonly id: SaId }
  | { readonly kind: 'forgetSa'; readonly id: SaId }
  /** Deletes an SA of ours; one that is gone already is no failure. */
  | { readonly kind: 'deleteSa'; readonly id: SaId }
  /** Gives an SA of ours other outer ports; keys, sequence numbers and counters stay. Refused for one that is not in UDP. */
  | { readonly kind: 'updateEncapsulation'; readonly id: SaId; readonly udpEncapsulation: UdpEncapsulation }
  /** Creates the policy or replaces the one with the same key. Refused where a foreign policy has that key. */
  | { readonly kind: 'putPolicy'; readonly policy: PolicySpec }
  /** Deletes a policy of ours, whatever its index; one that is gone already is no failure. */
  | { readonly kind: 'deletePolicy'; readonly key: PolicyKey; readonly index: number }
  /** Asks for a `counters` event; ESRCH if the SA is gone. */
  | { readonly kind: 'queryCounters'; readonly id: SaId };

/** A command that the kernel refused. */
export interface DataplaneError {
  readonly kind: 'dataplaneError';
  readonly command: DataplaneCommand['kind'] | 'dump' | 'open';
  /** The object, for people: `SA 10.0.0.2 spi c0ffee01`. */
  readonly object: string;
  /** `EEXIST`, `ESRCH`, …; `CONFLICT` where a foreign object stands in the way. */
  readonly errno: string;
  /** The kernel's extended acknowledgement or our own sentence; what to do, where we know it. */
  readonly message: string;
}

/** What the kernel tells by itself or when asked. */
export type DataplaneEvent =
  | { readonly kind: 'expire'; readonly id: SaId; readonly reqid: number; readonly hard: boolean }
  /** Somebody else has deleted an SA of ours; another one may stand in its place. */
  | { readonly kind: 'removed'; readonly id: SaId; readonly reqid: number }
  /** A packet met a policy without an SA. `selector` is the packet's own. */
  | {
      readonly kind: 'acquire';
      readonly sequence: number;
      readonly policyIndex: number;
      readonly reqid: number;
      readonly selector: Selector;
    }
  /** ESP in UDP arrived from another address or port than the SA's: a NAT rebound. */
  | {
      readonly kind: 'mapping';
      readonly id: SaId;
      readonly reqid: number;
      readonly newAddress: IpAddress;
      readonly newPort: number;
    }
  | {
      readonly kind: 'counters';
      readonly id: SaId;
      readonly reqid: number;
      readonly packets: number;
      readonly bytes: number;
    }
  /** What there is, asked for from time to time and when somebody else has changed something of ours. */
  | { readonly kind: 'survey'; readonly snapshot: KernelSnapshot }
  /** Events were lost (ENOBUFS): everything was dumped again. */
  | { readonly kind: 'resync'; readonly snapshot: KernelSnapshot };

/** An SA as the kernel has it; keys are not read back. */
export interface InstalledSa {
  readonly id: SaId;
  readonly source: IpAddress;
  readonly mode: IpsecMode;
  readonly reqid: number;
  readonly esn: boolean;
  readonly replayWindow: number;
  readonly packets: number;
  readonly bytes: number;
  /** Packets that were for it and were not made with its keys; of inbound ones. */
  readonly integrityFailures: number;
  /** Seconds since the epoch. */
  readonly addedAt: number;
  /** Seconds since the epoch, 0 when never used. */
  readonly usedAt: number;
  readonly udpEncapsulation?: UdpEncapsulation;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly ifId?: number;
  /** Whether its reqid is from our range. */
  readonly ours: boolean;
}

/** A policy as the kernel has it. `templates` of foreign policies may be several; `ours` says whose it is. */
export interface InstalledPolicy extends PolicyKey {
  readonly priority: number;
  readonly index: number;
  readonly action: 'allow' | 'block';
  readonly template?: PolicyTemplate;
  readonly ours: boolean;
}

/** All SAs and policies of the network namespace, foreign ones included. */
export interface KernelSnapshot {
  readonly sas: readonly InstalledSa[];
  readonly policies: readonly InstalledPolicy[];
}

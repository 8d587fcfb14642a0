import type { IpsecMode, SaLifetime } from '../dataplane/types.ts';
import type { ConnectionConfig } from '../ike/types.ts';
import type { VerifierFault } from './certificates/simulated-verifier.ts';
import type { NatPlan } from './nat.ts';

/** What may go wrong, by kind; `--faults` chooses among them. */
export const FAULT_FAMILIES = [
  'network',
  'corruption',
  'partition',
  'nat',
  'replay',
  'forgery',
  'flood',
  'kernel',
  'expiry',
  'crash',
  'reboot',
  'orders',
  'reload',
  'departure',
  'certificates',
  'skew',
  'lingering',
  'pauses',
  'esp',
] as const;
export type FaultFamily = (typeof FAULT_FAMILIES)[number];

/** Everything that a seed decides; the same scenario always runs in the same way. */
export interface Scenario {
  readonly seed: number;
  readonly nodes: number;
  readonly pairs: readonly PairPlan[];
  readonly network: NetworkPlan;
  /** Absent where no node stands behind a NAT. */
  readonly nat?: NatPlan;
  /** Absent where peers prove themselves by pre-shared keys. */
  readonly certificates?: CertificatesPlan;
  /** By how many milliseconds each node's clock on the wall is fast; all are right where left out. */
  readonly wallOffsetsMs?: readonly number[];
  /** Half-open IKE SAs from which on every node demands cookies; production's number where left out. */
  readonly cookieThreshold?: number;
  /** How long an outbound SA stays that no policy selects any more; as in production where left out (`lingering`). */
  readonly unselectedGraceMs?: number;
  /** Share of kernel commands that are refused until the calm. */
  readonly kernelRefusals: number;
  /** Milliseconds between two packets of a flow, on average. */
  readonly packetEveryMs: number;
  /** The longest that a flow sends and is silent by turns, in milliseconds; absent where it always sends (`pauses`). */
  readonly longestTurnMs?: number;
  readonly disturbances: readonly Disturbance[];
  /** When faults end, in milliseconds from the start. */
  readonly calmAtMs: number;
}

/** How the PKI of the mesh works. */
export interface CertificatesPlan {
  /** How long certificates count; a third of it before the end they are renewed. */
  readonly lifetimeMs: number;
  /** How long before it is issued a certificate begins to count, so that slow clocks do not matter. */
  readonly backdatedMs: number;
  /** The longest that a verification takes. */
  readonly slowestVerificationMs: number;
}

/** How datagrams and packets fare until the calm. The delays hold in the calm too. */
export interface NetworkPlan {
  readonly minDelayMs: number;
  /** The network's longest delay, of copies too. */
  readonly maxDelayMs: number;
  readonly loss: number;
  readonly duplicate: number;
  readonly corrupt: number;
  /** Larger packets never arrive, in the calm neither, and nobody is told. */
  readonly pathMtu: { readonly ipv4: number; readonly ipv6: number };
}

/** Two values, the left node's and the right node's. */
export type Both<T> = readonly [T, T];

/** Two nodes that are configured for each other. */
export interface PairPlan {
  /** Indexes of the nodes, left and right. */
  readonly nodes: Both<number>;
  /** The side that stands behind a NAT, if one does: the other one waits for it. */
  readonly natted?: 0 | 1;
  readonly family: 4 | 6;
  readonly initiation: Both<ConnectionConfig['initiation']>;
  readonly natTraversal: 'Auto' | 'Always';
  readonly liveness: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly ikeLifetimeMs: Both<number>;
  /** Words of strongSwan's syntax for key exchanges, in order of preference. */
  readonly keyExchanges: Both<readonly string[]>;
  /** Words of the ESP proposal. */
  readonly esp: readonly string[];
  readonly children: readonly ChildPlan[];
  /** Bytes by which identities are longer, as certificates would make IKE_AUTH. */
  readonly identityBytes: number;
}

/** A Child SA that both nodes of a pair want. */
export interface ChildPlan {
  readonly name: string;
  readonly mode: IpsecMode;
  /** IP protocol number, 0 for any. */
  readonly protocol: number;
  /** Prefixes behind left and right; empty: the nodes' own addresses. */
  readonly prefixes: Both<readonly string[]>;
  readonly enforcement: 'Required' | 'Permissive';
  readonly replayWindow: number;
  readonly lifetime: Both<SaLifetime>;
}

/** What a node's agent may be told to do with a connection, or with its first Child. */
export type Order =
  | 'terminate'
  | 'terminateChild'
  | 'checkLiveness'
  | 'initiate'
  | 'rekey'
  | 'rekeyChild'
  | 'reauthenticate';

/** Something that happens to a node, a pair or the network at a time, in milliseconds from the start. */
export type Disturbance = { readonly atMs: number } & (
  | { readonly kind: 'crash'; readonly node: number; readonly downMs: number }
  | { readonly kind: 'reboot'; readonly node: number; readonly downMs: number }
  | { readonly kind: 'partition'; readonly nodes: readonly number[]; readonly forMs: number }
  /** ESP, which is an IP protocol of its own, is dropped on the way, each way from the side that sends; UDP passes. */
  | {
      readonly kind: 'dropEsp';
      readonly pair: number;
      readonly from: readonly (0 | 1)[];
      readonly forMs: number | 'ever';
    }
  /** The NAT forgets its mappings; the next ones have other ports, and perhaps another address. */
  | { readonly kind: 'remap'; readonly newAddress: boolean }
  /** Old traffic of the node behind the NAT comes again from somebody else's address, this many datagrams and packets. */
  | { readonly kind: 'impersonate'; readonly count: number }
  /** Old traffic comes again: this many datagrams and packets of all that ever was sent. */
  | { readonly kind: 'replay'; readonly count: number }
  /** This many made-up datagrams, most of them with SPIs that are in use. */
  | { readonly kind: 'forgery'; readonly count: number }
  /** This many requests of initiators that do not exist, seemingly from one node to another, within a time. */
  | {
      readonly kind: 'flood';
      readonly from: number;
      readonly to: number;
      readonly count: number;
      readonly forMs: number;
    }
  | {
      readonly kind: 'expire';
      readonly pair: number;
      readonly side: 0 | 1;
      readonly direction: 'in' | 'out';
      readonly hard: boolean;
    }
  | { readonly kind: 'acquire'; readonly pair: number; readonly side: 0 | 1 }
  | {
      readonly kind: 'order';
      readonly pair: number;
      readonly side: 0 | 1;
      readonly order: Order;
    }
  /** The connection is taken out of one node's configuration and comes back later, or never. */
  | { readonly kind: 'remove'; readonly pair: number; readonly side: 0 | 1; readonly forMs: number | 'ever' }
  /** The connection's timing changes under its SAs. */
  | { readonly kind: 'update'; readonly pair: number; readonly side: 0 | 1 }
  /** A node's certificate is renewed before its time. */
  | { readonly kind: 'renew'; readonly node: number }
  /** A new authority takes the place of the old one, in three phases of this length. */
  | { readonly kind: 'roll'; readonly phaseMs: number }
  /** A node's certificate ends after `inMs`; it gets another one after `forMs`. */
  | { readonly kind: 'expireCertificate'; readonly node: number; readonly inMs: number; readonly forMs: number }
  /** A node shows the certificate of another one, and has its key. */
  | { readonly kind: 'steal'; readonly node: number; readonly from: number; readonly forMs: number }
  | { readonly kind: 'verifier'; readonly node: number; readonly fault: VerifierFault; readonly forMs: number }
  /** A node's clock on the wall is set. */
  | { readonly kind: 'setClock'; readonly node: number; readonly offsetMs: number }
);

import type { UnreadableField } from './unreadable.ts';

/** How the nodes of a peering prove who they are. */
export type CredentialStanding =
  | { readonly kind: 'preSharedKey'; readonly secret: string; readonly usable: boolean }
  | {
      readonly kind: 'certificate';
      /** `Issuer mesh-ca` */
      readonly issuer: string;
      /** Whether only the operator can have it sign the name of a node. */
      readonly restricted: boolean;
      readonly certManager: 'Present' | 'Missing';
    };

/** What decides whether a peering can be carried out. */
export interface Prospect {
  /** Nodes that it selects. */
  readonly selected: number;
  /** Nodes that the selector matches and that do not run Linux. */
  readonly notLinux: number;
  readonly credentials: CredentialStanding;
  /** Peerings about the same traffic that win, by precedence. */
  readonly overlaps: readonly Overlap[];
  /** Peerings with the same issuer that want other certificates, and win. */
  readonly otherCertificates: readonly string[];
}

/** What is known of a peering and its nodes. */
export interface PeeringStanding {
  readonly kind: 'mesh' | 'gateway';
  readonly credentials: CredentialStanding;
  /** Came to be less than a minute ago, and is not Ready. */
  readonly isNew: boolean;
  /** Addresses of the control plane that should be exempt where it is Required, and are too many. */
  readonly serversLeftOut: readonly string[];
  /** IPsecPeerSlices that the API server does not take, so that nodes are not told who their peers are. */
  readonly refusedSlices: readonly RefusedWrite[];
  /** IPsecNodeConfigs of its nodes and IPsecPeerSlices of its own that this version of the operator cannot read. */
  readonly unreadable: readonly UnreadableObject[];
  readonly nodes: readonly NodeStanding[];
}

/** A peering that wins over this one. */
export interface Overlap {
  readonly peering: string;
  /** Whether nothing is left for this one. */
  readonly whole: boolean;
}

/** An object that the API server does not take, and why, in its own words. */
export interface RefusedWrite {
  readonly name: string;
  readonly text: string;
}

/** An object that is left as it is, for this version of the operator cannot read it. */
export interface UnreadableObject {
  readonly kind: string;
  readonly name: string;
  readonly faults: readonly UnreadableField[];
}

/** One node of a peering. */
export interface NodeStanding {
  readonly name: string;
  /** Joined less than a minute ago, and has not reached all of its peers yet. */
  readonly pending: boolean;
  /** Joined so lately that agents of other nodes, which tell of counts seldom, need not have told of it. */
  readonly joinedLately: boolean;
  /** Why it cannot take part. */
  readonly obstacle: Obstacle | undefined;
  readonly shortfall: Shortfall | undefined;
  /** Why the API server does not take what the node is to be told, in its own words. */
  readonly refusal?: string | undefined;
  readonly certificate: CertificateStanding;
  readonly agent: AgentStanding;
}

/** Why a node cannot take part; the text follows its name. */
export interface Obstacle {
  readonly reason: 'NameTooLong' | 'NoAddress' | 'AddressClaimed' | 'NoPodCIDR' | 'PodCIDRClaimed' | 'TooManyPeerings';
  readonly text: string;
}

/** What of a node stays outside although it takes part; the text follows its name. */
export interface Shortfall {
  readonly reason: 'AddressClaimed' | 'PodCIDRClaimed';
  readonly text: string;
}

/** How far the certificate of a node is. */
export type CertificateStanding =
  | { readonly kind: 'notNeeded' }
  /** Good, also where `renewal` says why cert-manager could not replace it. */
  | {
      readonly kind: 'issued';
      readonly renewal?: { readonly reason: string; readonly text: string } | undefined;
      /** Since when cert-manager should have renewed it and does not say that it does, and until when it is good. */
      readonly overdue?: { readonly since: string; readonly until: string } | undefined;
    }
  /** What the node has is good no more; `said` is what cert-manager says of a new one. */
  | {
      readonly kind: 'expired';
      readonly at: string;
      readonly said: string | undefined;
      /** There is a new one, which the agent does not use. */
      readonly replaced: boolean;
    }
  /** cert-manager works on it. */
  | { readonly kind: 'issuing'; readonly text: string }
  /** cert-manager says that it failed, and why. */
  | { readonly kind: 'failed'; readonly reason: string; readonly text: string }
  /** cert-manager says nothing. */
  | { readonly kind: 'silent' };

/** What the agent of a node says. */
export type AgentStanding =
  /** There is no agent Pod that is Ready. */
  | { readonly kind: 'missing' }
  /** It has not carried out what it is told, or not said so. */
  | { readonly kind: 'behind' }
  /** It says that it cannot; what it had of the peering before stays, and is counted. */
  | { readonly kind: 'failing'; readonly text: string; readonly tunnels: TunnelCounts | undefined }
  | {
      readonly kind: 'reporting';
      /** What is in force is what the peering wants in the end, and not a step on the way. */
      readonly enforced: boolean;
      /** Why TCP segments are not clamped that are to be. */
      readonly mssClampFailure?: string | undefined;
      readonly tunnels: TunnelCounts | undefined;
    };

/** Peers of one node, counted by its agent. */
export interface TunnelCounts {
  readonly expected: number;
  readonly established: number;
  readonly encrypting: number;
  /** Beside those: the first packet makes SAs with them. */
  readonly idle?: number | undefined;
}

/** The nodes that count: those that reach all of their peers, or have had a minute for it. */
export function judged(standing: PeeringStanding): readonly NodeStanding[] {
  return standing.nodes.filter(({ pending }) => !pending);
}

/** Those of the nodes that can take part. */
export function suitable(nodes: readonly NodeStanding[]): readonly NodeStanding[] {
  return nodes.filter(({ obstacle }) => obstacle === undefined);
}

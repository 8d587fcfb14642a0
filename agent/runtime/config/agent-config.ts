import type { ChildConfig, ConnectionConfig } from '../../ike/types.ts';
import type { MetricsSettings } from '../../metrics/open-metrics.ts';
import type { Result } from '../../result.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { CredentialSources } from './credential-sources.ts';
import type { ConfigFault } from './fault.ts';
import type { WatchedCertificate } from './watched-certificate.ts';

/** A Child SA as the file asks for it; its reqid depends on what the kernel and the running agent have. */
export type PlannedChild = Omit<ChildConfig, 'reqid'>;

/** A connection as the file asks for it. */
export type PlannedConnection = Omit<ConnectionConfig, 'children'> & { readonly children: readonly PlannedChild[] };

/** Keys, certificates and bundles of a configuration, and the files that they come from. */
export interface CredentialsInUse {
  readonly sources: CredentialSources;
  /** Absolute paths, to look whether their content has changed. */
  readonly files: readonly string[];
  readonly watched: readonly WatchedCertificate[];
  /** When, by the clock on the wall, a certificate that is held back becomes valid; undefined where none does. */
  readonly validFromMs: number | undefined;
}

/** A peer whose host name gives no address that this node can reach: in its place is one that may be anywhere, or none. */
export interface UnresolvedPeer {
  readonly name: string;
  readonly host: string;
  /** Where the name stands in the file, and why there is no address; a sentence. */
  readonly fault: ConfigFault;
  /** Whether what is Required of it passes in plaintext, since no policy can be made of it without the address. */
  readonly isOpen: boolean;
}

/** What a configuration file says, checked and with everything it refers to. */
export interface AgentConfig {
  readonly nodeName: string;
  /** The addresses to listen at. */
  readonly addresses: readonly IpAddress[];
  /**
   * Whether addresses that the host does not have, or not yet, are in the way of nothing: connections from them are
   * configured all the same, so that what is Required stays blocked, and come up once the address is there. Left out: they
   * are a fault of the whole.
   */
  readonly mayLackAddresses?: boolean | undefined;
  readonly connections: readonly PlannedConnection[];
  /** The text of the file, and what its host names stood for: what is read again is read with these. */
  readonly text: string;
  readonly resolved: ReadonlyMap<string, Result<readonly IpAddress[], string>>;
  /** Left out: none is. */
  readonly unresolved?: readonly UnresolvedPeer[];
  /** Where metrics are served; read at the start only. Undefined: nowhere. */
  readonly metrics?: MetricsSettings | undefined;
  /** What does not prevent a start, but should be changed. */
  readonly warnings: readonly ConfigFault[];
  /** Faults of files with keys and certificates in whose place what was read before stays in use. */
  readonly heldBack: readonly ConfigFault[];
  /**
   * Whether what an earlier run left in the kernel and nothing here wants stays there: something that is to be configured is
   * not known, or cannot be carried out, and it may be of that. Left out: it goes.
   */
  readonly leavesUnwanted?: boolean | undefined;
  /** What all this was made of besides the configuration file itself. */
  readonly credentials: CredentialsInUse;
}

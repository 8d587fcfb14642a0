import type { ChildConfig, ConnectionConfig } from '../../ike/types.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { ConfigFault } from './fault.ts';

/** A Child SA as the file asks for it; its reqid depends on what the kernel and the running agent have. */
export type PlannedChild = Omit<ChildConfig, 'reqid'>;

/** A connection as the file asks for it. */
export type PlannedConnection = Omit<ConnectionConfig, 'children'> & { readonly children: readonly PlannedChild[] };

/** What a configuration file says, checked and with everything it refers to. */
export interface AgentConfig {
  readonly nodeName: string;
  /** The addresses to listen at. */
  readonly addresses: readonly IpAddress[];
  readonly connections: readonly PlannedConnection[];
  /** What does not prevent a start, but should be changed. */
  readonly warnings: readonly ConfigFault[];
}

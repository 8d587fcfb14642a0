import type { ConnectionConfig, Identity } from '../../ike/types.ts';
import type { PlannedConnection } from './agent-config.ts';
import type { Authentication } from './credential-sources.ts';
import { exemptionConfigs } from './exemption.ts';
import type { ConfigFault, FieldPath } from './fault.ts';
import { resolveChild, type TrafficPair } from './resolve-child.ts';
import type { Settings } from './resolve-settings.ts';
import type { ChildFields } from './schema.ts';

/** A connection, its place in the file and the traffic of its children. */
export interface ResolvedPeer {
  readonly path: FieldPath;
  readonly connection: PlannedConnection;
  readonly pairs: readonly (readonly TrafficPair[])[];
}

/** Who and where a peer is, and what the file wants with it. */
export interface ConnectionParts {
  readonly name: string;
  readonly addresses: Pick<ConnectionConfig, 'localAddress' | 'remoteAddress'>;
  readonly localIdentity: Identity;
  readonly remoteIdentity: Identity;
  readonly authentication: Authentication;
  readonly initiation: ConnectionConfig['initiation'];
  readonly settings: Settings;
  /** Whether the peer has the same exemptions, of its side. */
  readonly mirrorsExemptions: boolean;
  /** Undefined: everything between the two addresses. */
  readonly children: readonly ChildFields[] | undefined;
}

/** A connection as the core wants it. */
export function resolveConnection(parts: ConnectionParts, path: FieldPath, faults: ConfigFault[]): ResolvedPeer {
  const { initiation: _, enforcement, exempt: exemptions, espProposals, lifetime, ...settings } = parts.settings;
  const exempt = exemptionConfigs(exemptions, parts.mirrorsExemptions);
  const surroundings = { ...parts.addresses, enforcement, exempt, proposals: espProposals, lifetime };
  const children = (parts.children ?? [{ name: DEFAULT_CHILD }]).map((child, index) => {
    const childPath = parts.children === undefined ? path : [...path, 'children', index];
    return resolveChild(child, childPath, surroundings, faults);
  });
  const connection: PlannedConnection = {
    name: parts.name,
    ...parts.addresses,
    remotePort: IKE_PORT,
    localIdentity: parts.localIdentity,
    remoteIdentity: parts.remoteIdentity,
    ...parts.authentication,
    ...settings,
    children: children.map(({ child }) => child),
    initiation: parts.initiation,
  };
  return { path, connection, pairs: children.map(({ pairs }) => pairs) };
}

const IKE_PORT = 500;
const DEFAULT_CHILD = 'default';

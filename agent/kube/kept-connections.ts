import type { CryptoProvider } from '../crypto/types.ts';
import { err, ok, type Result } from '../result.ts';
import { systemClock } from '../runtime/clock-system.ts';
import type { PlannedConnection } from '../runtime/config/agent-config.ts';
import { NO_SOURCES } from '../runtime/config/credential-sources.ts';
import { createLog } from '../runtime/log/logger.ts';
import { ClusterState } from './cluster-state.ts';
import { CredentialFiles } from './credential-files.ts';
import { desiredState } from './desired-state.ts';
import { ConfigurationFile } from './kept-configuration.ts';
import type { ObjectSource } from './object-source.ts';

/** Connections of a node as they were last carried out, by the name of the peering. */
export interface KeptConnections {
  readonly nodeName: string;
  readonly peerings: ReadonlyMap<string, readonly PlannedConnection[]>;
}

/**
 * The connections of the configuration that is kept in a folder: without API server, without keys, good for telling which
 * packets they are about and for nothing else. The error is a sentence.
 */
export async function keptConnections(
  folder: string,
  provider: CryptoProvider,
): Promise<Result<KeptConnections, string>> {
  const file = new ConfigurationFile(folder, undefined);
  const read = await file.read();
  if (!read.ok) return read;
  if (read.value === undefined) return err(`${file.path} is not there: no agent has carried out anything on this node`);
  const { nodeName } = read.value;
  const files = new CredentialFiles(folder);
  const state = new ClusterState({
    nodeName,
    source: NOBODY,
    files,
    log: createLog('json', 'error', { write: () => true }, false),
    monotonicMs: () => systemClock.monotonicMs(),
    onChange: () => {},
  });
  if (!state.restore(read.value) || state.header === undefined)
    return err(`${file.path} is of another version of the agent, and cannot be read`);
  const { nodeUID: nodeUid, identity, podCIDRs: podCidrs = [] } = state.header.spec;
  const wanted = { nodeName, nodeUid, fqdn: identity.fqdn, podCidrs, peers: state.peers(), standIns: true };
  const peerings = new Map<string, readonly PlannedConnection[]>();
  // Each by itself: of traffic that two are about, either may have the policies.
  for (const peering of state.peerings) {
    const services = { provider, resolveHost: async () => err('nobody is asked'), clock: systemClock, files };
    const { config } = await desiredState({ ...wanted, peerings: [peering] }, services, NO_SOURCES);
    peerings.set(peering.name, config.connections);
  }
  return ok({ nodeName, peerings });
}

/** Says nothing about anything. */
const NOBODY: ObjectSource = { name: 'nobody', certificates: '', follow: () => ({ stop: () => {} }) };

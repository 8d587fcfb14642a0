import type { PlannedConnection } from '../runtime/config/agent-config.ts';

/** Fingerprints of the certificates by which connections prove this node. */
export function credentialsOf(connections: readonly PlannedConnection[]): ReadonlySet<string> {
  return new Set(
    connections.flatMap(({ localAuthentication }) =>
      localAuthentication.kind === 'certificate'
        ? localAuthentication.credentials.map(({ fingerprint }) => fingerprint)
        : [],
    ),
  );
}

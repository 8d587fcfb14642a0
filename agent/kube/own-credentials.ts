import { createHash } from 'node:crypto';

import type { Credential } from '../pki/credential.ts';
import type { PlannedConnection } from '../runtime/config/agent-config.ts';

/** The certificates by which connections prove this node, as {@link certificateKey} names them. */
export function certificatesOf(connections: readonly PlannedConnection[]): ReadonlySet<string> {
  const credentials = connections.flatMap(({ localAuthentication }) =>
    localAuthentication.kind === 'certificate' ? localAuthentication.credentials : [],
  );
  return new Set([...new Set(credentials)].map(certificateKey));
}

/** Names the certificate of a credential; it stays the same one when what is above it is renewed. */
export function certificateKey({ certificates: [own] }: Credential): string {
  return createHash('sha256')
    .update(own ?? '')
    .digest('hex');
}

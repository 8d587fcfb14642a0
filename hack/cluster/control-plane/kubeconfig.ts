import { stringify } from 'yaml';

import type { Credential } from './authority.ts';

/** Where the API server is, and whose certificate proves it. */
export interface Server {
  readonly url: string;
  /** In PEM. */
  readonly authority: string;
}

/** A kubeconfig file of one user for one server, with everything in it. */
export function kubeconfigText(server: Server, userName: string, credential: Credential): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': context,
    contexts: [{ name: context, context: { cluster: context, user: userName } }],
    clusters: [
      { name: context, cluster: { server: server.url, 'certificate-authority-data': base64(server.authority) } },
    ],
    users: [
      {
        name: userName,
        user: {
          'client-certificate-data': base64(credential.certificate),
          'client-key-data': base64(credential.key),
        },
      },
    ],
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

const context = 'ikemesh';

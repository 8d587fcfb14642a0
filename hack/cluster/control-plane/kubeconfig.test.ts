import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { kubeconfigText } from './kubeconfig.ts';

describe('a kubeconfig', () => {
  it('leads to the server as the user, with all that it needs inside', () => {
    const server = { url: 'https://127.0.0.1:6443', authority: 'CA' };
    const text = kubeconfigText(server, 'system:node:a', { certificate: 'CERT', key: 'KEY' });
    const read = parse(text) as Record<string, unknown>;
    const base64 = (word: string) => Buffer.from(word).toString('base64');
    expect(read).toEqual({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'ikemesh',
      contexts: [{ name: 'ikemesh', context: { cluster: 'ikemesh', user: 'system:node:a' } }],
      clusters: [
        { name: 'ikemesh', cluster: { server: 'https://127.0.0.1:6443', 'certificate-authority-data': base64('CA') } },
      ],
      users: [
        {
          name: 'system:node:a',
          user: { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
        },
      ],
    });
  });
});

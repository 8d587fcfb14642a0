import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';

import { chartValues, manifestsOf } from './manifests.ts';

const webhook = { host: '127.0.0.1:10250', authority: 'CA' };
const rendered = `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: cert-manager}
---
# nothing but a comment
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cert-manager}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: cert-manager-webhook}
webhooks:
- name: webhook.cert-manager.io
  clientConfig: {url: "https://127.0.0.1:10250/validate"}
`;

function objects(text: string): readonly unknown[] {
  return parseAllDocuments(text).map((document) => document.toJS() as unknown);
}

describe("cert-manager's chart", () => {
  const { foundations, webhooks } = manifestsOf(rendered, webhook);

  it('gives the accounts, in a namespace of their own, but no workload: that runs as a process', () => {
    expect(objects(foundations)).toEqual([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'cert-manager' } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'cert-manager' } },
    ]);
  });

  it('gives webhooks that the API server trusts', () => {
    expect(objects(webhooks)).toEqual([
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name: 'cert-manager-webhook' },
        webhooks: [
          {
            name: 'webhook.cert-manager.io',
            clientConfig: { url: 'https://127.0.0.1:10250/validate', caBundle: 'Q0E=' },
          },
        ],
      },
    ]);
  });

  it('is told where the webhook listens', () => {
    expect(chartValues(webhook)).toContain('webhook.url.host=127.0.0.1:10250');
  });
});

import { describe, expect, it } from 'vitest';

import { kinds } from './kinds.ts';
import { readObject } from './read-object.ts';
import { badManifests } from './testing/bad-manifests.ts';
import { goodManifests } from './testing/good-manifests.ts';
import { changed, type Manifest, meshManifest } from './testing/manifests.ts';

describe('reading manifests', () => {
  it.each(Object.entries(goodManifests))('accepts %s', (_, manifest) => {
    expect(read(manifest)).toMatchObject({ ok: true });
  });

  it('knows at least sixty ways to get one wrong', () => {
    expect(badManifests.length).toBeGreaterThanOrEqual(60);
    expect(new Set(badManifests.map(({ title }) => title)).size).toBe(badManifests.length);
  });

  it.each(badManifests.map((bad) => [bad.title, bad] as const))('refuses %s', (_, { manifest, field, says }) => {
    const outcome = read(manifest);
    if (outcome.ok) throw new Error('it was accepted');
    const fault = outcome.error.find((each) => says === undefined || each.text.includes(says)) ?? outcome.error[0];
    expect(fault?.text).toContain(says ?? '');
    // The server tells a duplicate at the entry, zod at the list.
    expect(field.replace(/^peers\[1\]$/, 'peers')).toBe(fault?.field);
  });

  it('fills in the defaults that the API server would', () => {
    const outcome = read(meshManifest);
    if (!outcome.ok) throw new Error('refused');
    expect(outcome.value).toMatchObject({
      spec: {
        priority: 0,
        nodes: { selector: {}, addressType: 'InternalIP' },
        traffic: { scope: 'Nodes', mode: 'Auto' },
        authentication: {
          certificate: {
            issuerRef: { kind: 'Issuer', group: 'cert-manager.io' },
            duration: '24h',
            privateKey: { algorithm: 'ECDSA' },
            usages: ['digital signature', 'ipsec tunnel'],
          },
        },
        lifetimes: { ike: '4h', child: '1h', childBytes: '64Gi', maxAgentOutage: '1h' },
        liveness: { interval: '30s', timeout: '120s' },
        natTraversal: 'Auto',
        mssClamp: 'Disabled',
        initiation: 'Always',
      },
    });
  });

  it('names a misspelt field deep inside a list', () => {
    const manifest = changed(meshManifest, 'spec.traffic', { exempt: [{ cidr: '10.0.0.0/8', port: [{ from: 1 }] }] });
    expect(read(manifest)).toEqual({
      ok: false,
      error: [{ field: 'spec.traffic.exempt[0].port', text: 'is unknown here' }],
    });
  });
});

function read(manifest: Manifest) {
  const kind = kinds.find((each) => each.kind === manifest['kind']);
  if (kind === undefined) throw new Error(`no kind ${manifest['kind']}`);
  return readObject(kind, manifest);
}

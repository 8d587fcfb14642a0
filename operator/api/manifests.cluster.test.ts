import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type ControlPlane, startControlPlane } from '../../hack/cluster/control-plane/control-plane.ts';
import { customResourceDefinition } from './crd.ts';
import { kinds } from './kinds.ts';
import { readObject } from './read-object.ts';
import { apiVersion } from './resource.ts';
import { badChanges, badManifests } from './testing/bad-manifests.ts';
import { goodManifests } from './testing/good-manifests.ts';
import type { Manifest } from './testing/manifests.ts';

describe('the API server', () => {
  let controlPlane: ControlPlane;
  let ask: (method: string, path: string, body?: unknown, type?: string) => Promise<Answer>;

  beforeAll(async () => {
    controlPlane = await startControlPlane();
    ask = asker(controlPlane);
    for (const kind of kinds) {
      const definition = customResourceDefinition(kind);
      const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definition.metadata.name}`;
      const applied = await ask('PATCH', `${path}?fieldManager=test`, definition, 'application/apply-patch+yaml');
      expect(applied.body['message']).toBeUndefined();
      expect(applied.status).toBe(201);
      await established(path);
    }
  });
  afterAll(() => controlPlane?.close());

  /** A definition is served some time after it was accepted. */
  const established = async (path: string): Promise<void> => {
    for (let asked = 0; asked < 500; asked += 1) {
      const { body } = await ask('GET', path);
      const conditions = (body['status'] as { conditions: readonly Condition[] | null } | undefined)?.conditions ?? [];
      expect(conditions.filter(({ type }) => type === 'NonStructuralSchema')).toEqual([]);
      if (conditions.some(({ type, status }) => type === 'Established' && status === 'True')) return;
    }
    throw new Error(`${path} was never established`);
  };
  const create = (manifest: Manifest, options = '') =>
    ask('POST', `${collectionOf(manifest)}?fieldValidation=Strict${options}`, manifest);

  it.each(Object.entries(goodManifests))('accepts %s, with the defaults that zod fills in', async (_, manifest) => {
    const { status, body } = await create(manifest, '&dryRun=All');
    expect(body['message']).toBeUndefined();
    expect(status).toBe(201);
    const kind = kinds.find((each) => each.kind === manifest['kind']);
    const read = kind === undefined ? undefined : readObject(kind, manifest);
    if (read?.ok !== true) throw new Error('zod refuses it');
    expect(body['spec'] ?? body['peers']).toEqual(contentOf(read.value));
  });

  it.each(badManifests.map((bad) => [bad.title, bad] as const))('refuses %s', async (_, { manifest, field, says }) => {
    const { status, body } = await create(manifest, '&dryRun=All');
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(body['message']).toContain(field);
    expect(body['message']).toContain(says ?? '');
  });

  it.each(badChanges)('refuses a change: $title', async ({ from, to, field, says }) => {
    expect(await create(from)).toMatchObject({ status: 201 });
    const path = `${collectionOf(from)}/${(from['metadata'] as { name: string }).name}`;
    const { metadata: _, ...content } = to;
    const { status, body } = await ask('PATCH', path, nulled(from, content), 'application/merge-patch+json');
    expect(status).toBe(422);
    expect(body['message']).toContain(`${field}: Invalid value`);
    expect(body['message']).toContain(says);
  });

  it('lists kinds by short name and category, and selects by field', async () => {
    const byShortName = await controlPlane.kubectl(['get', 'ipp', '--output=name']);
    expect(byShortName).toMatchObject({ code: 0, stdout: 'ipsecpeering.ikemesh.io/cluster\n' });
    const byCategory = await controlPlane.kubectl(['get', 'ikemesh', '--output=name']);
    expect(byCategory.stdout).toContain('ipsecpeering.ikemesh.io/cluster');
    const selected = async (selector: string) =>
      (await controlPlane.kubectl(['get', 'ipp', '--output=name', `--field-selector=${selector}`])).stdout;
    expect(await selected('spec.enforcement=Permissive')).toContain('cluster');
    expect(await selected('spec.enforcement=Required')).toBe('');
    const { stdout } = await controlPlane.kubectl(['get', 'ipp']);
    expect(stdout.split('\n')[0]?.trim().split(/ +/)).toEqual([
      'NAME',
      ...['READY', 'ENFORCEMENT', 'NODES', 'ENCRYPTING', 'AGE'],
    ]);
  });

  it('keeps spec and status apart', async () => {
    const path = `/apis/${apiVersion}/ipsecpeerings/cluster`;
    const status = { nodes: { selected: 3, ready: 2 } };
    const merge = 'application/merge-patch+json';
    expect((await ask('PATCH', path, { status }, merge)).body['status']).toBeUndefined();
    const written = await ask('PATCH', `${path}/status`, { status, spec: { priority: 7 } }, merge);
    expect(written.body).toMatchObject({ status, spec: { priority: 0 } });
  });

  it('explains every field to kubectl', async () => {
    const { stdout } = await controlPlane.kubectl(['explain', 'ipsecpeering.spec.enforcement']);
    expect(stdout).toContain('what should be encrypted and is not is dropped');
  });
});

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Condition {
  readonly type: string;
  readonly status: string;
}

function collectionOf(manifest: Manifest): string {
  const kind = kinds.find((each) => each.kind === manifest['kind']);
  return `/apis/${apiVersion}/${kind?.plural}`;
}

function contentOf(object: object): unknown {
  const { spec, peers } = object as { readonly spec?: unknown; readonly peers?: unknown };
  return spec ?? peers;
}

/** A merge patch to `to` that takes away what only `from` has in `spec.remote`. */
function nulled(from: Manifest, to: Manifest): unknown {
  const remote = (from['spec'] as { readonly remote?: object } | undefined)?.remote;
  if (remote === undefined) return to;
  const gone = Object.fromEntries(Object.keys(remote).map((name) => [name, null]));
  const spec = to['spec'] as { readonly remote: object };
  return { ...to, spec: { ...spec, remote: { ...gone, ...spec.remote } } };
}

/** Sends requests as one who may do everything. */
function asker(controlPlane: ControlPlane) {
  const { url, authority } = controlPlane.server;
  const { certificate, key } = controlPlane.credentialOf({ name: 'administrator', groups: ['system:masters'] });
  return (method: string, path: string, body?: unknown, type = 'application/json') =>
    new Promise<Answer>((resolve, reject) => {
      const headers = { 'content-type': type };
      const asked = request(`${url}${path}`, { method, headers, ca: authority, cert: certificate, key }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (piece: string) => {
          text += piece;
        });
        answer.on('error', reject);
        answer.on('end', () => {
          const json = text.startsWith('{') ? (JSON.parse(text) as Answer['body']) : { message: text };
          resolve({ status: answer.statusCode ?? 0, body: json });
        });
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';

import { ipsecNodeConfig } from '../api/ipsec-node-config.ts';
import { readObject } from '../api/read-object.ts';
import { changed, gatewayManifest, meshManifest } from '../api/testing/manifests.ts';
import { atSecond, nodesOf, settings } from '../nodeconfig/testing/builders.ts';
import { runOffline } from './run-offline.ts';

describe('operator --manifests --out', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ikemesh-offline-'));
    await mkdir(join(folder, 'in'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = (name: string, ...objects: readonly unknown[]) =>
    writeFile(join(folder, 'in', name), objects.map((object) => stringify(object)).join('---\n'));
  const run = (trustDomain = settings.trustDomain) =>
    runOffline({
      manifests: join(folder, 'in'),
      out: join(folder, 'out'),
      settings: { ...settings, trustDomain },
      at: atSecond(0),
    });

  it('writes what each node is to do, to the last step of enforcement, and tells the conditions', async () => {
    const nodes = { apiVersion: 'v1', kind: 'NodeList', items: nodesOf(2) };
    await write('peerings.yaml', changed(meshManifest, 'spec.enforcement', 'Required'), gatewayManifest);
    await write('nodes.yaml', nodes, {
      apiVersion: 'cert-manager.io/v1',
      kind: 'Issuer',
      metadata: { name: 'mesh-ca' },
    });
    const { code, lines } = await run();
    expect(lines.join('\n')).toContain('passed over: Issuer mesh-ca');
    expect(lines.filter((line) => /Ready +True/.test(line))).toHaveLength(4);
    expect(code).toBe(0);
    const names = await readdir(join(folder, 'out'));
    expect(names.map((name) => name.replace(/[0-9a-f]{8,}/, 'HASH')).sort()).toEqual([
      'certificate-ike-node-1-HASH.yaml',
      'certificate-ike-node-2-HASH.yaml',
      'ipsecnodeconfig-node-1.yaml',
      'ipsecnodeconfig-node-2.yaml',
      'ipsecpeerslice-cluster-HASH-0.yaml',
    ]);
    const written: unknown = parse(await readFile(join(folder, 'out/ipsecnodeconfig-node-1.yaml'), 'utf8'));
    expect(readObject(ipsecNodeConfig, written)).toMatchObject({
      ok: true,
      value: {
        metadata: { name: 'node-1' },
        spec: {
          peerings: [
            { name: 'cluster', enforcement: { outbound: 'Required', inbound: 'Required' } },
            { name: 'office' },
          ],
        },
      },
    });
    expect(written).not.toHaveProperty('status');
    expect(written).not.toHaveProperty('metadata.uid');
  });

  it('tells all faults with file, object, field and remedy, and writes nothing', async () => {
    const faulty = changed(meshManifest, 'spec.lifetimes', { ike: '1d' });
    await write('a.yaml', faulty, gatewayManifest, gatewayManifest);
    await writeFile(join(folder, 'in/b.yaml'), 'a: [');
    const { code, lines } = await run();
    expect(code).toBe(2);
    expect(lines).toEqual([
      expect.stringMatching(/^a\.yaml: IPsecPeering cluster: spec\.lifetimes\.ike must be a duration/),
      'a.yaml: IPsecPeering office is there twice',
      expect.stringMatching(/^b\.yaml: /),
    ]);
    await expect(readdir(join(folder, 'out'))).rejects.toThrow('ENOENT');
  });

  it('ends with 1 where a peering is not carried out, and says which and why', async () => {
    await write(
      'a.yaml',
      changed(meshManifest, 'spec.nodes', { selector: { matchLabels: { no: 'node' } } }),
      ...nodesOf(2),
    );
    const { code, lines } = await run();
    expect(code).toBe(1);
    expect(lines.join('\n')).toMatch(/Accepted +False +NoNodes: nodes.selector matches no Linux node/);
  });

  it('refuses a folder with files of an earlier run, and a trust domain that is no name', async () => {
    await write('a.yaml', meshManifest, ...nodesOf(2));
    expect(await run('No Name')).toMatchObject({ code: 2, lines: [expect.stringContaining('trust domain')] });
    await run();
    await expect(run()).rejects.toThrow('is not empty');
  });
});

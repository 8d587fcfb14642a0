import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';

import { gatewayManifest } from '../../operator/api/testing/manifests.ts';
import { planMesh } from './plan-mesh.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ikemesh-plan-'));
});

afterEach(() => rm(folder, { recursive: true }));

const ownManifests = join(import.meta.dirname, 'manifests');

describe('the plan of the demo', () => {
  it('has every pair of nodes in both directions and both families', async () => {
    const { nodes, flows } = await planMesh(ownManifests, join(folder, 'out'));
    expect(nodes.map(({ name, addresses }) => [name, ...addresses])).toEqual([
      ['node-a', '10.77.0.1', 'fd77::1'],
      ['node-b', '10.77.0.2', 'fd77::2'],
      ['node-c', '10.77.0.3', 'fd77::3'],
    ]);
    expect(flows.map(({ from, to, address }) => `${from} ${to} ${address}`).sort()).toEqual(
      ['a', 'b', 'c']
        .flatMap((from) =>
          ['a', 'b', 'c']
            .map((to, index) => [to, index + 1] as const)
            .filter(([to]) => to !== from)
            .flatMap(([to, number]) =>
              [`10.77.0.${number}`, `fd77::${number}`].map((at) => `node-${from} node-${to} ${at}`),
            ),
        )
        .sort(),
    );
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    ['a folder that is not there', async () => join(folder, 'none'), /none cannot be read/],
    [
      'manifests with a fault, by its field',
      async () => {
        await cp(ownManifests, join(folder, 'in'), { recursive: true });
        await writeFile(join(folder, 'in/more.yaml'), stringify({ ...gatewayManifest, spec: {} }));
        return join(folder, 'in');
      },
      /more\.yaml: IPsecPeering office: spec/,
    ],
    [
      'what is no mesh of nodes',
      async () => {
        await cp(ownManifests, join(folder, 'in'), { recursive: true });
        await writeFile(join(folder, 'in/peering.yaml'), stringify(gatewayManifest));
        return join(folder, 'in');
      },
      /the demo shows one mesh of nodes/,
    ],
    [
      'a mesh of nobody',
      async () => {
        await mkdir(join(folder, 'in'));
        await cp(join(ownManifests, 'peering.yaml'), join(folder, 'in/peering.yaml'));
        return join(folder, 'in');
      },
      /matches no Linux node/,
    ],
  ])('refuses %s, and says why', async (_, prepare, text) => {
    await expect(planMesh(await prepare(), join(folder, 'out'))).rejects.toThrow(text);
  });
});

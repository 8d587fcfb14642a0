import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type BuiltImage, buildImage, projectVersion } from './build-image.ts';
import { StalePinsError } from './debian-packages.ts';
import { platforms } from './platform.ts';
import { SETTINGS } from './runtime-part.ts';

const execute = promisify(execFile);
/** The host's own settings are none of the image's. */
const run = (program: string, words: readonly string[]) =>
  execute(program, [...words], { env: { PATH: process.env['PATH'] } });
const LARGEST_BYTES = 200_000_000;

interface Descriptor {
  readonly digest: string;
  readonly platform?: { readonly architecture: string };
}

let folder = '';
let built: BuiltImage;
let stalePins: string | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ikemesh-image-test-'));
  built = await build('first', false).catch((error: unknown) => {
    if (!(error instanceof StalePinsError)) throw error;
    stalePins = error.message;
    return build('first', true);
  });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the container image', () => {
  it('is built from the pinned libraries', ({ skip }) => {
    if (stalePins !== undefined) skip(stalePins);
    expect(built.platforms).toHaveLength(platforms.length);
  });

  it('is the same image when it is built again', async () => {
    const again = await build('second', stalePins !== undefined);
    expect(again.digest).toBe(built.digest);
    await rm(join(folder, 'second'), { recursive: true });
  });

  for (const { architecture } of platforms) {
    it(`takes less than 200 MB on a node, for ${architecture}`, () => {
      const found = built.platforms.find(({ platform }) => platform.architecture === architecture);
      expect(found?.unpackedBytes).toBeLessThan(LARGEST_BYTES);
    });

    it(`holds no file that its bill of materials does not explain, for ${architecture}`, async () => {
      const root = await unpack(architecture);
      const { components } = built.platforms.find(({ platform }) => platform.architecture === architecture) ?? {};
      const explained = new Set(components?.flatMap(({ files }) => files));
      for (const path of Object.keys(SETTINGS)) explained.add(path);
      explained.add('usr/share/doc/ikemesh/sbom.cdx.json');
      const files = (await filesBelow(root)).map((file) => relative(root, file));
      expect(files.filter((file) => !explained.has(file))).toEqual([]);
      expect([...explained].filter((file) => !files.includes(file))).toEqual([]);
    });
  }

  it('names node, koffi and the C library with their versions in its bill of materials', async () => {
    const root = await unpack('amd64');
    const text = await readFile(join(root, 'usr/share/doc/ikemesh/sbom.cdx.json'), 'utf8');
    const { bomFormat, components } = JSON.parse(text) as {
      readonly bomFormat: string;
      readonly components: readonly { readonly name: string; readonly version: string; readonly purl: string }[];
    };
    expect(bomFormat).toBe('CycloneDX');
    for (const name of ['ikemesh', 'node', 'koffi', 'libc6', 'zod', '@noble/curves']) {
      expect(components.find((component) => component.name === name)?.version, name).toMatch(/^\d/);
    }
  });

  it('passes on the licence of each library and package in it', async () => {
    const root = await unpack('amd64');
    for (const name of ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1', 'node']) {
      const file = name === 'node' ? 'LICENSE' : 'copyright';
      const text = await readFile(join(root, 'usr/share/doc', name, file), 'utf8');
      expect(text, name).toMatch(/copyright/i);
    }
    const bundled = await readFile(join(root, 'app/agent.licences.txt'), 'utf8');
    for (const name of ['zod', 'pino', '@noble/curves']) expect(bundled).toContain(`${name}\n\n`);
    const ofOperator = await readFile(join(root, 'app/operator.licences.txt'), 'utf8');
    for (const name of ['zod', '@kubernetes/client-node']) expect(ofOperator).toContain(`${name}\n\n`);
  });

  it('runs the agent, its holder and its probe with nothing of the host but its kernel', async ({ skip }) => {
    const here = platforms.find(({ npm }) => npm === process.arch);
    if (here === undefined) skip(`there is no image for ${process.arch}`);
    const root = await unpack(here?.architecture ?? '');
    const holder = await run('chroot', [root, '/usr/bin/node', '/app/holder.js', '--help']);
    expect(holder.stdout).toMatch(/^Usage: holder/);
    const probe = run('chroot', [root, '/usr/bin/node', '/app/ready.js']);
    await expect(probe).rejects.toThrow(/no agent is running here/);
    const { stdout } = await run('chroot', [root, '/usr/bin/node', '/app/agent.js', '--version']);
    expect(stdout).toContain(await projectVersion());
    const script =
      "import('/app/node_modules/koffi/index.js').then(({ load }) => console.log(load('libc.so.6').func('int getpid()')()))";
    const native = await run('chroot', [root, '/usr/bin/node', '-e', script]);
    expect(Number(native.stdout)).toBeGreaterThan(0);
  });

  it('runs the operator, and its uninstall and check, with nothing of the host but its kernel', async ({ skip }) => {
    const here = platforms.find(({ npm }) => npm === process.arch);
    if (here === undefined) skip(`there is no image for ${process.arch}`);
    const root = await unpack(here?.architecture ?? '');
    const operator = (...words: readonly string[]) =>
      run('chroot', [root, '/usr/bin/node', '/app/operator.js', ...words]);
    expect((await operator('--help')).stdout).toMatch(/run [\s\S]*uninstall [\s\S]*check /);
    // There is no cluster to be found in there; to find that out takes everything that the bundle needs.
    for (const words of [['run', '--trust-domain=image.test', '--health-port=0'], ['uninstall'], ['check']]) {
      await expect(operator(...words)).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/no API server is named/),
      });
    }
  });
});

function build(name: string, newest: boolean): Promise<BuiltImage> {
  const output = join(folder, name);
  return buildImage({ reference: 'ikemesh.test/ikemesh:test', platforms, output, newest, say: () => undefined });
}

/** What a container runtime would make of the layout: one layer over the other. */
async function unpack(architecture: string): Promise<string> {
  const root = join(folder, `root-${architecture}`);
  await rm(root, { recursive: true, force: true });
  await mkdir(root);
  const { manifests: indexes } = await read<{ manifests: Descriptor[] }>('index.json');
  const index = await readBlob<{ manifests: Descriptor[] }>(indexes[0]);
  const manifest = await readBlob<{ layers: Descriptor[] }>(
    index.manifests.find(({ platform }) => platform?.architecture === architecture),
  );
  for (const { digest } of manifest.layers) {
    await run('tar', ['-xzf', join(folder, 'first', blob(digest)), '-C', root]);
  }
  return root;
}

async function read<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(join(folder, 'first', path), 'utf8')) as T;
}

function readBlob<T>(descriptor: Descriptor | undefined): Promise<T> {
  if (descriptor === undefined) throw new Error('the layout lacks a manifest');
  return read<T>(blob(descriptor.digest));
}

function blob(digest: string): string {
  return join('blobs', digest.replace(':', '/'));
}

/** Links are files here: `readdir` with `recursive` would walk into the folders that they point to. */
async function filesBelow(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  const below = entries.map((entry) => {
    const path = join(root, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
  return (await Promise.all(below)).flat();
}

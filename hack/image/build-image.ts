import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

import { layOutApplication, type Program } from './application-part.ts';
import type { Component } from './component.ts';
import { type DebianPackage, newestPackages, type Pin, pinnedPackages } from './debian-packages.ts';
import { packLayer } from './layer.ts';
import { npmPackage } from './npm-package.ts';
import { type ImageProcess, type PlatformImage, writeOciLayout } from './oci-layout.ts';
import type { Platform } from './platform.ts';
import { layOutRuntime } from './runtime-part.ts';
import { billOfMaterials } from './sbom.ts';

/** Which programs `/app` holds. */
const PROGRAMS: readonly Program[] = [
  { name: 'agent', entry: 'agent/main.ts' },
  { name: 'holder', entry: 'agent/holder.ts' },
  { name: 'ready', entry: 'agent/ready.ts' },
  { name: 'operator', entry: 'operator/main.ts' },
];

/**
 * Of glibc's malloc. By itself it keeps what Node needed while it started: an arena for each thread, and freed buffers of up to
 * 32 MiB, as soon as one of that size has been there. It is a tenth of the memory of an agent at rest.
 */
export const mallocSettings = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '65536',
} as const;

const ikemeshProcess: ImageProcess = {
  title: 'ikemesh',
  entrypoint: ['/usr/bin/node'],
  words: ['/app/agent.js', '--help'],
  environment: [
    'PATH=/usr/bin',
    'NODE_ENV=production',
    ...Object.entries(mallocSettings).map((each) => each.join('=')),
  ],
  // Who needs root (the agent, for the kernel's SAs) is told so by the chart.
  user: '65532:65532',
};

export const projectFolder = join(import.meta.dirname, '../..');
const lockFile = join(projectFolder, 'package-lock.json');
const pinFile = join(import.meta.dirname, 'pins.json');

export interface ImageOptions {
  /** Of the image, with its tag. */
  readonly reference: string;
  readonly platforms: readonly Platform[];
  /** The folder that becomes the OCI image layout; what was there is replaced. */
  readonly output: string;
  /** Take Debian's libraries as they are served now, whatever is pinned. */
  readonly newest: boolean;
  readonly say: (line: string) => void;
  /** Ends the build between two of its steps when aborted. */
  readonly signal?: AbortSignal;
}

/** What was built for one processor. */
export interface BuiltPlatform {
  readonly platform: Platform;
  readonly components: readonly Component[];
  /** Bytes of all layers, as a registry stores and as a node unpacks them. */
  readonly compressedBytes: number;
  readonly unpackedBytes: number;
}

export interface BuiltImage {
  /** Of the index over all processors: the same sources and pins give the same. */
  readonly digest: string;
  readonly platforms: readonly BuiltPlatform[];
}

/** Builds the image from pinned parts, without a registry or a container runtime. */
export async function buildImage({ reference, platforms, output, newest, ...run }: ImageOptions): Promise<BuiltImage> {
  const version = await projectVersion();
  const workFolder = await mkdtemp(join(tmpdir(), 'ikemesh-image-'));
  try {
    const images: PlatformImage[] = [];
    const built: BuiltPlatform[] = [];
    for (const platform of platforms) {
      const folder = join(workFolder, platform.architecture);
      const { image, components } = await buildPlatform(platform, version, folder, newest, run);
      images.push(image);
      built.push({
        platform,
        components,
        compressedBytes: sum(image.layers.map(({ compressed }) => compressed.length)),
        unpackedBytes: sum(image.layers.map(({ uncompressedBytes }) => uncompressedBytes)),
      });
    }
    const layout = join(workFolder, 'layout');
    const digest = await writeOciLayout(layout, images, { reference, version }, ikemeshProcess);
    for (const { platform, components } of built) {
      await writeFile(join(layout, `sbom-${platform.architecture}.cdx.json`), billOfMaterials(version, components));
    }
    await rm(output, { recursive: true, force: true });
    await mkdir(join(output, '..'), { recursive: true });
    await rename(layout, output).catch(async () => move(layout, output));
    return { digest, platforms: built };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

/** Two layers: what an upgrade of ikemesh leaves as it is, and what it brings. */
async function buildPlatform(
  platform: Platform,
  version: string,
  folder: string,
  newest: boolean,
  { say, signal }: Pick<ImageOptions, 'say' | 'signal'>,
): Promise<{ readonly image: PlatformImage; readonly components: readonly Component[] }> {
  const { architecture } = platform;
  const npmFolder = join(cacheFolder(), 'npm');
  say(`${architecture}: Node, koffi and Debian's libraries`);
  const node = await npmPackage(`node-linux-${platform.npm}`, lockFile, npmFolder);
  const koffi = await npmPackage('koffi', lockFile, npmFolder);
  const koffiNative = await npmPackage(`@koromix/koffi-linux-${platform.npm}`, lockFile, npmFolder);
  const libraries = await librariesOf(platform, newest, say);
  signal?.throwIfAborted();
  const runtimeRoot = join(folder, 'runtime');
  const applicationRoot = join(folder, 'application');
  const sources = { projectFolder, version, programs: PROGRAMS, koffi, koffiNative };
  const components = [
    ...(await layOutRuntime(runtimeRoot, platform, node, libraries)),
    ...(await layOutApplication(applicationRoot, platform, sources)),
  ];
  const sbom = join(applicationRoot, 'usr/share/doc/ikemesh/sbom.cdx.json');
  await mkdir(join(sbom, '..'), { recursive: true });
  await writeFile(sbom, billOfMaterials(version, components));
  signal?.throwIfAborted();
  say(`${architecture}: packing`);
  const runtime = await packLayer(runtimeRoot, join(folder, 'runtime.tar'));
  signal?.throwIfAborted();
  const layers = [runtime, await packLayer(applicationRoot, join(folder, 'application.tar'))];
  return { image: { platform, layers }, components };
}

async function librariesOf(
  platform: Platform,
  newest: boolean,
  say: (line: string) => void,
): Promise<readonly DebianPackage[]> {
  const options = { cacheFolder: join(cacheFolder(), 'debian'), say };
  if (newest) return newestPackages(platform, options);
  const pins = await readPins();
  return pinnedPackages(platform, pins[platform.architecture] ?? [], options);
}

/** Pins Debian's libraries as they are served now. */
export async function updatePins(platforms: readonly Platform[], say: (line: string) => void): Promise<void> {
  const pins: Record<string, readonly Pin[]> = { ...(await readPins()) };
  for (const platform of platforms) {
    const served = await newestPackages(platform, { cacheFolder: join(cacheFolder(), 'debian'), say });
    pins[platform.architecture] = served.map(({ package: name, version, sha256 }) => ({
      package: name,
      version,
      sha256,
    }));
  }
  await writeFile(pinFile, `${JSON.stringify(pins, undefined, 2)}\n`);
}

async function readPins(): Promise<Readonly<Record<string, readonly Pin[]>>> {
  return JSON.parse(await readFile(pinFile, 'utf8')) as Readonly<Record<string, readonly Pin[]>>;
}

export async function projectVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(projectFolder, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return version;
}

/** Where fetched parts are kept: below XDG_CACHE_HOME or ~/.cache. */
function cacheFolder(): string {
  const { XDG_CACHE_HOME: base } = process.env;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'ikemesh', 'image');
}

/** To another file system. */
async function move(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  await rm(from, { recursive: true, force: true });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

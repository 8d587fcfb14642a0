import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { digestOf, type Layer } from './layer.ts';
import type { Platform } from './platform.ts';

/** An image for one processor. */
export interface PlatformImage {
  readonly platform: Pick<Platform, 'architecture'>;
  readonly layers: readonly Layer[];
}

export interface ImageLabels {
  /** As container runtimes list it: name and tag. */
  readonly reference: string;
  readonly version: string;
}

/** What a container of the image runs, unless its pod says otherwise. */
export interface ImageProcess {
  readonly title: string;
  readonly entrypoint: readonly string[];
  readonly words: readonly string[];
  readonly environment: readonly string[];
  /** Numbers of user and group. */
  readonly user: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * Writes images as one OCI image layout (https://github.com/opencontainers/image-spec): `ctr images import`, `docker
 * load` and `skopeo copy oci:…` read it. Returns the digest of the index over all processors.
 */
export async function writeOciLayout(
  folder: string,
  images: readonly PlatformImage[],
  labels: ImageLabels,
  imageProcess: ImageProcess,
): Promise<string> {
  const blobs = new Map<string, Uint8Array>();
  const add = (mediaType: string, content: Uint8Array): Descriptor => {
    const digest = digestOf(content);
    blobs.set(digest, content);
    return { mediaType, digest, size: content.length };
  };
  const manifests = images.map(({ platform, layers }) => {
    const config = add(
      'application/vnd.oci.image.config.v1+json',
      json(configOf(platform, layers, labels, imageProcess)),
    );
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config,
      layers: layers.map(({ compressed }) => add('application/vnd.oci.image.layer.v1.tar+gzip', compressed)),
    };
    return { ...add(MANIFEST, json(manifest)), platform: { architecture: platform.architecture, os: 'linux' } };
  });
  const index = add(INDEX, json({ schemaVersion: 2, mediaType: INDEX, manifests }));
  const [, tag = ''] = /:([^:/]+)$/.exec(labels.reference) ?? [];
  const annotations = {
    'io.containerd.image.name': labels.reference,
    'org.opencontainers.image.ref.name': tag,
  };
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  for (const [digest, content] of blobs) await writeFile(join(folder, 'blobs', digest.replace(':', '/')), content);
  await writeFile(join(folder, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  await writeFile(
    join(folder, 'index.json'),
    json({ schemaVersion: 2, mediaType: INDEX, manifests: [{ ...index, annotations }] }),
  );
  return index.digest;
}

/** No time of creation: it would make every build another image. */
function configOf(
  { architecture }: Pick<Platform, 'architecture'>,
  layers: readonly Layer[],
  { version }: ImageLabels,
  { title, entrypoint, words, environment, user }: ImageProcess,
): object {
  return {
    architecture,
    os: 'linux',
    config: {
      Entrypoint: entrypoint,
      Cmd: words,
      Env: environment,
      WorkingDir: '/',
      User: user,
      Labels: {
        'org.opencontainers.image.title': title,
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  };
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

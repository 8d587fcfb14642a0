import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

import { runToEnd } from '../lab/host/subprocess.ts';
import { ImageError } from './image-error.ts';

/** A layer of an image, as the OCI image specification wants it. */
export interface Layer {
  readonly compressed: Uint8Array;
  /** Of the compressed bytes, as a registry names them. */
  readonly digest: string;
  /** Of the archive before compression, as the image's configuration names it. */
  readonly diffId: string;
  readonly uncompressedBytes: number;
}

/** Packs a folder so that the same content gives the same bytes, whenever and wherever it is packed. */
export async function packLayer(folder: string, archive: string): Promise<Layer> {
  const command = [
    'tar',
    '--create',
    `--file=${archive}`,
    `--directory=${folder}`,
    '--format=ustar',
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=go-w,a+rX',
    // Links that the host's file system happens to make of equal files would be content of their own.
    '--hard-dereference',
    '.',
  ] as const;
  const { code, output } = await runToEnd(['env', 'LC_ALL=C', ...command]);
  if (code !== 0) throw new ImageError(`tar failed: ${output.trim()}`);
  const content = await readFile(archive);
  await rm(archive);
  const compressed = gzipSync(content);
  return {
    compressed,
    digest: digestOf(compressed),
    diffId: digestOf(content),
    uncompressedBytes: content.length,
  };
}

export function digestOf(content: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

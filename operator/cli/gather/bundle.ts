import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import { pack } from 'tar-stream';

/** A file of a bundle. */
export interface BundleFile {
  readonly path: string;
  readonly text: string;
}

/** Writes a `.tar.gz`, or a folder where the name does not end so. Whoever reads it is the user alone: it tells of a cluster. */
export async function writeBundle(out: string, files: readonly BundleFile[], wallMs: number): Promise<void> {
  if (!/\.(tar\.gz|tgz)$/.test(out)) {
    for (const { path, text } of files) {
      await mkdir(dirname(join(out, path)), { recursive: true });
      await writeFile(join(out, path), text, { mode: 0o600 });
    }
    return;
  }
  const root = out.replace(/^.*\//, '').replace(/\.(tar\.gz|tgz)$/, '');
  const archive = pack();
  const written = pipeline(archive, createGzip(), createWriteStream(out, { mode: 0o600 }));
  for (const { path, text } of files) {
    archive.entry({ name: `${root}/${path}`, mtime: new Date(wallMs), mode: 0o600 }, text);
  }
  archive.finalize();
  await written;
}

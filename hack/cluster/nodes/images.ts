import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { packLayer } from '../../image/layer.ts';
import { type ImageProcess, writeOciLayout } from '../../image/oci-layout.ts';
import { runToEnd } from '../../lab/host/subprocess.ts';
import { ClusterError } from '../cluster-error.ts';
import { exists } from '../programs/files.ts';

/** The image that containerd makes pod sandboxes of; it is imported, and never pulled. */
export const pauseReference = 'ikemesh.example/pause:1';

/** The image whose pods answer, ask and send counted streams (`/traffic`). */
export const trafficReference = 'ikemesh.example/traffic:1';

/** Programs that nodes have images of, with nothing else in them. */
export const imagePrograms = ['pause', 'traffic'] as const;

/** Makes an archive of an image that has nothing but a program, and gives its path. */
export async function programImage(
  name: (typeof imagePrograms)[number],
  program: string,
  folder: string,
): Promise<string> {
  const work = join(folder, `image-${name}`);
  const root = join(work, 'root');
  await mkdir(root, { recursive: true });
  await copyFile(program, join(root, name));
  await chmod(join(root, name), 0o755);
  const layer = await packLayer(root, join(work, 'layer.tar'));
  const layout = join(work, 'layout');
  const platform = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' } as const;
  const reference = `ikemesh.example/${name}:1`;
  await writeOciLayout(layout, [{ platform, layers: [layer] }], { reference, version: '1' }, processOf(name));
  const archive = join(folder, `${name}.tar`);
  await archiveLayout(layout, archive);
  await rm(work, { recursive: true });
  return archive;
}

/** Packs an OCI image layout as an archive that has the image's digest in its name, and gives its path. */
export async function packImage(layout: string, folder: string): Promise<string> {
  const index = await readFile(join(layout, 'index.json'), 'utf8').catch(() => undefined);
  if (index === undefined) {
    throw new ClusterError(`${layout} is no OCI image layout: it has no index.json; npm run image makes one`);
  }
  const archive = join(folder, `${createHash('sha256').update(index).digest('hex').slice(0, 16)}.tar`);
  if (!(await exists(archive))) await archiveLayout(layout, archive);
  return archive;
}

/** One file, as containerd imports it. */
async function archiveLayout(layout: string, archive: string): Promise<void> {
  const { code, output } = await runToEnd(['tar', '--create', `--file=${archive}`, `--directory=${layout}`, '.']);
  if (code !== 0) throw new ClusterError(`the image in ${layout} cannot be packed: ${output.trim()}`);
}

function processOf(name: string): ImageProcess {
  return { title: name, entrypoint: [`/${name}`], words: [], environment: [], user: '65535:65535' };
}

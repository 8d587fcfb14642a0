import { existsSync } from 'node:fs';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ok, type Result } from '../agent/result.ts';
import { runProgram } from '../hack/cluster/control-plane/run-program.ts';
import { projectFolder, projectVersion } from '../hack/image/build-image.ts';
import { platforms } from '../hack/image/platform.ts';
import { EARLIER_COMMIT, earlierSource } from './earlier-source.ts';

/** A chart, and an OCI image layout with the image that it installs. */
export interface Release {
  readonly chart: string;
  readonly image: string;
}

/** Makes a release of an earlier commit, as if it were that of the minor version before; it does not change. */
export interface EarlierRelease {
  readonly make: (say: (line: string) => void, signal: AbortSignal) => Promise<Release>;
}

/** A release that can be upgraded from; a reason where this checkout has no history. */
export function earlierRelease(): Result<EarlierRelease, string> {
  const source = earlierSource(EARLIER_COMMIT);
  if (!source.ok) return source;
  return ok({
    make: async (say, signal) => {
      const folder = join(projectFolder, 'dist', `e2e-${EARLIER_COMMIT}`);
      const release = { chart: join(folder, 'charts/ikemesh'), image: join(folder, 'dist/image') };
      if (existsSync(join(release.image, 'index.json'))) return release;
      await rm(folder, { recursive: true, force: true });
      source.value.extract(folder);
      await symlink(join(projectFolder, 'node_modules'), join(folder, 'node_modules'));
      const [current, earlier] = await versions();
      for (const file of ['charts/ikemesh/Chart.yaml', 'package.json']) {
        const text = await readFile(join(folder, file), 'utf8');
        await writeFile(
          join(folder, file),
          text.replaceAll(new RegExp(`(ersion"?: "?)${current}`, 'g'), `$1${earlier}`),
        );
      }
      say(`building ikemesh.io/ikemesh:${earlier} of commit ${EARLIER_COMMIT}`);
      await buildImage(folder, release.image, signal);
      return release;
    },
  });
}

/** By its own program. What Debian serves now will do: what was pinned then may be gone. */
async function buildImage(folder: string, output: string, signal: AbortSignal): Promise<void> {
  const here = platforms.filter(({ npm }) => npm === process.arch).map(({ architecture }) => architecture);
  const words = [join(folder, 'hack/image/main.ts'), `--platforms=${here.join()}`, `--output=${output}`, '--newest'];
  const { code, stderr } = await runProgram(process.execPath, words, { signal });
  if (code !== 0) throw new Error(`the image of commit ${EARLIER_COMMIT} was not built: ${stderr}`);
}

/** The one that the project has, and one of the minor version before. */
async function versions(): Promise<readonly [string, string]> {
  const current = await projectVersion();
  const [major = '0', minor = '0'] = current.split('.');
  return [current, `${major}.${Number(minor) - 1}.9`];
}

import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { err, ok, type Result } from '../../agent/result.ts';
import { takeLock } from '../lab/host/folder-lock.ts';
import { labCacheFolder } from '../lab/host/root-folder.ts';
import { lastLines, runToEnd } from '../lab/host/subprocess.ts';

/** Prometheus and its tool for rules and queries. */
export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/**
 * Those of this machine or, where it has none, of Debian's package: it is downloaded and unpacked into a cache folder, not
 * installed, because an installed one runs as a service. The error says why they cannot be had.
 */
export async function prometheusPrograms(say: (line: string) => void): Promise<Result<PrometheusPrograms, string>> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const found = programsIn(folder);
    if (await areThere(found)) return ok(found);
  }
  const finished = join(labCacheFolder(process.env), '../prometheus');
  const programs = programsIn(join(finished, 'usr/bin'));
  if (await areThere(programs)) return ok(programs);
  await mkdir(join(finished, '..'), { recursive: true });
  const lock = await takeLock(`${finished}.lock`, new AbortController().signal);
  try {
    if (await areThere(programs)) return ok(programs);
    say(
      "downloading Debian's package prometheus with apt-get: it tests alerts and scrapes agents; nothing is installed",
    );
    const downloaded = await download(finished);
    return downloaded === undefined ? ok(programs) : err(downloaded);
  } finally {
    lock.release();
  }
}

/** Appears by one rename. Answers why it cannot be had. */
async function download(finished: string): Promise<string | undefined> {
  const unfinished = await mkdtemp(`${finished}.unfinished-`);
  try {
    const script =
      'cd "$0" && { apt-get -q download prometheus || { apt-get -q update && apt-get -q download prometheus; }; }';
    const got = await runToEnd(['sh', '-c', script, unfinished], { removedOnDeath: unfinished });
    const [archive] = (await readdir(unfinished)).filter((name) => name.endsWith('.deb'));
    if (got.code !== 0 || archive === undefined)
      return `Debian's package prometheus cannot be downloaded; install prometheus by hand\n${lastLines(got.output)}`;
    const unpacked = await runToEnd(['dpkg-deb', '-x', join(unfinished, archive), unfinished]);
    if (unpacked.code !== 0) return `Debian's package prometheus cannot be unpacked\n${lastLines(unpacked.output)}`;
    await rm(join(unfinished, archive));
    await rm(finished, { recursive: true, force: true });
    await rename(unfinished, finished);
    return undefined;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function programsIn(folder: string): PrometheusPrograms {
  return { prometheus: join(folder, 'prometheus'), promtool: join(folder, 'promtool') };
}

async function areThere({ prometheus, promtool }: PrometheusPrograms): Promise<boolean> {
  try {
    for (const program of [prometheus, promtool]) await access(program);
    return true;
  } catch {
    return false;
  }
}

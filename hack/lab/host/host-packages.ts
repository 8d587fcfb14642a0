import { LabError } from './lab-error.ts';
import { lastLines, runToEnd } from './subprocess.ts';

export interface InstallOptions {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Installs Debian packages on this machine.
 * @throws LabError with the end of what apt-get said.
 */
export async function installOnHost(
  packages: readonly string[],
  purpose: string,
  { say, signal }: InstallOptions,
): Promise<void> {
  say(`installing ${packages.join(' and ')} with apt-get: ${purpose}`);
  const apt = ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=120'];
  for (const words of [['update'], ['install', '--no-install-recommends', ...packages]]) {
    const ended = await runToEnd(['env', ...apt, ...words], { signal });
    if (ended.code === 0) continue;
    const command = `apt-get ${words.join(' ')}`;
    throw new LabError(`'${command}' failed; install ${packages.join(' and ')} by hand\n${lastLines(ended.output)}`);
  }
}

import { LabError } from './lab-error.ts';
import { runToEnd } from './subprocess.ts';

/** Installs mmdebstrap, which fetches and unpacks Debian's packages, where it is missing. */
export async function installBuilder({
  say,
  signal,
}: {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  if ((await runToEnd(['mmdebstrap', '--version'])).code === 0) return;
  say('installing mmdebstrap with apt-get: it fetches and unpacks Debian packages');
  const apt = ['apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=120'] as const;
  const packages = ['mmdebstrap', 'debian-archive-keyring'];
  const install = ['env', 'DEBIAN_FRONTEND=noninteractive', ...apt, 'install', '--no-install-recommends', ...packages];
  for (const command of [[...apt, 'update'], install]) {
    const [program = '', ...words] = command;
    const ended = await runToEnd([program, ...words], { signal });
    if (ended.code !== 0) {
      throw new LabError(`'${command.join(' ')}' failed; install mmdebstrap by hand\n${lastLines(ended.output)}`);
    }
  }
}

/** The end of what a program said, where its reason stands. */
export function lastLines(output: string): string {
  return output.trimEnd().split('\n').slice(-15).join('\n');
}

import { type InstallOptions, installOnHost } from './host-packages.ts';
import { runToEnd } from './subprocess.ts';

/** Installs mmdebstrap, which fetches and unpacks Debian's packages, where it is missing. */
export async function installBuilder(options: InstallOptions): Promise<void> {
  if ((await runToEnd(['mmdebstrap', '--version'])).code === 0) return;
  await installOnHost(['mmdebstrap', 'debian-archive-keyring'], 'it fetches and unpacks Debian packages', options);
}

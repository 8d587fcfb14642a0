import { type InstallOptions, installOnHost } from './host-packages.ts';
import { runToEnd } from './subprocess.ts';

/** Installs mmdebstrap, which fetches and unpacks Debian's packages, where it is missing. */
export function installBuilder(options: InstallOptions): Promise<void> {
  return installProgram(
    'mmdebstrap',
    '--version',
    ['mmdebstrap', 'debian-archive-keyring'],
    'it fetches and unpacks Debian packages',
    options,
  );
}

/** Installs tcc, a C compiler of a megabyte, where it is missing. */
export function installCompiler(options: InstallOptions): Promise<void> {
  return installProgram('tcc', '-v', ['tcc'], 'it compiles what User Mode Linux needs on processors with AMX', options);
}

async function installProgram(
  program: string,
  version: string,
  packages: readonly string[],
  purpose: string,
  options: InstallOptions,
): Promise<void> {
  if ((await runToEnd([program, version])).code === 0) return;
  await installOnHost(packages, purpose, options);
}

import { join } from 'node:path';

/**
 * The command that starts a program of a Debian root folder here, so that the host needs none of its own: by the root's
 * loader and libraries, since the host's may be others, and without chroot, so that it sees the host's files and devices.
 */
export function rootProgram(
  root: string,
  program: keyof typeof programs,
  words: readonly string[],
): [string, ...string[]] {
  const loader = join(root, 'lib64/ld-linux-x86-64.so.2');
  return [loader, '--library-path', join(root, 'usr/lib/x86_64-linux-gnu'), join(root, programs[program]), ...words];
}

/** For such programs: nothing of the host's own. */
export const rootEnvironment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' } as const;

/** By their paths in the root folder. */
const programs = { ip: 'usr/sbin/ip', tcpdump: 'usr/bin/tcpdump', mke2fs: 'usr/sbin/mke2fs' } as const;

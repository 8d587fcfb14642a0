import { access } from 'node:fs/promises';
import { join } from 'node:path';

import { LabError } from './lab-error.ts';
import { patchedKernel } from './root-folder.ts';
import { runToEnd } from './subprocess.ts';

/** Whose kernel the command runs in. */
export type KernelKind = 'direct' | 'uml';

/**
 * Decides where a command runs: in the host's kernel if that installs an SA for us, else in User Mode Linux.
 * A wish is obeyed or refused, never replaced.
 */
export async function chooseKernel(root: string, wish: KernelKind | 'auto'): Promise<KernelKind> {
  if (wish !== 'uml') {
    const refusal = await whyNotDirect(root);
    if (refusal === undefined) return 'direct';
    if (wish === 'direct') throw new LabError(`the host's kernel cannot be used: ${refusal}`);
  }
  const kernel = await access(join(root, patchedKernel)).then(
    () => true,
    () => false,
  );
  if (!kernel) throw new LabError(`this host's kernel has no ESP and there is no User Mode Linux for ${process.arch}`);
  return 'uml';
}

/**
 * Tries, in namespaces that end with the try, what every scenario needs: mounts, a veth pair and an ESP SA.
 * Loaded modules, /proc/config.gz and capability sets all promise more than a container's kernel keeps.
 */
async function whyNotDirect(root: string): Promise<string | undefined> {
  const namespaces = ['unshare', '--mount', '--net', '--pid', '--fork', '--uts', '--ipc', '--kill-child'] as const;
  if ((await runToEnd([...namespaces, 'true'])).code !== 0) return 'no namespaces can be made here';
  const ended = await runToEnd([...namespaces, 'chroot', root, '/bin/sh', '-ec', trial]);
  return ended.code === 0 ? undefined : (ended.output.trim().split('\n').at(-1) ?? 'the trial failed');
}

const trial = `
mount -t tmpfs tmpfs /mnt
ip link add lab0 type veth peer name lab1

ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 reqid 1 mode transport \
    aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
ip xfrm state add src 2001:db8::1 dst 2001:db8::2 proto esp spi 0x1000 reqid 1 mode transport \
    aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128

ip xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out tmpl proto esp reqid 1 mode transport
`;

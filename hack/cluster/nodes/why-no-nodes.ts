import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';

import { runToEnd } from '../../lab/host/subprocess.ts';
import { CannotRunNodesError } from '../cluster-error.ts';

/**
 * Why this machine runs no nodes, undefined where it does. Nodes are joined over TAP devices in a network namespace: that
 * wants root, CAP_SYS_ADMIN, CAP_NET_ADMIN and /dev/net/tun.
 */
export async function whyNoNodes(): Promise<string | undefined> {
  if (process.arch !== 'x64') return `User Mode Linux exists for x86-64 only, and this is ${process.arch}`;
  if (process.getuid?.() !== 0) return 'it needs root';
  const device = await access(tun, constants.R_OK | constants.W_OK).catch(() => 'missing');
  if (device === 'missing') return `there is no ${tun} (in Docker: --device ${tun})`;
  const missing = await missingCapabilities();
  if (missing.length > 0)
    return `it lacks ${missing.map((name) => `${name} (in Docker: --cap-add ${name})`).join(' and ')}`;
  const { code, output } = await runToEnd(['unshare', '--net', '--', 'true']);
  return code === 0 ? undefined : `no network namespace can be made: ${output.trim()}`;
}

async function missingCapabilities(): Promise<readonly string[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return capabilities.filter(({ bit }) => ((effective >> bit) & 1n) === 0n).map(({ name }) => name);
}

/** @throws CannotRunNodesError where this machine runs no nodes. */
export async function expectNodesToRun(): Promise<void> {
  const reason = await whyNoNodes();
  if (reason !== undefined) {
    throw new CannotRunNodesError(`this machine runs no nodes: ${reason}; up --control-plane-only needs no privilege`);
  }
}

const tun = '/dev/net/tun';
/** Bits of capabilities(7). */
const capabilities = [
  { name: 'NET_ADMIN', bit: 12n },
  { name: 'SYS_ADMIN', bit: 21n },
] as const;

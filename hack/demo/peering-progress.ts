import type { InstalledCluster } from '../../e2e/installed-cluster.ts';
import type { IpsecPeering } from '../../operator/api/ipsec-peering.ts';
import { waitUntil } from '../lab/runner/wait-until.ts';

/** Waits until a peering is Ready; tells whenever its status gives another reason why it is not. */
export async function awaitReady(
  installed: InstalledCluster,
  peering: string,
  tell: (line: string) => void,
): Promise<void> {
  let told = '';
  const isReady = async () => {
    const { status } = await installed.read<Pick<IpsecPeering, 'status'>>('ipsecpeering', peering);
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready === undefined) return false;
    const text = `Ready ${ready.status}, ${ready.reason}: ${ready.message}`;
    if (text !== told) tell(text);
    told = text;
    return ready.status === 'True';
  };
  // Longer than a node's first minute, in which nobody is missed, and the steps to enforcement.
  await waitUntil(`${peering} to be Ready`, isReady, { timeoutMs: 240_000, intervalMs: 1_000, say: tell });
}

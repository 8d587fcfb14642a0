import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import type { Cluster } from '../hack/cluster/nodes/cluster.ts';

/** The environment variable that names a folder for what a loss is explained by; nothing is kept without. */
const keepVariable = 'IKEMESH_E2E_KEEP';

/**
 * Keeps a capture, the logs of all pods of ours, and what every kernel has of IPsec, where a folder for that is named: they
 * end with the cluster otherwise.
 */
export async function keepEvidence(cluster: Cluster, capture: string): Promise<void> {
  const folder = process.env[keepVariable];
  if (folder === undefined) return;
  const own = join(folder, `${new Date().toISOString().replace(/[:.]/g, '')}-${basename(capture, '.pcap')}`);
  await mkdir(own, { recursive: true });
  await copyFile(capture, join(own, basename(capture)));
  for (const node of cluster.nodes.values()) {
    if (!node.isRunning) continue;
    const { stdout } = await node.run(['sh', '-c', EVIDENCE]);
    await writeFile(join(own, `${node.name}.txt`), stdout);
  }
  process.stdout.write(`    evidence is kept in ${own}\n`);
}

const EVIDENCE = [
  'ip -s xfrm state',
  'ip -s xfrm policy',
  'cat /proc/net/xfrm_stat',
  'tail -n +1 /var/log/pods/ikemesh_*/*/*.log',
]
  .map((command) => `echo "# ${command}"; ${command}`)
  .join('; ');

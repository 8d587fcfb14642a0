import { Command } from 'commander';

import { runOffline } from './offline/run-offline.ts';

interface Flags {
  readonly manifests: string;
  readonly out: string;
  readonly trustDomain: string;
  readonly namespace: string;
}

await new Command('operator')
  .description('Plans from a folder of manifests, without a cluster, what the operator of ikemesh would write.')
  .requiredOption('--manifests <folder>', 'YAML or JSON files with IPsecPeerings and Nodes')
  .requiredOption('--out <folder>', 'where IPsecNodeConfigs, IPsecPeerSlices and Certificates are written')
  .option('--trust-domain <name>', 'what the names in certificates end in', 'ikemesh.internal')
  .option('--namespace <name>', 'where Certificates and Secrets of nodes are', 'ikemesh-nodes')
  .action(run)
  .parseAsync();

async function run({ manifests, out, trustDomain, namespace }: Flags): Promise<void> {
  const now = new Date();
  const timestamp = now.toISOString().replace(/\.\d+Z$/, 'Z');
  try {
    const { code, lines } = await runOffline({
      manifests,
      out,
      settings: { trustDomain, namespace, issuersRestricted: false },
      at: { milliseconds: now.getTime(), timestamp },
    });
    (code === 2 ? process.stderr : process.stdout).write(`${lines.join('\n')}\n`);
    process.exitCode = code;
  } catch (error) {
    process.stderr.write(`operator: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}

import { Command } from 'commander';
import { goOnWithoutReaders } from './closed-readers.ts';
import { installationCommands } from './installation/commands.ts';
import { runOffline } from './offline/run-offline.ts';
import { runCommand } from './run/run-command.ts';

goOnWithoutReaders();

interface Flags {
  readonly manifests?: string;
  readonly out?: string;
  readonly trustDomain: string;
  readonly namespace: string;
}

const program = new Command('operator')
  .description(
    'The operator of ikemesh. `operator run` works in a cluster; with --manifests and --out it plans without one, from a ' +
      'folder, what it would write.',
  )
  .enablePositionalOptions()
  .addCommand(runCommand())
  .option('--manifests <folder>', 'YAML or JSON files with IPsecPeerings and Nodes')
  .option('--out <folder>', 'where IPsecNodeConfigs, IPsecPeerSlices and Certificates are written')
  .option('--trust-domain <name>', 'what the names in certificates end in', 'ikemesh.internal')
  .option('--namespace <name>', 'where Certificates and Secrets of nodes are', 'ikemesh-nodes')
  .action(planOffline);
for (const command of installationCommands()) program.addCommand(command);
await program.parseAsync();

async function planOffline({ manifests, out, trustDomain, namespace }: Flags, command: Command): Promise<void> {
  if (manifests === undefined && out === undefined) return command.help();
  if (manifests === undefined || out === undefined) return command.error('error: --manifests and --out go together');
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

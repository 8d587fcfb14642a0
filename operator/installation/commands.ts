import { Command, InvalidArgumentError } from 'commander';

import { ApiClient } from '../kube/api-client.ts';
import { connectionFrom, NoConnectionError, ownNamespace } from '../kube/connection.ts';
import { check } from './check.ts';
import { RefusedError } from './cluster.ts';
import type { Patience } from './patience.ts';
import { type Installation, outcomeText, uninstall } from './uninstall.ts';

interface Flags {
  readonly operatorNamespace?: string;
  readonly name: string;
  readonly wait: number;
  readonly kubeconfig?: string;
}

/** What is done to an installation from outside: `operator uninstall` and `operator check`, which the chart's hooks run. */
export function installationCommands(): readonly Command[] {
  return [
    command('uninstall', async (client, installation, patience) => {
      const outcome = await uninstall(client, installation, patience);
      return { code: 0, lines: outcomeText(outcome) };
    }).description(
      'Ends the operator and has every agent take its policies and SAs out of the kernel; names the nodes that did not ' +
        'answer in time. Peerings, certificates and definitions stay.',
    ),
    command('check', async (client, installation, patience) => {
      const faults = await check(client, installation, patience);
      return faults.length === 0
        ? { code: 0, lines: ['operator and agents are ready, and each agent is confined to its node'] }
        : { code: 1, lines: faults };
    }).description(
      'Tries whether operator and agents are ready; ends with 1 and says what is wrong where they are not.',
    ),
  ];
}

type Action = (
  client: ApiClient,
  installation: Installation,
  patience: Patience,
) => Promise<{ readonly code: number; readonly lines: readonly string[] }>;

function command(name: string, act: Action): Command {
  return new Command(name)
    .option('--operator-namespace <name>', "where operator and agents run (POD_NAMESPACE, the pod's own, or ikemesh)")
    .option('--name <name>', "what the names of the installation's objects begin with", 'ikemesh')
    .option('--wait <duration>', 'how long it waits, such as 90s or 2m', duration, 120_000)
    .option('--kubeconfig <file>', "of the cluster (KUBECONFIG, the pod's ServiceAccount, or ~/.kube/config)")
    .action((flags: Flags) => run(flags, act));
}

async function run({ operatorNamespace, name, wait, kubeconfig }: Flags, act: Action): Promise<void> {
  const say = (line: string): boolean => process.stdout.write(`${line}\n`);
  try {
    const installation = {
      namespace: operatorNamespace ?? process.env['POD_NAMESPACE'] ?? ownNamespace() ?? 'ikemesh',
      name,
    };
    const client = new ApiClient(connectionFrom(kubeconfig));
    const { code, lines } = await act(client, installation, { milliseconds: wait, say });
    for (const line of lines) say(line);
    process.exitCode = code;
  } catch (error) {
    if (!(error instanceof NoConnectionError || error instanceof RefusedError)) throw error;
    process.stderr.write(`operator: ${error.message}\n`);
    process.exitCode = error instanceof NoConnectionError ? 2 : 1;
  }
}

/** `90s`, `2m` */
function duration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,4})(s|m)$/.exec(text) ?? [];
  if (count === '') throw new InvalidArgumentError('such as 90s or 2m is wanted.');
  return Number(count) * (unit === 'm' ? 60_000 : 1_000);
}
